"""Geometries of filters: GML 3.2 (OGC 07-036r1) read as GeoJSON in degrees, longitude first."""

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from api.ows.errors import ServiceException
from api.ows.xml import local_name
from gis.boxes import box_ring
from gis.systems import CoordinateSystem

Positions = NDArray[np.float64]
#: Reads the name of a reference system.
Systems = Callable[[str | None], CoordinateSystem]

_MOST_NUMBERS = 400_000


def read_gml(node: ET.Element, systems: Systems) -> dict[str, Any]:
    """Return a GML geometry as GeoJSON.

    Args:
        node: ``gml:Point``, ``LineString``, ``Curve``, ``Polygon``, ``Surface``, their collections
            or an ``Envelope``.
        systems: Reads ``srsName``; without one, the service's default.

    Raises:
        ServiceException: If it cannot be read.
    """
    return _Reader(systems(node.get("srsName"))).read(node)


class _Reader:
    def __init__(self, system: CoordinateSystem) -> None:
        self._system = system

    def read(self, node: ET.Element) -> dict[str, Any]:
        kind = local_name(node.tag)
        if kind in _COLLECTIONS:
            name, single = _COLLECTIONS[kind]
            parts = [self._single(member, single) for member in _members(node)]
            return {"type": name, "coordinates": parts}
        if kind == "Envelope":
            return {"type": "Polygon", "coordinates": [self._envelope(node)]}
        if kind in _SINGLES:
            single = _SINGLES[kind]
            return {"type": single, "coordinates": self._single(node, single)}
        raise _unreadable(f"gml:{kind} is not a geometry that can be read here")

    def _single(self, node: ET.Element, wanted: str) -> Any:
        if _SINGLES.get(local_name(node.tag)) != wanted:
            raise _unreadable(f"a gml:{local_name(node.tag)} is no {wanted}")
        return _READERS[wanted](self, node)

    def point(self, node: ET.Element) -> Any:
        positions = self._positions(node)
        if len(positions) != 1:
            raise _unreadable("a gml:Point has one gml:pos")
        return positions[0].tolist()

    def line(self, node: ET.Element) -> Any:
        return self._positions(node).tolist()

    def polygon(self, node: ET.Element) -> Any:
        rings = [
            self._positions(ring).tolist()
            for ring in node.iter()
            if local_name(ring.tag) in ("LinearRing", "Ring")
        ]
        if not rings:
            raise _unreadable("a gml:Polygon has at least an exterior ring")
        return rings

    def _envelope(self, node: ET.Element) -> Any:
        corners = {local_name(child.tag): _numbers(child.text) for child in node}
        low, high = corners.get("lowerCorner", []), corners.get("upperCorner", [])
        if len(low) < 2 or len(high) < 2:
            raise _unreadable("a gml:Envelope has a lowerCorner and an upperCorner")
        ring = box_ring(low[:2], high[:2])
        return self._stored(ring).tolist()

    def _positions(self, node: ET.Element) -> Positions:
        numbers: list[float] = []
        width = 2
        for child in node.iter():
            name = local_name(child.tag)
            if name not in ("pos", "posList"):
                continue
            given = child.get("srsDimension") or node.get("srsDimension")
            read = _numbers(child.text)
            width = (
                int(given) if given in ("2", "3") else 3 if name == "pos" and len(read) == 3 else 2
            )
            if len(read) % width:
                raise _unreadable(f"gml:{name} has {len(read)} numbers, not a multiple of {width}")
            numbers += [one for at, one in enumerate(read) if at % width < 2]
        if not numbers:
            raise _unreadable(f"gml:{local_name(node.tag)} has neither gml:pos nor gml:posList")
        if len(numbers) > _MOST_NUMBERS:
            raise _unreadable("too many vertices")
        return self._stored(np.asarray(numbers).reshape(-1, 2))

    def _stored(self, positions: Positions) -> Positions:
        lon, lat = self._system.to_storage(positions[:, 0], positions[:, 1])
        found = np.column_stack((lon, lat))
        if not np.isfinite(found).all():
            raise _unreadable(f"a position lies outside the reference system {self._system.uri}")
        return found


def _members(node: ET.Element) -> list[ET.Element]:
    return [member for holder in node for member in holder]


def _numbers(text: str | None) -> list[float]:
    try:
        read = [float(part) for part in (text or "").split()]
    except ValueError:
        raise _unreadable(f"'{(text or '')[:60]}' is not numbers with blanks between") from None
    if not all(np.isfinite(read)):
        raise _unreadable("a position is not finite")
    return read


def _unreadable(text: str) -> ServiceException:
    return ServiceException("InvalidParameterValue", "filter", f"filter: {text}")


_SINGLES: Mapping[str, str] = {
    "Point": "Point",
    "LineString": "LineString",
    "Curve": "LineString",
    "Polygon": "Polygon",
    "Surface": "Polygon",
}
_COLLECTIONS: Mapping[str, tuple[str, str]] = {
    "MultiPoint": ("MultiPoint", "Point"),
    "MultiCurve": ("MultiLineString", "LineString"),
    "MultiLineString": ("MultiLineString", "LineString"),
    "MultiSurface": ("MultiPolygon", "Polygon"),
    "MultiPolygon": ("MultiPolygon", "Polygon"),
}
_READERS: Mapping[str, Callable[[_Reader, ET.Element], Any]] = {
    "Point": _Reader.point,
    "LineString": _Reader.line,
    "Polygon": _Reader.polygon,
}
