"""The spatial relations of filters."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import shapely
from sqlalchemy import ColumnElement, LargeBinary, func, literal

from layers.errors import InvalidValue
from layers.tables import STORAGE_SRID

#: Relation of CQL2 → function of PostGIS (both as OGC 06-103r4 defines them).
SPATIAL: Mapping[str, str] = {
    "s_intersects": "ST_Intersects",
    "s_disjoint": "ST_Disjoint",
    "s_within": "ST_Within",
    "s_contains": "ST_Contains",
    "s_equals": "ST_Equals",
    "s_touches": "ST_Touches",
    "s_crosses": "ST_Crosses",
    "s_overlaps": "ST_Overlaps",
}
MOST_VERTICES = 5_000
#: How many lists stand around a position in the coordinates of each type.
_NESTING = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}


def spatial_condition(
    operation: str, arguments: list[Any], geometry: ColumnElement[Any], name: str
) -> ColumnElement[bool]:
    """Return a relation as a condition.

    Args:
        operation: A key of ``SPATIAL``.
        arguments: Two, of which one is the features' geometry; the other a GeoJSON geometry or a
            ``bbox``, in degrees, longitude first.
        geometry: The features' geometry, EPSG:4490.
        name: What filters call it.

    Raises:
        InvalidValue: If there is no such geometry.
    """
    own = [argument == {"property": name} for argument in arguments]
    if sum(own) != 1:
        raise InvalidValue(f"filter: '{operation}' relates '{name}' and a geometry or BBOX")
    sides = [
        geometry if is_own else _literal(argument)
        for is_own, argument in zip(own, arguments, strict=True)
    ]
    return getattr(func, SPATIAL[operation])(*sides)  # type: ignore[no-any-return]


def _literal(tree: Any) -> ColumnElement[Any]:
    shape = read_geometry(tree)
    return func.ST_GeomFromWKB(literal(shapely.to_wkb(shape), LargeBinary), STORAGE_SRID)


def read_geometry(tree: Any) -> shapely.Geometry:
    """Return the geometry of a filter, two-dimensional.

    Raises:
        InvalidValue: If it is none, has too many vertices, lies off the earth, or crosses itself.
    """
    if isinstance(tree, dict) and "bbox" in tree:
        return _box(tree["bbox"])
    kind = tree.get("type") if isinstance(tree, dict) else None
    if kind not in _NESTING:
        raise InvalidValue(f"filter: a geometry has one of the types {', '.join(_NESTING)}")
    positions = list(_positions(tree.get("coordinates"), _NESTING[kind]))
    if len(positions) > MOST_VERTICES:
        raise InvalidValue(f"filter: a geometry has more than {MOST_VERTICES} vertices")
    for position in positions:
        _check(position)
    try:
        shape = shapely.force_2d(shapely.geometry.shape(tree))
    except (ValueError, TypeError, IndexError, shapely.errors.ShapelyError):
        raise InvalidValue(f"filter: the {kind} cannot be made of its coordinates") from None
    if not shapely.is_valid(shape):
        raise InvalidValue(f"filter: the {kind} is invalid: {shapely.is_valid_reason(shape)}")
    return shape


def _positions(coordinates: Any, depth: int) -> Iterator[Any]:
    if depth == 0:
        yield coordinates
        return
    if not isinstance(coordinates, list | tuple) or not coordinates:
        raise InvalidValue("filter: a geometry's coordinates do not suit its type")
    for part in coordinates:
        yield from _positions(part, depth - 1)


def _check(position: Any) -> None:
    if not isinstance(position, list | tuple) or len(position) not in (2, 3):
        raise InvalidValue("filter: a position has a longitude, a latitude, and a height at most")
    if not all(_is_number(number) for number in position):
        raise InvalidValue("filter: a position holds what is no number")
    if abs(position[0]) > 180 or abs(position[1]) > 90:
        raise InvalidValue(
            f"filter: {position[0]}, {position[1]} is no longitude and latitude in degrees"
        )


def _box(numbers: Any) -> shapely.Geometry:
    if not isinstance(numbers, list) or len(numbers) not in (4, 6):
        raise InvalidValue("filter: BBOX takes west, south, east, north in degrees")
    half = len(numbers) // 2
    lower, upper = numbers[:2], numbers[half : half + 2]
    _check(lower)
    _check(upper)
    if lower[0] > upper[0] or lower[1] > upper[1]:
        raise InvalidValue("filter: the BBOX's west or south lies beyond its east or north")
    return shapely.box(*lower, *upper)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
