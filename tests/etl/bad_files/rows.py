"""Files that can be read, with rows that must not get onto the map."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio.raw
import shapely

from tests.etl.bad_files.case import BadFile, Maker, survey


def _columns(count: int = 6, **columns: list[Any]) -> Maker:
    def make(folder: Path) -> Path:
        survey(count, **columns).to_file(folder / "parcels.gpkg")
        return folder / "parcels.gpkg"

    return make


def _keys(*keys: str | None) -> Maker:
    def make(folder: Path) -> Path:
        survey(len(keys)).assign(BSM=list(keys)).to_file(folder / "parcels.gpkg")
        return folder / "parcels.gpkg"

    return make


def _shapes(*shapes: shapely.Geometry | None) -> Maker:
    def make(folder: Path) -> Path:
        keys = [f"P{number}" for number in range(len(shapes))]
        rows = geopandas.GeoDataFrame({"BSM": keys}, geometry=list(shapes), crs=4490)
        rows.to_file(folder / "parcels.gpkg", geometry_type="Unknown")
        return folder / "parcels.gpkg"

    return make


def _raw(*geometries: bytes, kind: str = "Unknown") -> Maker:
    """Geometries as WKB that shapely would not make."""

    def make(folder: Path) -> Path:
        path = folder / "parcels.gpkg"
        pyogrio.raw.write(
            path,
            np.array(geometries, dtype=object),
            [np.array([f"P{number}" for number in range(len(geometries))], dtype=object)],
            ["BSM"],
            geometry_type=kind,
            crs="EPSG:4490",
            driver="GPKG",
        )
        return path

    return make


def _nested(depth: int) -> bytes:
    """A collection in a collection in a collection … (ISO WKB)."""
    return struct.pack("<BII", 1, 7, 1) * depth + struct.pack("<BII", 1, 7, 0)


def _arc() -> bytes:
    """A curve polygon: a circle of one arc string (ISO WKB 10 and 8)."""
    points = [(114.3, 29.8), (114.4, 29.8), (114.3, 29.8)]
    ring = struct.pack("<BII", 1, 8, 3) + b"".join(struct.pack("<dd", *xy) for xy in points)
    return struct.pack("<BII", 1, 10, 1) + ring


def _star(points: int) -> shapely.Polygon:
    """A figure that crosses itself."""
    angles = np.arange(points) * 2 * np.pi * (points // 2) / points
    ring = np.column_stack([114.3 + 0.01 * np.cos(angles), 29.8 + 0.01 * np.sin(angles)])
    return shapely.Polygon(ring)


def _circle(points: int) -> shapely.Polygon:
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    ring = np.column_stack([114.3 + 0.01 * np.cos(angles), 29.8 + 0.01 * np.sin(angles)])
    return shapely.Polygon(ring)


GOOD = shapely.box(114.3, 29.8, 114.31, 29.81)
SPIKE = shapely.Polygon([(114.3, 29.8), (114.4, 29.8), (114.3, 29.8)])


def _values(column: str, values: Sequence[Any]) -> Maker:
    return _columns(len(values), **{column: list(values)})


ROWS = (
    BadFile("keys that repeat", _keys("a", "b", "a", "a"), rules={"duplicate_key": 2}, good=2),
    BadFile("keys that are missing", _keys("a", None, "", "  "), rules={"bsm: required": 3},
            good=1),
    BadFile("keys too long", _keys("a", "x" * 19), rules={"bsm: length": 1}, good=1),
    BadFile("text with control characters", _values("OWNER", ["a", "b\x01", "c\x7fd", "e\nf"]),
            rules={"owner: characters": 2}, good=2),
    BadFile("codes that are none", _values("DLBM", ["0101", "9999", "水田", "101"]),
            rules={"dlbm: codes": 3}, good=1),
    BadFile("text of ten megabytes", _values("OWNER", ["x", "y" * 10_000_000]),
            rules={"owner: length": 1}, good=1),
    BadFile("numbers out of range", _values("FLOORS", ["1", "-1", "100", "1e9", "x"]),
            rules={"floors: min": 1, "floors: max": 1, "floors: type": 2}, good=1),
    BadFile("numbers that are none", _values("AREA", ["1.5", "NaN", "inf", "1,5", "一"]),
            rules={"area: type": 4}, good=1),
    BadFile("dates that are none",
            _values("SURVEYED", ["2020-05-01", "2020-02-30", "0000-00-00", "20201301", "昨天"]),
            rules={"surveyed: type": 4}, good=1),
    BadFile("times out of range",
            _values("CHANGED_AT", ["2020-05-01T12:00:00", "99999-01-01", "2020-05-01T25:00:00"]),
            rules={"changed_at: type": 2}, good=1),
    BadFile("text of another form", _values("VILLAGE", ["421202", "42120", "421202'; DROP"]),
            rules={"village: pattern": 2}, good=1),
    BadFile("truth that is none", _values("BUILT", ["是", "vielleicht"]),
            rules={"built: type": 1}, good=1),
    BadFile("missing geometries", _shapes(GOOD, None, shapely.Polygon()),
            rules={"geometry_missing": 2}, good=1),
    BadFile("mixed geometries",
            _shapes(GOOD, shapely.Point(114.3, 29.8), GOOD.exterior,
                    shapely.GeometryCollection([GOOD, shapely.Point(114.3, 29.8)])),
            rules={"geometry_type": 3}, good=1),
    BadFile("areas without area", _shapes(GOOD, SPIKE), rules={"geometry_invalid": 1}, good=1),
    BadFile("collections nested deeply", _raw(GOOD.wkb, _nested(20), _nested(30)),
            rules={"geometry_missing": 2}, good=1),
    BadFile("curves", _raw(GOOD.wkb, _arc()), good=1,
            rules={"geometry_curve": 1, "geometry_missing": 1}),
    BadFile("a polygon that crosses itself 200 million times", _shapes(GOOD, _star(20_001)),
            rules={"geometry_invalid": 1}, good=1),
    BadFile("a polygon of a million vertices", _shapes(GOOD, _circle(1_000_000), None),
            rules={"geometry_missing": 1}, good=2),
    BadFile("too many bad rows", _values("DLBM", ["0101"] * 9 + ["x"]),
            "1 of 10 rows are bad, more than 5%: dlbm: codes", options={"max_bad": 0.05}),
    BadFile("no good row", _values("DLBM", ["x", "y"]), "no row is good"),
    BadFile("no key column", lambda folder: _renamed(folder, "id"),
            "no column is known for the required field bsm"),
)  # fmt: skip


def _renamed(folder: Path, name: str) -> Path:
    survey().rename(columns={"BSM": name}).to_file(folder / "parcels.gpkg")
    return folder / "parcels.gpkg"
