"""Shapefile in a zip, with its encoding, its reference system and a table of the fields' names."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa
import pyarrow.compute as pc

from api.exporting.format import (
    GEOMETRY,
    Column,
    ExportFormat,
    ExportJob,
    ExportRefused,
    Rows,
    UsualFormat,
)
from api.exporting.ogr import write_ogr
from api.exporting.text import plain_text
from api.negotiation import Representation

_LONGEST_NAME = 10
#: Bytes of a text in a dBASE table.
_WIDEST = 254
#: Parameter → Python's codec, GDAL's name of it, what the .cpg says.
_ENCODINGS = {"UTF-8": ("utf-8", "UTF-8", "UTF-8"), "GBK": ("gbk", "CP936", "936")}
_README = """\
{title}

The names of a Shapefile's fields have at most 10 bytes. This is which field each is: its name here
and in full, titles, type, unit and code list. Texts are in {encoding}, times in UTC.
Shapefile 字段名不超过 10 个字节, 下表为各字段的短名、全名、中文名、英文名、类型、单位与代码表。
文本编码为 {encoding}, 时间为 UTC。

"""


class Shapefile(UsualFormat):
    """Texts are UTF-8 unless GBK is asked for, which cannot hold every character of a name."""

    name: str = "shp"
    representation: Representation = Representation(
        ("shp", "shapefile"), ("application/x-shapefile", "application/vnd.shp")
    )
    extension: str = "shp.zip"
    options: Mapping[str, tuple[str, ...]] = MappingProxyType({"encoding": ("UTF-8", "GBK")})

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows; see ``ExportFormat``."""
        assert isinstance(target, Path)  # noqa: S101 -- it is not streamed
        if job.geometry == "geometry":
            raise ExportRefused(
                f"f: '{job.layer}' holds points, lines and areas, a Shapefile only one "
                "of them: take gpkg"
            )
        codec, encoding, page = _ENCODINGS[job.options["encoding"]]
        names = short_names([column.name for column in job.columns[:4]], job.layer_fields)
        short = pa.schema([_field(column, names[column.name]) for column in job.columns])
        short = short.append(schema.field(GEOMETRY))
        folder = target.with_suffix(".d")
        folder.mkdir()
        fitted = (_fitted(job, batch, short, codec) for batch in rows)
        path = folder / f"{job.layer}.shp"
        write_ogr(job, short, fitted, path, "ESRI Shapefile", encoding=encoding)
        path.with_suffix(".cpg").write_text(page)
        readme = _README.format(title=job.title, encoding=job.options["encoding"])
        # Not a table of its own, which programs that open the whole zip take for a second layer.
        (folder / "README.txt").write_text(readme + _table(job, names), encoding="utf-8-sig")
        with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=1) as archive:
            for part in sorted(folder.iterdir()):
                archive.write(part, part.name)
                part.unlink()
        folder.rmdir()


def short_names(own: list[str], fields: tuple[str, ...]) -> dict[str, str]:
    """Return full name → name of at most ten bytes, in capitals.

    It is the same however many of the fields are exported: names that are too long, or whose
    beginning another has, end in a number that counts in the order of the layer's definition.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    everyone = [*own, *fields]
    whole = {name.upper() for name in everyone if len(name) <= _LONGEST_NAME}
    for name in everyone:
        short = name.upper()
        if len(short) > _LONGEST_NAME:
            number = 1
            short = short[:_LONGEST_NAME]
            while short in taken or short in whole:
                ending = f"_{number}"
                short = name.upper()[: _LONGEST_NAME - len(ending)] + ending
                number += 1
        found[name] = short
        taken.add(short)
    return found


def _field(column: Column, short: str) -> pa.Field:
    if column.type == "text":
        width = min(_WIDEST, 3 * column.length) if column.length else 0
        told = {"GDAL:OGR:width": str(width)} if width else None
        return pa.field(short, pa.string(), metadata=told)
    kinds = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        # The table has no type for a time of day.
        "datetime": pa.string(),
    }
    return pa.field(short, kinds[column.type])


def _fitted(job: ExportJob, batch: pa.RecordBatch, schema: pa.Schema, codec: str) -> pa.RecordBatch:
    columns = []
    for place, column in enumerate(job.columns):
        values = batch.column(place)
        if pa.types.is_timestamp(values.type):
            values = plain_text(values)
        elif column.type == "text":
            _check(job, batch, column, codec)
        columns.append(values)
    return pa.record_batch([*columns, batch.column(GEOMETRY)], schema=schema)


def _check(job: ExportJob, batch: pa.RecordBatch, column: Column, codec: str) -> None:
    """Refuse texts that the table would cut or mangle."""
    values = batch.column(column.name)
    _, _, data = values.buffers()
    if codec != "utf-8" and data is not None:
        try:
            "".join(values.drop_null().to_pylist()).encode(codec)
        except UnicodeEncodeError as error:
            char = error.object[error.start]
            row = pc.index(pc.match_substring(values, char), True).as_py()
            raise ExportRefused(
                f"encoding: GBK has no '{char}' (U+{ord(char):04X}), which stands in the field "
                f"'{column.name}' of feature {batch.column('feature_id')[row]}: take UTF-8"
            ) from None
    long = pc.greater(pc.binary_length(values), _WIDEST)
    if not pc.any(long).as_py():
        return
    for row, text in zip(
        pc.indices_nonzero(long).to_pylist(), values.filter(long).to_pylist(), strict=True
    ):
        if len(text.encode(codec)) > _WIDEST:
            raise ExportRefused(
                f"f: the field '{column.name}' of feature {batch.column('feature_id')[row]} has "
                f"more than the {_WIDEST} bytes that a Shapefile keeps: take gpkg, or leave the "
                "field out with properties"
            )


def _table(job: ExportJob, names: dict[str, str]) -> str:
    lines = ["short\tname\tzh\ten\ttype\tunit\tcodes"]
    for column in job.columns:
        told = (column.name, column.zh, column.en, column.type, column.unit, column.codes)
        lines.append("\t".join((names[column.name], *(text or "" for text in told))))
    return "\n".join(lines) + "\n"


EXPORT: ExportFormat = Shapefile()
