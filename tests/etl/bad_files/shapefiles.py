"""Shapefiles whose parts are damaged, missing or do not fit."""

import os
import struct
from pathlib import Path

import geopandas
import shapely

from tests.etl.bad_files.case import (
    TEN_GB,
    BadFile,
    Maker,
    content,
    cut,
    patched,
    stretched,
    survey,
    without,
    written,
)

GOOD = written("parcels.shp", "ESRI Shapefile")


def _chinese(folder: Path) -> Path:
    path = folder / "parcels.shp"
    survey(4, OWNER=["甲", "乙", "丙", "丁"]).to_file(path, encoding="gb18030")
    return path


def _with_companion(make: Maker, suffix: str, text: str) -> Maker:
    def spoil(folder: Path) -> Path:
        path = make(folder)
        path.with_suffix(suffix).write_text(text)
        return path

    return spoil


def _index_of_another(folder: Path) -> Path:
    path = GOOD(folder)
    index = path.with_suffix(".shx")
    os.truncate(index, index.stat().st_size - 8)
    return path


def _huge_table(folder: Path) -> Path:
    """A table that declares records for ten gigabytes, and a file of that size."""
    path = GOOD(folder)
    table = path.with_suffix(".dbf")
    head = bytearray(table.read_bytes())
    width = struct.unpack_from("<H", head, 10)[0]
    struct.pack_into("<I", head, 4, min(TEN_GB // width - 8, 0xFFFFFFFF))
    table.write_bytes(head)
    os.truncate(table, TEN_GB)
    return path


def _no_rows(folder: Path) -> Path:
    path = folder / "parcels.shp"
    survey(1).iloc[:0].to_file(path, engine="pyogrio", geometry_type="Polygon")
    return path


def _torn_ring(folder: Path) -> Path:
    """The first geometry's number of rings is a billion."""
    return patched(GOOD, 144, struct.pack("<i", 1 << 30))(folder)


def _lines(folder: Path) -> Path:
    shapes = [shapely.LineString([(114.3, 29.8), (114.4, 29.9)])] * 2
    frame = geopandas.GeoDataFrame({"BSM": ["a", "b"]}, geometry=shapes, crs=4490)
    frame.to_file(folder / "lines.shp")
    return folder / "lines.shp"


SHAPEFILES = (
    BadFile("shp cut in half", cut(GOOD, 0.5), r"is truncated: it has [\d,]+ of [\d,]+ bytes"),
    BadFile("shp cut in its header", cut(GOOD, 0.05), "its header is not that of a Shapefile"),
    BadFile("shp lost its last byte", cut(GOOD, 0.9999), "is truncated"),
    BadFile("shp of ten gigabytes", stretched(GOOD), "but its header says"),
    BadFile("dbf cut in half", cut(GOOD, 0.5, ".dbf"), r"has \d+ of 6 records"),
    BadFile("dbf cut in its header", cut(GOOD, 0.01, ".dbf"), "not that of a dBASE table"),
    BadFile("dbf of ten gigabytes", _huge_table, "its parts do not fit"),
    BadFile("dbf missing", without(GOOD, ".dbf"), r"its \.dbf file is missing"),
    BadFile("shx of fewer geometries", _index_of_another, "5 geometries, 6 records"),
    BadFile("shx points outside", patched(GOOD, 100, b"\x7f" * 4, ".shx"), "points outside"),
    BadFile("shx missing, shp with a gap",
            without(patched(GOOD, 236, b"\0\0\0\x09"), ".shx"), "cannot be restored: geometry 2"),
    BadFile("prj missing", without(GOOD, ".prj"), "give it with --crs"),
    BadFile("prj is nonsense", _with_companion(GOOD, ".prj", "咸宁坐标系"), "give it with --crs"),
    BadFile("cpg names no encoding", _with_companion(GOOD, ".cpg", "klingon"),
            "'klingon' is not an encoding"),
    BadFile("cpg says UTF-8, text is GBK", _with_companion(_chinese, ".cpg", "UTF-8"),
            "is not in the encoding"),
    BadFile("text is said to be UTF-8, is GBK", _chinese, "is not in the encoding",
            options={"encoding": "UTF-8"}),
    BadFile("no rows", _no_rows, "the file has no feature"),
    BadFile("lines for a layer of areas", _lines, rules={"geometry_type": 2}, good=0),
    BadFile("a geometry with a billion rings", _torn_ring, rules={"geometry_missing": 1}, good=5),
    BadFile("only a header", content("p.shp", b"\0\0\x27\x0a" + bytes(20)), "its header is not"),
)  # fmt: skip
