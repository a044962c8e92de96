"""GeoParquet 1.0 and 1.1, and Parquet files with the geometry type of Parquet itself."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from etl.curves import without_curves
from etl.geoarrow import encoder
from etl.reader import Reader, Source, SourceBatch, SourceInfo, SourceOptions
from gis.late import LateModule
from layers.errors import LoadRefused

if TYPE_CHECKING:
    import pyarrow.parquet as pq
else:
    pq = LateModule("pyarrow.parquet")

_MAGIC = b"PAR1"
#: What a file means that has a geometry but no CRS (GeoParquet 1.1, "crs").
_DEFAULT_CRS = "OGC:CRS84"
#: Bytes of each column that are read at once.
_BUFFER = 1 << 20
#: Compressed sizes lie: a row group above this is not read.
_MAX_GROUP = 8 << 30
#: Columns that hold the box of each row (GeoParquet 1.1, "covering") are no attributes.
_COVERING = "bbox"


@dataclass(frozen=True)
class ParquetSource:
    """An open Parquet file, which is read by row groups."""

    path: Path
    file: Any
    info: SourceInfo
    geometry: str
    to_wkb: Callable[[pa.Array], pa.Array]
    batch_rows: int

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        first_row = 1
        try:
            for batch in self.file.iter_batches(
                self.batch_rows, columns=[*self.info.columns, self.geometry]
            ):
                if not batch.num_rows:
                    continue
                table = pa.Table.from_batches([batch])
                wkb, problems = without_curves(self.to_wkb(batch.column(self.geometry)))
                attributes = table.select(list(self.info.columns))
                yield SourceBatch(first_row, attributes, wkb, problems)
                first_row += batch.num_rows
        except (pa.ArrowException, OSError, ValueError) as error:
            raise LoadRefused(
                f"{self.path}: breaks off after row {first_row - 1}: {_one_line(error)}"
            ) from error


@dataclass(frozen=True)
class GeoParquetReader(Reader):
    """Reads Parquet files with a geometry column."""

    name: str = "GeoParquet"
    suffixes: frozenset[str] = frozenset({".parquet", ".geoparquet"})

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Say whether it has the magic bytes; see :class:`etl.reader.Reader`."""
        with path.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a Parquet file; see :class:`etl.reader.Reader`."""
        try:
            file = pq.ParquetFile(
                path,
                arrow_extensions_enabled=False,
                page_checksum_verification=True,
                # Reading ahead would keep all row groups in memory.
                pre_buffer=False,
                buffer_size=_BUFFER,
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise LoadRefused(f"{path}: cannot be read as Parquet: {_one_line(error)}") from error
        with file:
            name, about = _geometry(path, file)
            encoding = str(about.get("encoding", "WKB"))
            kind = file.schema_arrow.field(name).type
            to_wkb = encoder(encoding, kind)
            if to_wkb is None:
                raise LoadRefused(
                    f"{path}: the geometry column '{name}' is said to be encoded as '{encoding}', "
                    f"which is unknown or not what its type {_one_line(kind)[:80]} holds"
                )
            _check_sizes(path, file)
            columns = [
                field.name
                for field in file.schema_arrow
                if field.name not in (name, about.get("box", _COVERING))
            ]
            _check_names(path, [*columns, name])
            info = SourceInfo(
                format=self.name,
                layer=path.stem,
                crs=_crs(about),
                columns=tuple(columns),
                features=file.metadata.num_rows,
            )
            yield ParquetSource(path, file, info, name, to_wkb, options.batch_rows)


def _geometry(path: Path, file: Any) -> tuple[str, dict[str, Any]]:
    """Return the geometry column, and what is said of it."""
    text = (file.metadata.metadata or {}).get(b"geo")
    if text is None:
        return _native_geometry(path, file)
    try:
        about = json.loads(text)
        name = about["primary_column"]
        described = about["columns"][name]
        if not isinstance(described, dict):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LoadRefused(f"{path}: its GeoParquet metadata (geo) cannot be read") from error
    if name not in file.schema_arrow.names:
        raise LoadRefused(f"{path}: its geometry column '{name}' is missing")
    if described.get("edges", "planar") != "planar":
        raise LoadRefused(f"{path}: its edges are {described['edges']}, not planar")
    box = described.get("covering", {}).get("bbox", {}).get("xmin", [_COVERING])[0]
    return name, {**described, "box": box}


def _native_geometry(path: Path, file: Any) -> tuple[str, dict[str, Any]]:
    """Find a column of Parquet's own type GEOMETRY (Parquet format 2.11)."""
    for place in range(len(file.schema)):
        column = file.schema.column(place)
        kind = json.loads(column.logical_type.to_json())
        if kind.get("Type") == "Geometry":
            crs = kind.get("crs")
            return column.path, {"encoding": "WKB", **({"crs": crs} if crs else {})}
    raise LoadRefused(
        f"{path}: is Parquet without geometry: it has neither the metadata of GeoParquet (geo) "
        "nor a column of the type GEOMETRY"
    )


def _crs(about: dict[str, Any]) -> str | None:
    """Return the CRS: PROJJSON, the default where none is said, none where it is unknown."""
    if "crs" not in about:
        return _DEFAULT_CRS
    crs = about["crs"]
    return crs if crs is None or isinstance(crs, str) else json.dumps(crs)


def _check_sizes(path: Path, file: Any) -> None:
    for place in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(place).total_byte_size
        if size > _MAX_GROUP:
            raise LoadRefused(
                f"{path}: its row group {place + 1} has {size / 1024**3:.0f} GB, more than "
                f"{_MAX_GROUP / 1024**3:.0f} GB: write it in smaller row groups"
            )


def _check_names(path: Path, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise LoadRefused(f"{path}: has several columns '{name}': name each its own way")


def _one_line(error: object) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


READER: Reader = GeoParquetReader()
