"""Coordinate reference systems by their URIs (OGC API Features, part 2)."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from api.errors import InvalidParameter
from layers.feature_query import BBox


@dataclass(frozen=True, slots=True)
class Crs:
    """A reference system that features come in."""

    uri: str
    #: The authority's axis order puts latitude first.
    latitude_first: bool

    def box(self, numbers: BBox) -> BBox:
        """Return a box in this system as west, south, east, north."""
        if not self.latitude_first:
            return numbers
        south, west, north, east = numbers
        return (west, south, east, north)

    def geometry(self, geometry_json: bytes) -> bytes:
        """Return GeoJSON text of longitude and latitude in this system's axis order."""
        if not self.latitude_first or geometry_json == b"null":
            return geometry_json
        geometry = orjson.loads(geometry_json)
        _swap(geometry)
        return orjson.dumps(geometry)


CRS84 = Crs("http://www.opengis.net/def/crs/OGC/1.3/CRS84", latitude_first=False)
#: CGCS2000 geographic: the storage reference system; EPSG defines latitude first.
CGCS2000 = Crs("http://www.opengis.net/def/crs/EPSG/0/4490", latitude_first=True)
SYSTEMS: MappingProxyType[str, Crs] = MappingProxyType(
    {system.uri: system for system in (CRS84, CGCS2000)}
)


def read_crs(name: str, uri: str | None) -> Crs:
    """Return the system that parameter ``name`` asks for; CRS84 without one.

    Raises:
        InvalidParameter: If features do not come in it.
    """
    if uri is None:
        return CRS84
    system = SYSTEMS.get(uri)
    if system is None:
        raise InvalidParameter(f"{name}: '{uri}' is not one of {', '.join(SYSTEMS)}")
    return system


def _swap(geometry: dict[str, Any]) -> None:
    for part in geometry.get("geometries", ()):
        _swap(part)
    if "coordinates" in geometry:
        geometry["coordinates"] = _swapped(geometry["coordinates"])


def _swapped(coordinates: list[Any]) -> list[Any]:
    if coordinates and isinstance(coordinates[0], list):
        return [_swapped(part) for part in coordinates]
    return [coordinates[1], coordinates[0], *coordinates[2:]] if coordinates else coordinates
