"""The spatial relations of filters."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, LargeBinary, func, literal

from layers.cql2_text import MOST_DEPTH
from layers.errors import InvalidValue
from layers.filter_values import Kind, Part, Value
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
#: Vertices of a collection: its parts are cut at each other first.
MOST_COLLECTED = 300
_COLLECTION = "GeometryCollection"
#: How many lists stand around a position in the coordinates of each type.
_NESTING = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}


def spatial_condition(operation: str, left: Part, right: Part) -> ColumnElement[bool]:
    """Return a relation as a condition.

    Args:
        operation: A key of ``SPATIAL``.
        left: A geometry, EPSG:4490.
        right: Likewise.

    Raises:
        InvalidValue: If one is none.
    """
    sides = (_side(operation, left), _side(operation, right))
    return getattr(func, SPATIAL[operation])(*sides)  # type: ignore[no-any-return]


def _side(operation: str, part: Part) -> ColumnElement[Any]:
    if not isinstance(part, Value) or part.kind is not Kind.GEOMETRY:
        raise InvalidValue(
            f"filter: '{operation}' relates two geometries, such as 'geometry' and a BBOX"
        )
    return part.sql


def geometry_value(tree: Any) -> Value:
    """Return a geometry that a filter gives: a GeoJSON geometry or a ``bbox``, in degrees.

    Raises:
        InvalidValue: As ``read_geometry``.
    """
    shape = read_geometry(tree)
    if shape.geom_type == _COLLECTION:
        # The database's relations want parts that have no point in common.
        if shapely.get_num_coordinates(shape) > MOST_COLLECTED:
            raise InvalidValue(
                f"filter: a {_COLLECTION} has more than {MOST_COLLECTED} vertices: "
                "relate its parts one by one, with OR between"
            )
        shape = shapely.unary_union(shape)
    wkb = literal(shapely.to_wkb(shape), LargeBinary)
    made = func.ST_GeomFromWKB(wkb, STORAGE_SRID)
    return Value(Kind.GEOMETRY, made, "the geometry", shape)


def read_geometry(tree: Any) -> BaseGeometry:
    """Return the geometry of a filter, two-dimensional; degrees, longitude first.

    A box whose west is east of its east crosses the antimeridian.

    Raises:
        InvalidValue: If it is none, has too many vertices, lies off the earth, or crosses itself.
    """
    if isinstance(tree, dict) and "bbox" in tree and "type" not in tree:
        return _box(tree["bbox"])
    count = 0
    for position in _positions_of(tree, 1):
        count += 1
        if count > MOST_VERTICES:
            raise InvalidValue(f"filter: a geometry has more than {MOST_VERTICES} vertices")
        _check(position)
    kind = tree["type"]
    if not count:
        raise InvalidValue(f"filter: the {kind} is empty")
    try:
        shape: BaseGeometry = shapely.force_2d(shapely.geometry.shape(tree))
    except (ValueError, TypeError, IndexError, KeyError, shapely.errors.ShapelyError):
        raise InvalidValue(f"filter: the {kind} cannot be made of its coordinates") from None
    if not shapely.is_valid(shape):
        raise InvalidValue(f"filter: the {kind} is invalid: {shapely.is_valid_reason(shape)}")
    return shape


def _positions_of(tree: Any, depth: int) -> Iterator[Any]:
    kind = tree.get("type") if isinstance(tree, dict) else None
    if kind == _COLLECTION and isinstance(tree.get("geometries"), list) and depth <= MOST_DEPTH:
        for part in tree["geometries"]:
            yield from _positions_of(part, depth + 1)
    elif isinstance(kind, str) and kind in _NESTING:
        yield from _positions(tree.get("coordinates"), _NESTING[kind])
    else:
        names = ", ".join((*_NESTING, _COLLECTION))
        raise InvalidValue(f"filter: a geometry has one of the types {names}")


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


def _box(numbers: Any) -> BaseGeometry:
    if not isinstance(numbers, list) or len(numbers) not in (4, 6):
        raise InvalidValue("filter: BBOX takes west, south, east, north in degrees")
    half = len(numbers) // 2
    _check(numbers[:half])
    _check(numbers[half:])
    (west, south), (east, north) = numbers[:2], numbers[half : half + 2]
    if south > north:
        raise InvalidValue("filter: the BBOX's south lies beyond its north")
    if west <= east:
        return _rectangle(west, south, east, north)
    halves = [_rectangle(west, south, 180, north), _rectangle(-180, south, east, north)]
    return shapely.union_all(halves)


def _rectangle(west: float, south: float, east: float, north: float) -> BaseGeometry:
    """Return a box; one without width or height is a line or a point."""
    if west == east and south == north:
        return shapely.Point(west, south)
    if west == east or south == north:
        return shapely.LineString([(west, south), (east, north)])
    return shapely.box(west, south, east, north)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
