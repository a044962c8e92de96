"""GeoPackages, geodatabases, FlatGeobuf and Parquet files, damaged in many places."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.etl.bad_files.case import (
    BadFile,
    Maker,
    content,
    cut,
    patched,
    stretched,
    survey,
    written,
)

PACKAGE = written("parcels.gpkg", "GPKG")
BUFFER = written("parcels.fgb", "FlatGeobuf")
GEODATABASE = written("parcels.gdb", "OpenFileGDB")
_GDB_TABLE = "a00000009.gdbtable"


def _package(*statements: str) -> Maker:
    """A good GeoPackage after some SQL."""

    def make(folder: Path) -> Path:
        path = PACKAGE(folder)
        with sqlite3.connect(path) as connection:
            for (trigger,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                connection.execute(f'DROP TRIGGER "{trigger}"')
            for statement in statements:
                connection.execute(statement)
        connection.close()
        return path

    return make


def _several_layers(folder: Path) -> Path:
    path = folder / "city.gpkg"
    survey().to_file(path, layer="a")
    survey().to_file(path, layer="b")
    return path


def _geodatabase(change: Callable[[Path], None]) -> Maker:
    def make(folder: Path) -> Path:
        path = GEODATABASE(folder)
        change(path)
        return path

    return make


def _cut_table(path: Path) -> None:
    table = path / _GDB_TABLE
    os.truncate(table, table.stat().st_size // 2)


def _without_catalogue(path: Path) -> None:
    (path / "a00000001.gdbtable").unlink()


def _parquet(folder: Path) -> Path:
    path = folder / "parcels.parquet"
    survey(2000, OWNER=["甲"] * 2000).to_parquet(path, row_group_size=500, compression="none")
    return path


def _footer(folder: Path) -> Path:
    """A file whose footer is noise of the right length."""
    path = _parquet(folder)
    whole = bytearray(path.read_bytes())
    length = int.from_bytes(whole[-8:-4], "little")
    whole[-8 - length : -8] = b"\xff" * length
    path.write_bytes(whole)
    return path


def _geo(change: Callable[[dict[str, object]], object]) -> Maker:
    """A GeoParquet file whose metadata are changed."""

    def make(folder: Path) -> Path:
        path = folder / "parcels.parquet"
        survey().to_parquet(path)
        table = pq.read_table(path)
        about = json.loads(table.schema.metadata[b"geo"])
        changed = change(about)
        text = changed if isinstance(changed, str) else json.dumps(about)
        pq.write_table(table.replace_schema_metadata({"geo": text}), path)
        return path

    return make


def _column(about: dict[str, object]) -> dict[str, object]:
    columns = about["columns"]
    assert isinstance(columns, dict)
    column = columns["geometry"]
    assert isinstance(column, dict)
    return column


def _plain_parquet(folder: Path) -> Path:
    pq.write_table(pa.table({"BSM": ["P0"]}), folder / "plain.parquet")
    return folder / "plain.parquet"


DATABASES = (
    *(
        BadFile(f"GeoPackage cut at {share:.0%}", cut(PACKAGE, share), "is truncated")
        for share in (0.0005, 0.25, 0.5, 0.9)
    ),
    BadFile("GeoPackage of ten gigabytes", stretched(PACKAGE), "but its header says"),
    BadFile("GeoPackage, schema overwritten", patched(PACKAGE, 100, b"\xff" * 3000),
            "cannot be read as GeoPackage"),
    BadFile("GeoPackage that is only a header", content("p.gpkg", b"SQLite format 3\0" + b"x" * 84),
            "is truncated"),
    BadFile("GeoPackage without tables of contents",
            _package("DELETE FROM gpkg_contents", "DELETE FROM gpkg_geometry_columns",
                     "DROP TABLE parcels"), "(holds no layer|cannot be read)"),
    BadFile("GeoPackage whose table is gone", _package("DROP TABLE parcels"),
            "(holds no layer|cannot be read)"),
    BadFile("GeoPackage of several layers", _several_layers, r"several layers \(a, b\)"),
    BadFile("layer that is not there", _several_layers, "has no layer 'c'; it has a, b",
            options={"source_layer": "c"}),
    BadFile("GeoPackage with broken blobs",
            _package("UPDATE parcels SET geom = x'4750' WHERE fid = 2",
                     "UPDATE parcels SET geom = x'00' WHERE fid = 3",
                     "UPDATE parcels SET geom = 'text' WHERE fid = 4"),
            rules={"geometry_missing": 3}, good=3),
    BadFile("FileGDB without its catalogue", _geodatabase(_without_catalogue),
            "cannot be read as FileGDB"),
    BadFile("FileGDB with a table cut in half", _geodatabase(_cut_table),
            r"a00000009\.gdbtable is truncated"),
    BadFile("FileGDB that is an empty folder", lambda folder: _folder(folder / "p.gdb"),
            "cannot be read as FileGDB"),
    BadFile("FileGDB that is a file", content("p.gdb", b"\1\2\3"), "its format is not known"),
    *(
        BadFile(f"FlatGeobuf cut at {share:.0%}", cut(BUFFER, share),
                "(breaks off|cannot be read as FlatGeobuf|is empty or damaged)")
        for share in (0.01, 0.3, 0.6, 0.95)
    ),
    BadFile("FlatGeobuf, header overwritten", patched(BUFFER, 8, b"\xff" * 200),
            "is empty or damaged"),
    BadFile("FlatGeobuf of ten gigabytes", stretched(cut(BUFFER, 0.6)),
            "(breaks off|cannot be read as FlatGeobuf)"),
    *(
        BadFile(f"Parquet cut at {share:.0%}", cut(_parquet, share), "cannot be read as Parquet")
        for share in (0.001, 0.5, 0.99)
    ),
    BadFile("Parquet of ten gigabytes", stretched(_parquet), "cannot be read as Parquet"),
    BadFile("Parquet, pages overwritten", patched(_parquet, 0.4, b"\xff" * 2000),
            "(breaks off after row|not in the encoding)"),
    BadFile("Parquet, footer overwritten", _footer, "cannot be read as Parquet"),
    BadFile("Parquet without geometry", _plain_parquet, "is Parquet without geometry"),
    BadFile("GeoParquet, metadata are no JSON", _geo(lambda about: "{"), "metadata"),
    BadFile("GeoParquet, metadata nested deeply", _geo(lambda about: "[" * 100_000), "metadata"),
    BadFile("GeoParquet, geometry column missing",
            _geo(lambda about: about.update(primary_column="shape", columns={"shape": {}})),
            "its geometry column 'shape' is missing"),
    BadFile("GeoParquet, unknown encoding", _geo(lambda about: _column(about).update(encoding="X")),
            "said to be encoded as 'X'"),
    BadFile("GeoParquet, native encoding that it is not",
            _geo(lambda about: _column(about).update(encoding="polygon")),
            "said to be encoded as 'polygon'"),
    BadFile("GeoParquet, CRS is unknown", _geo(lambda about: _column(about).update(crs=None)),
            "give it with --crs"),
    BadFile("GeoParquet, CRS is nonsense", _geo(lambda about: _column(about).update(crs={"a": 1})),
            "is not a reference system"),
)  # fmt: skip


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
