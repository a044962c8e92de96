"""Placemarks of a KML document, one after the other (OGC KML 2.3)."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from etl.reader import RowProblem
from etl.rows import Row

#: Elements may be as deep as that; a real document has some ten.
_MAX_DEPTH = 200
_CONTAINERS = ("Document", "Folder")
_SHAPES = ("Point", "LineString", "LinearRing", "Polygon", "MultiGeometry")


class KmlError(ValueError):
    """A document is nested too deeply."""


@dataclass(frozen=True)
class _Bad(Exception):
    """A geometry cannot be read."""

    reason: str


def placemarks(chunks: Iterable[str]) -> Iterator[Row]:
    """Yield the placemarks of a document; memory is that of one placemark.

    Beside the data of each there are ``name``, ``description``, ``begin``, ``end`` and ``folder``,
    the names of the folders around it.

    Args:
        chunks: The text of the document, without an XML declaration.

    Raises:
        xml.etree.ElementTree.ParseError: If it is not well-formed.
        KmlError: If it is nested too deeply.
    """
    parser: Any = ET.XMLPullParser(("start", "end"))
    open_elements: list[ET.Element] = []
    names: list[str] = []
    for chunk in chunks:
        parser.feed(chunk)
        for event, element in parser.read_events():
            if event == "start":
                open_elements.append(element)
                if len(open_elements) > _MAX_DEPTH:
                    raise KmlError(f"its elements are nested more than {_MAX_DEPTH} deep")
                if _local(element) in _CONTAINERS:
                    names.append("")
                continue
            open_elements.pop()
            kind = _local(element)
            if kind == "Placemark" and not _inside(open_elements, "Placemark"):
                yield _row(element, names)
            if kind == "name" and open_elements and _local(open_elements[-1]) in _CONTAINERS:
                names[-1] = (element.text or "").strip()
            if kind in _CONTAINERS:
                names.pop()
            if not _inside(open_elements, "Placemark"):
                _forget(element, open_elements)
    parser.close()


def _inside(open_elements: list[ET.Element], kind: str) -> bool:
    return any(_local(element) == kind for element in open_elements)


def _forget(element: ET.Element, open_elements: list[ET.Element]) -> None:
    """Drop an element that was dealt with, so that the document does not grow in memory."""
    element.clear()
    if open_elements:
        open_elements[-1].remove(element)


def _row(placemark: ET.Element, folders: list[str]) -> Row:
    values: dict[str, str] = {"folder": "/".join(name for name in folders if name)}
    shape: BaseGeometry | None = None
    problem: RowProblem | None = None
    for child in placemark:
        kind = _local(child)
        if kind in ("name", "description"):
            values[kind] = _text(child)
        elif kind in ("TimeSpan", "TimeStamp"):
            for time in child:
                begin = "begin" if _local(time) == "when" else _local(time)
                values[begin] = _text(time)
        elif kind == "ExtendedData":
            values.update(_data(child))
        elif kind in _SHAPES:
            try:
                shape = _shape(child)
            except _Bad as error:
                problem = RowProblem("geometry_coordinates", error.reason)
    return Row({name: text for name, text in values.items() if text}, shape, problem)


def _data(extended: ET.Element) -> Iterator[tuple[str, str]]:
    for element in extended.iter():
        name = element.get("name")
        if name is None:
            continue
        if _local(element) == "SimpleData":
            yield name, _text(element)
        elif _local(element) == "Data":
            value = next((child for child in element if _local(child) == "value"), None)
            yield name, _text(value) if value is not None else ""


def _shape(element: ET.Element) -> BaseGeometry | None:
    kind = _local(element)
    try:
        if kind == "MultiGeometry":
            return _collected([_shape(child) for child in element if _local(child) in _SHAPES])
        if kind == "Polygon":
            return _polygon(element)
        positions = _positions(element)
        if not len(positions):
            return None
        if kind == "Point":
            if len(positions) != 1:
                raise _Bad(f"a point has {len(positions)} positions")
            return shapely.Point(positions[0])
        return shapely.LineString(positions)
    except (ValueError, GEOSException) as error:
        raise _Bad(f"its {kind} cannot be made: {str(error).splitlines()[0]}") from error


def _polygon(element: ET.Element) -> BaseGeometry | None:
    outer: list[NDArray[np.float64]] = []
    inner: list[NDArray[np.float64]] = []
    for boundary in element:
        into = {"outerBoundaryIs": outer, "innerBoundaryIs": inner}.get(_local(boundary))
        if into is not None:
            into.extend(_positions(ring) for ring in boundary if _local(ring) == "LinearRing")
    if not outer or not len(outer[0]):
        return None
    return shapely.Polygon(outer[0], inner)


def _collected(parts: list[BaseGeometry | None]) -> BaseGeometry | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    kinds = {part.geom_type for part in known}
    multi: dict[str, Any] = {
        "Point": shapely.MultiPoint,
        "LineString": shapely.MultiLineString,
        "Polygon": shapely.MultiPolygon,
    }
    if len(kinds) == 1 and (kind := kinds.pop()) in multi:
        made: BaseGeometry = multi[kind](known)
        return made
    return shapely.GeometryCollection(known)


def _positions(element: ET.Element) -> NDArray[np.float64]:
    """Return positions, (n, 2) or (n, 3): longitude, latitude in degrees, height in metres."""
    found = next((child for child in element if _local(child) == "coordinates"), None)
    text = _text(found) if found is not None else ""
    positions = [position.split(",") for position in text.split()]
    if not positions:
        return np.empty((0, 2))
    width = min(len(position) for position in positions)
    if width < 2 or any(len(position) > 3 for position in positions):
        raise _Bad(f"'{text[:40]}' are not coordinates")
    try:
        return np.array([[float(number) for number in p[:width]] for p in positions])
    except ValueError:
        raise _Bad(f"'{text[:40]}' are not coordinates") from None


def _text(element: ET.Element) -> str:
    return (element.text or "").strip()


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
