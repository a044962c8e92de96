"""Plain geometries are read from WKB as GEOS reads them; everything else is left to GEOS."""

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from etl.plain_wkb import read_plain

_NUMBERS = st.floats(-1e7, 1e7, allow_nan=False)
_VERTEX = st.tuples(_NUMBERS, _NUMBERS)
_POINTS = st.builds(shapely.Point, _VERTEX)
_LINES = st.builds(shapely.LineString, st.lists(_VERTEX, min_size=2, max_size=6))
_AREAS = st.builds(shapely.Polygon, st.lists(_VERTEX, min_size=3, max_size=6))
_KINDS = [
    (0, _POINTS),
    (0, _POINTS.map(lambda shape: shapely.MultiPoint([shape]))),
    (1, _LINES),
    (1, _LINES.map(lambda shape: shapely.MultiLineString([shape]))),
    (2, _AREAS),
    (2, _AREAS.map(lambda shape: shapely.MultiPolygon([shape]))),
]
_BATCHES = st.sampled_from(_KINDS).flatmap(
    lambda kind: st.tuples(st.just(kind[0]), st.lists(kind[1], min_size=1, max_size=8))
)


def _wkb(shapes: list[BaseGeometry], before: int = 0) -> pa.Array:
    # A run of a longer array, as batches of a file are.
    fill = [b"\x01" * 7] * before
    return pa.array([*fill, *shapely.to_wkb(shapes)], pa.binary())[before:]


@given(_BATCHES, st.integers(0, 3))
def test_plain_geometries_are_read_as_geos_reads_them(
    batch: tuple[int, list[BaseGeometry]], before: int
) -> None:
    dimension, shapes = batch
    read = read_plain(_wkb(shapes, before), dimension)
    assert read is not None
    counts, vertices = read
    assert counts.tolist() == shapely.get_num_coordinates(shapes).tolist()
    np.testing.assert_array_equal(vertices, shapely.get_coordinates(shapes))


_SQUARE = shapely.box(0, 0, 1, 1)
_NOT_PLAIN: dict[str, tuple[int, list[BaseGeometry]]] = {
    "a hole": (2, [_SQUARE, shapely.box(0, 0, 9, 9).difference(_SQUARE.buffer(-0.1))]),
    "two parts": (2, [shapely.MultiPolygon([_SQUARE, shapely.box(5, 5, 6, 6)])]),
    "two types": (2, [_SQUARE, shapely.MultiPolygon([_SQUARE])]),
    "another dimension": (2, [shapely.Point(1, 2)]),
    "heights": (1, [shapely.LineString([(0, 0, 1), (1, 1, 2)])]),
    "nothing in it": (2, [shapely.Polygon()]),
    "an empty point": (0, [shapely.Point()]),
    "a collection": (2, [shapely.GeometryCollection([_SQUARE])]),
}


@pytest.mark.parametrize("name", _NOT_PLAIN)
def test_what_is_not_plain_is_left_alone(name: str) -> None:
    dimension, shapes = _NOT_PLAIN[name]
    assert read_plain(_wkb(shapes), dimension) is None


@pytest.mark.parametrize(
    "wkb",
    [
        pa.array([], pa.binary()),
        pa.array([shapely.to_wkb(_SQUARE), None], pa.binary()),
        pa.array([shapely.to_wkb(_SQUARE, byte_order=0)], pa.binary()),
        pa.array([shapely.to_wkb(_SQUARE)[:-8]], pa.binary()),
        pa.array([shapely.to_wkb(_SQUARE)[:-16]], pa.binary()),
        pa.array([b"\x01"], pa.binary()),
        pa.array([b"\x01\x03\x00\x00\x00" + b"\xff" * 40], pa.binary()),
    ],
    ids=["no row", "a null", "big endian", "half a vertex", "a count too high", "short", "garbage"],
)
def test_what_cannot_be_read_so_is_left_alone(wkb: pa.Array) -> None:
    assert read_plain(wkb, 2) is None


def test_an_open_ring_is_left_alone() -> None:
    closed = bytearray(shapely.to_wkb(_SQUARE))
    closed[-16:-8] = np.float64(0.5).tobytes()
    assert read_plain(pa.array([bytes(closed)], pa.binary()), 2) is None
