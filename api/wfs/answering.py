"""Queries of the WFS: from a request to the features that answer it."""

import re
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import orjson

from api.boxes import SearchBox, read_box
from api.crs import Systems
from api.ows.errors import ServiceException
from api.ows.xml import PREFIX
from api.service import Service
from api.times import record_time, valid_time
from api.wfs.capabilities import MOST_FEATURES, urn
from api.wfs.fes import fes_tree, ids_tree
from api.wfs.names import GEOMETRY, GML_FORMATS, JSON_FORMATS, VERSION_ELEMENTS
from api.wfs.requests import WfsRequest, stored_query_id
from gis.systems import CGCS2000, CoordinateSystem
from layers.access import Viewer, access_class
from layers.cursors import Cursor, write_cursor
from layers.definition import LayerDefinition
from layers.feature_query import FeatureQuery, SortKey
from layers.filters import JSON, TEXT, Filter, read_filter

#: ``numberMatched`` of a page is counted so far, that of ``resultType=hits`` farther.
_COUNTED, _COUNTED_HITS = 10_000, 1_000_000
_FINITE = re.compile(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?")
_CODE = re.compile(r"(?:.*[:/#])?(\d{3,6})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WfsQuery:
    """What a GetFeature or GetPropertyValue asks for."""

    query: FeatureQuery
    #: Features before the first one wanted.
    start: int
    hits: bool
    #: ``gml`` or ``json``.
    format: str
    #: Whether the stored query for one feature asks.
    by_id: bool = False


class WfsSystems:
    """Reference systems by the names that WFS clients have for them."""

    def __init__(self, systems: Systems) -> None:
        self._by_code = {
            system.srid: system
            for system in (systems.read("srsName", uri) for uri in systems.uris)
            if "/EPSG/" in system.uri
        }

    @property
    def codes(self) -> list[int]:
        """EPSG codes, the usual one first."""
        rest = [code for code in self._by_code if code != CGCS2000.srid]
        return [CGCS2000.srid, *rest]

    def read(self, text: str | None) -> CoordinateSystem:
        """Return a system by its URN, its address or ``EPSG:code``; in its authority's order.

        Raises:
            ServiceException: If features do not come in it.
        """
        if text is None:
            return CGCS2000
        match = _CODE.fullmatch(text.strip())
        found = self._by_code.get(int(match[1])) if match else None
        if found is None:
            names = ", ".join(urn(code) for code in self.codes)
            raise ServiceException(
                "InvalidParameterValue", "srsName", f"srsName: '{text[:80]}' is not one of {names}"
            )
        return found


def read_types(request: WfsRequest, service: Service, viewer: Viewer) -> list[LayerDefinition]:
    """Return the layers that ``typeNames`` names; none where it is not given.

    Raises:
        ServiceException: If one is not there.
    """
    given = request.parameters.get("typenames") or request.parameters.get("typename") or ""
    names = [name.strip().strip("()") for name in given.split(",") if name.strip()]
    known = {layer.name: layer for layer in service.layers(viewer)}
    found = []
    for name in names:
        layer = known.get(name.rsplit(":", 1)[-1])
        if layer is None:
            raise ServiceException(
                "InvalidParameterValue", "typeNames", f"typeNames: there is no type '{name[:80]}'"
            )
        found.append(layer)
    return found


def read_query(request: WfsRequest, service: Service, viewer: Viewer) -> WfsQuery:
    """Read what a request asks for.

    Raises:
        ServiceException, OneMapError: If it cannot be; the message says what is wrong.
    """
    parameters, systems = request.parameters, WfsSystems(service.systems)
    wanted = stored_query_id(parameters)
    ids = [wanted] if wanted is not None else _listed(parameters.get("resourceid"))
    layer = _layer(request, service, viewer, ids)
    access = access_class(layer, viewer)
    system = systems.read(parameters.get("srsname"))
    box = _box(parameters.get("bbox"), systems)
    selection = [
        tree
        for tree in (
            ids_tree(ids, layer) if ids else None,
            None if request.filter is None else fes_tree(request.filter, layer, systems.read),
        )
        if tree is not None
    ]
    query = FeatureQuery(
        layer,
        viewer,
        at=valid_time(parameters.get("datetime")),
        as_of=record_time(parameters.get("asof")),
        fields=_fields(parameters, access.fields, layer),
        system=system,
        filter=_filter(selection, parameters.get("cql_filter")),
        sort=_sort(parameters.get("sortby"), access.fields, layer),
        limit=_count(parameters),
    )
    if box is not None:
        query = replace(query, bbox=box.bbox, outline=box.outline, heights=box.heights)
    return WfsQuery(
        query,
        start=_number("startIndex", parameters.get("startindex"), 0),
        hits=_is_hits(parameters),
        format=_format(parameters.get("outputformat")),
        by_id=wanted is not None,
    )


def _layer(
    request: WfsRequest, service: Service, viewer: Viewer, ids: list[str]
) -> LayerDefinition:
    layers = read_types(request, service, viewer)
    if len(layers) > 1:
        raise ServiceException(
            "OperationNotSupported", "typeNames", "typeNames: one type a query, not several"
        )
    if layers:
        return layers[0]
    if not ids:
        raise ServiceException("MissingParameterValue", "typeNames", "typeNames: say which type")
    name = ids[0].rsplit(".", 1)[0]
    for layer in service.layers(viewer):
        if layer.name == name:
            return layer
    raise ServiceException("NotFound", "id", f"id: there is no feature '{ids[0][:80]}'")


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def _box(text: str | None, systems: WfsSystems) -> SearchBox | None:
    """Read ``bbox``: four or six numbers and perhaps the name of their system."""
    if not text:
        return None
    numbers, _, name = text.rpartition(",")
    if _FINITE.fullmatch(name.strip()):
        return read_box(text, systems.read(None))
    return read_box(numbers, systems.read(name))


def _filter(trees: list[dict[str, Any]], text: str | None) -> Filter | None:
    found = list(trees)
    if text:
        found.append(read_filter(text, TEXT).tree)
    if not found:
        return None
    whole = found[0] if len(found) == 1 else {"op": "and", "args": found}
    return read_filter(orjson.dumps(whole).decode(), JSON)


def _fields(
    parameters: dict[str, str], known: tuple[str, ...], layer: LayerDefinition
) -> tuple[str, ...] | None:
    text = parameters.get("valuereference") or parameters.get("propertyname")
    if not text:
        return None
    names = []
    for part in text.replace("(", "").replace(")", "").split(","):
        name = part.strip().rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        if name in (GEOMETRY, *VERSION_ELEMENTS, "boundedBy", "@id", "*", ""):
            continue
        _check_field(name, known, layer, "propertyName")
        names.append(name)
    return tuple(dict.fromkeys(names))


def _sort(text: str | None, known: tuple[str, ...], layer: LayerDefinition) -> tuple[SortKey, ...]:
    keys = []
    for part in _listed(text):
        name, _, order = part.replace("+", " ").partition(" ")
        name = name.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        if order.strip().upper() not in ("", "A", "ASC", "D", "DESC"):
            raise ServiceException(
                "InvalidParameterValue", "sortBy", f"sortBy: '{order[:20]}' is not ASC or DESC"
            )
        _check_field(name, known, layer, "sortBy")
        keys.append(SortKey(name, order.strip().upper() in ("D", "DESC")))
    return tuple(keys[:8])


def _check_field(name: str, known: tuple[str, ...], layer: LayerDefinition, where: str) -> None:
    if name not in known:
        raise ServiceException(
            "InvalidParameterValue",
            where,
            f"{where}: the type '{PREFIX}:{layer.name}' has no property '{name[:60]}'",
        )


def _count(parameters: dict[str, str]) -> int:
    given = parameters.get("count", parameters.get("maxfeatures"))
    return min(_number("count", given, MOST_FEATURES), MOST_FEATURES)


def _number(name: str, text: str | None, otherwise: int) -> int:
    if text is None or text == "":
        return otherwise
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise ServiceException(
            "InvalidParameterValue", name, f"{name}: '{text[:40]}' is not a whole number from 0 on"
        )
    return int(text)


def _is_hits(parameters: dict[str, str]) -> bool:
    kind = parameters.get("resulttype", "results").lower()
    if kind not in ("results", "hits"):
        raise ServiceException(
            "InvalidParameterValue",
            "resultType",
            f"resultType: '{kind[:40]}' is not results or hits",
        )
    return kind == "hits"


def _format(text: str | None) -> str:
    if text is None:
        return "gml"
    plain = text.lower().replace(" ", "").replace('"', "")
    if plain in {name.replace(" ", "") for name in GML_FORMATS}:
        return "gml"
    if plain in JSON_FORMATS:
        return "json"
    raise ServiceException(
        "InvalidParameterValue",
        "outputFormat",
        f"outputFormat: '{text[:60]}' is not one of {', '.join((*GML_FORMATS, *JSON_FORMATS))}",
    )


@dataclass(frozen=True, slots=True)
class WfsPage:
    """The features of an answer."""

    fields: tuple[str, ...]
    records: list[Mapping[str, Any]]
    #: How many match in all; ``None`` where that was not counted to the end.
    matched: int | None
    #: Whether there are more behind.
    more: bool


async def read_page(service: Service, wanted: WfsQuery) -> WfsPage:
    """Return the features that a query asks for; errors as in ``CityReader.batches``."""
    query, reader = wanted.query, service.reader
    if wanted.hits or query.limit == 0:
        count = await reader.count(query, _COUNTED_HITS)
        return WfsPage((), [], count if count <= _COUNTED_HITS else None, more=False)
    cursor = await page_cursor(service, wanted)
    if wanted.start and cursor is None:
        return WfsPage((), [], await _matched(service, wanted, 0, more=True), more=False)
    query = replace(query, after=cursor)
    fields: tuple[str, ...] = ()
    records: list[Mapping[str, Any]] = []
    async with aclosing(reader.batches(query, geometry="gml", limit=query.limit + 1)) as batches:
        async for batch in batches:
            fields = batch.fields
            records.extend(batch.records)
    more = len(records) > query.limit
    del records[query.limit :]
    if more and not query.sort:
        last = records[-1]
        mark = write_cursor(query, Cursor(last["feature_id"], last["valid_from"]))
        version = service.data_version((query.layer.name,))
        service.page_marks.keep(query, wanted.start + len(records), version, mark)
    matched = await _matched(service, wanted, len(records), more=more)
    return WfsPage(fields, records, matched, more)


async def page_cursor(service: Service, wanted: WfsQuery) -> str | None:
    """Return the cursor of a page that begins behind ``start`` features; ``None`` at the first."""
    if not wanted.start:
        return None
    version = service.data_version((wanted.query.layer.name,))
    known = service.page_marks.find(wanted.query, wanted.start, version)
    return known or await service.reader.cursor_at(wanted.query, wanted.start)


async def _matched(service: Service, wanted: WfsQuery, found: int, *, more: bool) -> int | None:
    if not more:
        return wanted.start + found
    count = await service.reader.count(wanted.query, _COUNTED)
    # One more than is counted stands for any number.
    return None if count == _COUNTED + 1 else count


def page_address(address: str, parameters: dict[str, str], start: int, count: int) -> str:
    """Return the address of another page of an answer."""
    kept = {
        name: text
        for name, text in parameters.items()
        if name not in ("startindex", "count", "maxfeatures", "request", "service", "version")
    }
    asked = {"service": "WFS", "version": "2.0.0", "request": "GetFeature", **kept}
    return f"{address}?{urlencode({**asked, 'startIndex': start, 'count': count})}"
