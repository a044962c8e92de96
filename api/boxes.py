"""The ``bbox`` parameter in any of the reference systems."""

import math
from dataclasses import dataclass

import numpy as np
import shapely

from api.errors import InvalidParameter
from gis.boxes import box_ring
from gis.systems import WEB_MERCATOR, CoordinateSystem
from layers.feature_query import BBox

_CHARACTERS = 400
#: Metres; nothing on the globe is so far from a zone's origin.
_FAR_M = 50_000_000.0
#: Degrees; no zone is seen over so many.
_WIDE = 90.0


@dataclass(frozen=True, slots=True)
class SearchBox:
    """A box as the store searches it."""

    #: West, south, east, north in degrees.
    bbox: BBox
    #: The outline as WKB in degrees, where it is another than the box's own.
    outline: bytes | None
    #: Lowest and highest height, metres, where the box has them.
    heights: tuple[float, float] | None


def read_box(text: str, system: CoordinateSystem) -> SearchBox:
    """Read a box of four or, with heights, six numbers.

    Args:
        text: The parameter's value.
        system: The system that its numbers are in, in its axis order.

    Raises:
        InvalidParameter: If it is none, or lies where the system has no positions.
    """
    numbers = _numbers(text)
    heights = None
    if len(numbers) == 6:
        heights = (numbers[2], numbers[5])
        if heights[0] > heights[1]:
            raise InvalidParameter("bbox: its lowest height is above its highest")
        numbers = [*numbers[0:2], *numbers[3:5]]
    if system.is_projected and system.srid != WEB_MERCATOR:
        outline: shapely.Geometry | None = _outline(numbers, system)
        bbox = _checked(shapely.bounds(outline).tolist())
    else:
        lon, lat = system.to_storage(np.array(numbers[0::2]), np.array(numbers[1::2]))
        bbox = _checked([lon[0], lat[0], lon[1], lat[1]])
        outline = _flat(bbox)
    return SearchBox(bbox, None if outline is None else shapely.to_wkb(outline), heights)


def _flat(bbox: BBox) -> shapely.Geometry | None:
    """Return a box without width or height as the point or line it is: as an area it is empty."""
    west, south, east, north = bbox
    if west == east and south == north:
        return shapely.Point(west, south)
    flat = west == east or (south == north and west < east)
    return shapely.LineString([(west, south), (east, north)]) if flat else None


def _numbers(text: str) -> list[float]:
    parts = text.split(",") if len(text) <= _CHARACTERS and "_" not in text else []
    try:
        numbers = [float(part) for part in parts]
    except ValueError as error:
        raise InvalidParameter(f"bbox: '{text}' is not numbers with commas between") from error
    if len(numbers) not in (4, 6) or not all(math.isfinite(number) for number in numbers):
        raise InvalidParameter(f"bbox: '{text[:80]}' is not four or six finite numbers")
    return numbers


def _checked(numbers: list[float]) -> BBox:
    """Return a box in degrees; one whose west is east of its east crosses the antimeridian."""
    west, south, east, north = (float(number) for number in numbers)
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise InvalidParameter("bbox: longitudes must be from -180 to 180 degrees")
    if not -90 <= south <= north <= 90:
        raise InvalidParameter("bbox: latitudes must be from -90 to 90 degrees, the lower first")
    return (west, south, east, north)


def _outline(numbers: list[float], system: CoordinateSystem) -> shapely.Geometry:
    """Return a box of a Gauss-Kruger zone in degrees."""
    low, high = numbers[:2], numbers[2:]
    if low[0] > high[0] or low[1] > high[1]:
        raise InvalidParameter(f"bbox: the lower corner comes first, {system.order} in each")
    if max(map(abs, numbers)) > _FAR_M:
        raise _outside(system)
    if any(system.looks_swapped(*corner) for corner in (low, high)):
        raise InvalidParameter(f"bbox: EPSG:{system.srid} has {system.order}; swap the two")
    points = box_ring(low, high)
    lon, lat = system.to_storage(points[:, 0], points[:, 1])
    if not (np.isfinite(lon) & np.isfinite(lat)).all() or np.ptp(lon) > _WIDE:
        raise _outside(system)
    positions = np.column_stack((lon, lat))
    if low == high:
        return shapely.Point(positions[0])
    if low[0] == high[0] or low[1] == high[1]:
        return shapely.LineString(positions)
    return shapely.Polygon(positions)


def _outside(system: CoordinateSystem) -> InvalidParameter:
    return InvalidParameter(
        f"bbox: reaches where EPSG:{system.srid} has no positions; it has {system.order}, in metres"
    )
