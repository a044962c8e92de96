"""Filters whose geometries are in another system than the store's (OGC 19-079r2, filter-crs)."""

import math
from typing import Any

import numpy as np

from gis.boxes import box_ring
from gis.systems import WEB_MERCATOR, CoordinateSystem
from layers.errors import InvalidValue

#: Lists around the positions of a MultiPolygon.
_DEEPEST = 3


def in_storage(tree: Any, system: CoordinateSystem) -> Any:
    """Return a filter with all its geometries in degrees, longitude first (EPSG:4490).

    Vertices are brought over one by one, as those of surveys are; a box of a projected system
    becomes a polygon along its edges. What is no geometry stays as it is, for others to refuse.

    Args:
        tree: CQL2 JSON, of a depth that was checked.
        system: The system of its geometries, in whose axis order they are.

    Raises:
        InvalidValue: If a position lies where the system has none.
    """
    if not system.is_projected and not system.north_first:
        return tree
    if isinstance(tree, list):
        return [in_storage(part, system) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if "coordinates" in tree:
        return {**tree, "coordinates": _moved(tree["coordinates"], system, _DEEPEST)}
    if "bbox" in tree:
        return _box(tree, system)
    return {name: in_storage(part, system) for name, part in tree.items()}


def _moved(coordinates: Any, system: CoordinateSystem, depth: int) -> Any:
    if _is_position(coordinates):
        return _positions([coordinates], system)[0]
    if not isinstance(coordinates, list):
        return coordinates
    if coordinates and all(_is_position(part) for part in coordinates):
        return _positions(coordinates, system)
    return [_moved(part, system, depth - 1) for part in coordinates] if depth else coordinates


def _positions(positions: list[list[float]], system: CoordinateSystem) -> list[list[float]]:
    numbers = np.array([position[:2] for position in positions], dtype=np.float64)
    lon, lat = system.to_storage(numbers[:, 0], numbers[:, 1])
    on_earth = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    if not on_earth.all():
        first = positions[int(np.argmin(on_earth))]
        raise InvalidValue(
            f"filter-crs: {first[0]}, {first[1]} is no position of that system, "
            f"which has {system.order}"
        )
    moved = np.column_stack((lon, lat)).tolist()
    return [[*pair, *position[2:]] for pair, position in zip(moved, positions, strict=True)]


def _box(tree: dict[str, Any], system: CoordinateSystem) -> dict[str, Any]:
    numbers = tree["bbox"]
    if not isinstance(numbers, list) or len(numbers) not in (4, 6) or not _all_numbers(numbers):
        return tree
    half = len(numbers) // 2
    low, high = numbers[:2], numbers[half : half + 2]
    if not system.is_projected or system.srid == WEB_MERCATOR:
        (west, south), (east, north) = _positions([low, high], system)
        return {**tree, "bbox": [west, south, east, north]}
    if not (low[0] < high[0] and low[1] < high[1]):
        raise InvalidValue(f"filter: a BBOX has its lower corner first, {system.order} in each")
    ring = _positions(box_ring(low, high).tolist(), system)
    return {"type": "Polygon", "coordinates": [ring]}


def _is_position(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (2, 3) and _all_numbers(value)


def _all_numbers(values: list[Any]) -> bool:
    return all(
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e15
        and math.isfinite(value)
        for value in values
    )
