"""Geometry as clients send it: GeoJSON, read strictly."""

from collections.abc import Iterator
from typing import Any

import shapely
from shapely.errors import ShapelyError

#: Type → how deep its coordinates lie: 0 is one position.
_DEPTHS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
_SHOWN = 40


class UnreadableGeometry(ValueError):
    """What should be a geometry is none; the message says why, in one sentence."""


def read_geometry(value: Any, *, north_first: bool) -> bytes:
    """Read a GeoJSON geometry.

    Args:
        value: As JSON has it.
        north_first: The positions have northing or latitude first.

    Returns:
        WKB with easting or longitude first, with heights where any position has one.

    Raises:
        UnreadableGeometry: If it is no geometry.
    """
    if not isinstance(value, dict):
        raise UnreadableGeometry("the geometry is not an object")
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _DEPTHS:
        raise UnreadableGeometry(f"'{str(kind)[:_SHOWN]}' is not one of {', '.join(_DEPTHS)}")
    coordinates = value.get("coordinates")
    if not isinstance(coordinates, list):
        raise UnreadableGeometry("the geometry has no coordinates")
    depth = _DEPTHS[kind]
    solid = any(len(position) > 2 for position in _positions(coordinates, depth))
    placed = _placed(coordinates, depth, north_first, solid)
    try:
        shape = shapely.geometry.shape({"type": kind, "coordinates": placed})
    except (ShapelyError, ValueError, TypeError, IndexError) as error:
        raise UnreadableGeometry(f"the coordinates make no {kind}") from error
    return bytes(shapely.to_wkb(shape))


def _positions(coordinates: Any, depth: int) -> Iterator[list[Any]]:
    if not isinstance(coordinates, list):
        raise UnreadableGeometry("the coordinates are not as deep as the geometry's type wants")
    if depth:
        for part in coordinates:
            yield from _positions(part, depth - 1)
        return
    if len(coordinates) not in (2, 3, 4):
        raise UnreadableGeometry("a position has not two or three numbers")
    for number in coordinates:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise UnreadableGeometry(f"'{str(number)[:_SHOWN]}' is not a number of a position")
    yield coordinates


def _placed(coordinates: list[Any], depth: int, north_first: bool, solid: bool) -> Any:
    if depth:
        return [_placed(part, depth - 1, north_first, solid) for part in coordinates]
    first, second = float(coordinates[0]), float(coordinates[1])
    position = (second, first) if north_first else (first, second)
    if not solid:
        return position
    return (*position, float(coordinates[2]) if len(coordinates) > 2 else float("nan"))
