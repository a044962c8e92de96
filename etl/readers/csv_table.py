"""CSV with coordinates: two columns of numbers, or one of WKT."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import shapely

from etl.convert import to_float
from etl.encodings import encoding_of_text, known_encoding
from etl.reader import CoordinateColumns, Reader, Source, SourceBatch, SourceInfo, SourceOptions
from gis.crs import SourceCrs
from layers.errors import LoadRefused

_WKT = ("wkt", "geometry", "geom", "the_geom", "wkt_geom")
#: Names that say the axis for sure: (east, north) pairs.
_SURE = (
    ("lon", "lat"),
    ("lng", "lat"),
    ("long", "lat"),
    ("longitude", "latitude"),
    ("经度", "纬度"),
    ("easting", "northing"),
    ("east", "north"),
    ("e", "n"),
    ("东坐标", "北坐标"),
    ("横坐标", "纵坐标"),
)
#: Names whose meaning depends on the CRS: Chinese surveys write X for the northing.
_DOUBTFUL = (("x", "y"), ("x坐标", "y坐标"))
_HEIGHTS = ("z", "h", "height", "高程")


@dataclass(frozen=True)
class CsvSource:
    """An open CSV file; every column is text."""

    path: Path
    info: SourceInfo
    position: CoordinateColumns
    batch_rows: int

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        first_row = 1
        names = list(self.info.columns)
        try:
            stream = pa_csv.open_csv(
                self.path,
                read_options=pa_csv.ReadOptions(
                    encoding=self.info.encoding,
                    column_names=[str(place) for place in range(len(names))],
                    skip_rows_after_names=0,
                    skip_rows=0,
                    block_size=4 << 20,
                ),
                parse_options=pa_csv.ParseOptions(newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types={str(place): pa.string() for place in range(len(names))},
                    strings_can_be_null=False,
                ),
            )
            header = True
            for batch in stream:
                table = pa.Table.from_batches([batch]).rename_columns(names)
                if header:
                    table, header = table.slice(1), False
                for start in range(0, table.num_rows, self.batch_rows):
                    part = table.slice(start, self.batch_rows).combine_chunks()
                    yield SourceBatch(first_row, part, self._wkb(part))
                    first_row += part.num_rows
        except (pa.ArrowException, OSError, UnicodeError) as error:
            reason = str(error).splitlines()[0]
            raise LoadRefused(
                f"{self.path}: is broken after row {first_row - 1}: {reason}"
            ) from error

    def _wkb(self, table: pa.Table) -> pa.Array:
        if self.position.wkt is not None:
            texts = self._column(table, self.position.wkt).to_numpy(zero_copy_only=False)
            # Coordinates that are no numbers are found by the checks; numpy need not warn.
            with np.errstate(invalid="ignore"):
                shapes = shapely.from_wkt(texts, on_invalid="ignore")
        else:
            shapes = self._points(table)
        return pa.array(shapely.to_wkb(shapes), pa.binary())

    def _points(self, table: pa.Table) -> Any:
        x, y = (self._numbers(table, name) for name in (self.position.x, self.position.y))
        if self.position.order == "ne":
            x, y = y, x
        missing = np.isnan(x) | np.isnan(y)
        if self.position.z is None:
            shapes = shapely.points(x, y)
        else:
            shapes = shapely.points(x, y, self._numbers(table, self.position.z))
        shapes[missing] = None
        return shapes

    def _numbers(self, table: pa.Table, name: str | None) -> Any:
        values, _ = to_float(self._column(table, str(name)))
        return values.to_numpy(zero_copy_only=False).astype(float)

    def _column(self, table: pa.Table, name: str) -> pa.Array:
        column = table.column(table.schema.names.index(name))
        return pc.utf8_trim_whitespace(column.combine_chunks())


@dataclass(frozen=True)
class CsvReader(Reader):
    """Reads CSV files with a header line."""

    name: str = "CSV"
    suffixes: frozenset[str] = frozenset({".csv"})

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a CSV file; see :class:`etl.reader.Reader`."""
        note = None
        if options.encoding is not None:
            encoding = known_encoding(options.encoding)
        else:
            encoding, note = encoding_of_text(path)
        names = _header(path, encoding)
        position = _position(path, names, options)
        notes = [note] if note else []
        if position.order == "ne":
            notes.append(f"{position.x} is read as the northing, {position.y} as the easting")
        info = SourceInfo(
            format=self.name,
            layer=path.stem,
            crs=None,
            columns=tuple(names),
            encoding=encoding,
            position=tuple(
                name for name in (position.wkt, position.x, position.y, position.z) if name
            ),
            notes=tuple(notes),
        )
        yield CsvSource(path, info, position, options.batch_rows)


def _header(path: Path, encoding: str) -> list[str]:
    try:
        with path.open(encoding=encoding, newline="") as stream:
            names = next(csv.reader(stream), [])
    except (OSError, UnicodeError, csv.Error) as error:
        raise LoadRefused(f"{path}: cannot be read as {encoding} text: {error}") from error
    if len(names) < 2:
        raise LoadRefused(f"{path}: its first line is not a CSV header with several columns")
    return [name.strip() for name in names]


def _position(path: Path, names: list[str], options: SourceOptions) -> CoordinateColumns:
    if options.coordinates is not None:
        return _said(path, names, options.coordinates, options.crs)
    found = _recognised(names, options.crs)
    if found is None:
        raise LoadRefused(
            f"{path}: no coordinate columns are recognised among {', '.join(names)}; "
            "name them in a mapping (coordinates: {x: …, y: …, order: ne or en}, or {wkt: …})"
        )
    return found


def _said(
    path: Path, names: list[str], said: CoordinateColumns, crs: SourceCrs | None
) -> CoordinateColumns:
    for name in (said.wkt, said.x, said.y, said.z):
        if name is not None and name not in names:
            raise LoadRefused(f"{path}: has no column '{name}'; it has {', '.join(names)}")
    if said.wkt is not None or said.order is not None:
        return said
    return replace(said, order=_order(str(said.x), crs))


def _recognised(names: list[str], crs: SourceCrs | None) -> CoordinateColumns | None:
    by_name = {name.casefold(): name for name in reversed(names)}
    for wkt in _WKT:
        if wkt in by_name:
            return CoordinateColumns(wkt=by_name[wkt])
    height = next((by_name[name] for name in _HEIGHTS if name in by_name), None)
    for east, north in _SURE:
        if east in by_name and north in by_name:
            return CoordinateColumns(x=by_name[east], y=by_name[north], z=height, order="en")
    for first, second in _DOUBTFUL:
        if first in by_name and second in by_name:
            order = _order(by_name[first], crs)
            return CoordinateColumns(x=by_name[first], y=by_name[second], z=height, order=order)
    return None


def _order(first: str, crs: SourceCrs | None) -> Literal["en", "ne"]:
    """Say whether a column X is the northing: it is where the CRS itself calls it X."""
    is_x = first.casefold().startswith("x")
    return "ne" if is_x and crs is not None and crs.names_north_x else "en"


READER: Reader = CsvReader()
