"""Records as documents: the catalogue, pages of records, single records, what they can be found by.

The catalogue is a collection of records (OGC 20-004r1, Searchable Catalog).
"""

from collections.abc import Sequence
from typing import Any

from api.links import Link, link, with_query
from api.record_index import SORT_KEYS
from api.record_request import RECORD_PARAMETERS, RecordRequest
from api.records import (
    CONFORMS,
    OPEN_NAMES,
    THEME_NAMES,
    TYPE_NAMES,
    Record,
    both,
    rights,
    utc,
)
from gis.systems import CRS84

CATALOGUE = "catalogue"
TITLE = "数据目录 / Catalogue"
DESCRIPTION = (
    "本图的图层、地图、历次测绘成果与影像系列的目录，可按词语、主题、地点、时间和开放级别查找。\n"
    "The layers, maps, surveys and series of imagery of this map, found by words, theme, place, "
    "time and level of opening."
)
GEOJSON = "application/geo+json"
_JSON, _HTML, _SCHEMA = "application/json", "text/html", "application/schema+json"
_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
CATALOGUE_REL = f"{_REL}ogc-catalog"
_CHINESE = {"code": "zh", "name": "中文", "alternate": "Chinese"}
_ENGLISH = {"code": "en", "name": "English"}
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def catalogue_document(records: Sequence[Record], home: str) -> dict[str, Any]:
    """Return the description of the catalogue as a collection."""
    address = f"{home}/collections/{CATALOGUE}"
    value: dict[str, Any] = {
        "id": CATALOGUE,
        "type": "Collection",
        "itemType": "record",
        "title": TITLE,
        "description": DESCRIPTION,
        "keywords": ["目录", "元数据", "catalogue", "metadata"],
        "language": _CHINESE,
        "languages": [_CHINESE, _ENGLISH],
        "recordLanguages": [_CHINESE, _ENGLISH],
        "conformsTo": [CONFORMS],
        "crs": [CRS84.uri],
        "links": [
            link(f"{address}/items", "items", GEOJSON, "Records"),
            link(f"{address}/items?f=html", "items", _HTML, "Search for records"),
            link(f"{address}/queryables", f"{_REL}queryables", _SCHEMA, "What to search by"),
            link(f"{address}/sortables", f"{_REL}sortables", _SCHEMA, "What to sort by"),
        ],
    }
    boxes = [record.bbox for record in records if record.bbox is not None]
    if boxes:
        west, south, east, north = zip(*boxes, strict=True)
        whole = [min(west), min(south), max(east), max(north)]
        value["extent"] = {"spatial": {"bbox": [whole], "crs": CRS84.uri}}
    starts = [record.start for record in records if record.start is not None]
    if starts:
        value.setdefault("extent", {})["temporal"] = {"interval": [[utc(min(starts)), None]]}
    changed = [record.updated for record in records if record.updated is not None]
    if changed:
        value["updated"] = utc(max(changed))
    return value


def record_document(record: Record, base: str) -> dict[str, Any]:
    """Return a record as GeoJSON (OGC 20-004r1, 8.2).

    Args:
        record: The record.
        base: Address of the service.
    """
    home = f"{base}/api"
    properties: dict[str, Any] = {
        "type": record.type.value,
        "title": both(record.title),
        "description": f"{record.abstract.zh}\n{record.abstract.en}",
        "language": _CHINESE,
        "languages": [_CHINESE, _ENGLISH],
        "keywords": list(record.keywords),
        "created": utc(record.created) if record.created else None,
        "updated": utc(record.updated) if record.updated else None,
        "themes": _themes(record),
        "theme": record.theme.value if record.theme else None,
        "open": record.open.value if record.open else None,
        "share": record.share.value if record.share else None,
        "rights": rights(record),
        "license": "other" if record.open else None,
        "externalIds": [
            {"scheme": scheme, "value": value} for scheme, value in record.external_ids
        ],
        "formats": [{"name": name, "mediaType": kind} for name, kind in record.formats],
        "contacts": [{"organization": both(record.contact), "roles": ["owner"]}]
        if record.contact
        else [],
        **record.more,
    }
    return {
        "id": record.id,
        "type": "Feature",
        "conformsTo": [CONFORMS],
        "time": _time(record),
        "geometry": _geometry(record),
        "properties": {
            name: value for name, value in properties.items() if value not in (None, [], "")
        },
        "links": [
            *(link(f"{base}{entry.path}", entry.rel, entry.media_type, entry.title)
              for entry in record.links),
            link(f"{home}/collections/{CATALOGUE}", "collection", _JSON, "The catalogue"),
        ],
    }  # fmt: skip


def _themes(record: Record) -> list[dict[str, Any]]:
    if record.theme is None:
        return []
    concept = {"id": record.theme.value, "title": both(THEME_NAMES[record.theme])}
    return [{"scheme": "urn:onemap:themes", "concepts": [concept]}]


def _time(record: Record) -> dict[str, Any] | None:
    if record.start is None:
        return None
    if record.end == record.start:
        return {"timestamp": utc(record.start)}
    return {"interval": [utc(record.start), utc(record.end) if record.end else ".."]}


def _geometry(record: Record) -> dict[str, Any] | None:
    if record.bbox is None:
        return None
    west, south, east, north = record.bbox
    if (west, south) == (east, north):
        return {"type": "Point", "coordinates": [west, south]}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def records_page(
    records: Sequence[Record], matched: int, links: list[Link], base: str
) -> dict[str, Any]:
    """Return a page of records as GeoJSON."""
    return {
        "type": "FeatureCollection",
        "numberMatched": matched,
        "numberReturned": len(records),
        "features": [
            {**document, "links": [_own(record, base), *document["links"]]}
            for record in records
            if (document := record_document(record, base))
        ],
        "links": links,
    }


def _own(record: Record, base: str) -> Link:
    return link(f"{base}/api/collections/{CATALOGUE}/items/{record.id}", "self", GEOJSON, record.id)


def page_links(wanted: RecordRequest, matched: int, address: str, media_type: str) -> list[Link]:
    """Return the links of a page: itself, its other form, the next and the one before."""
    links = []
    for token, kind in (("json", GEOJSON), ("html", _HTML)):
        rel = "self" if kind == media_type else "alternate"
        href = with_query(address, {**wanted.parameters, "f": token})
        links.append(link(href, rel, kind, f"This document as {token.upper()}"))
    links.sort(key=lambda entry: str(entry["rel"]), reverse=True)
    following = wanted.offset + wanted.limit
    if following < matched:
        there = {**wanted.parameters, "offset": str(following)}
        links.append(link(with_query(address, there), "next", media_type, "下一页 / Next"))
    if wanted.offset > 0:
        there = {**wanted.parameters, "offset": str(max(0, wanted.offset - wanted.limit))}
        links.append(link(with_query(address, there), "prev", media_type, "上一页 / Previous"))
    links.append(link(address.removesuffix("/items"), "collection", _JSON, "The catalogue"))
    return links


def record_queryables(home: str) -> dict[str, Any]:
    """Return what records can be searched by, as a JSON schema."""
    named: dict[str, dict[str, Any]] = {
        "type": {name.value: both(title) for name, title in TYPE_NAMES.items()},
        "theme": {name.value: both(title) for name, title in THEME_NAMES.items()},
        "open": {name.value: both(title) for name, title in OPEN_NAMES.items()},
    }
    properties: dict[str, Any] = {}
    for name, titles in named.items():
        schema, title = RECORD_PARAMETERS[name]
        properties[name] = {
            "title": title,
            "type": "string",
            "enum": schema["items"]["enum"],
            "description": ", ".join(f"{key}: {text}" for key, text in titles.items()),
        }
    for name in ("q", "place", "ids", "externalIds"):
        properties[name] = {"title": RECORD_PARAMETERS[name][1], "type": "string"}
    return {
        "$schema": _DRAFT,
        "$id": f"{home}/collections/{CATALOGUE}/queryables",
        "type": "object",
        "title": TITLE,
        "properties": properties,
        "additionalProperties": False,
    }


def record_sortables(home: str) -> dict[str, Any]:
    """Return what records can be sorted by, as a JSON schema."""
    times = ("created", "updated", "datetime")
    return {
        "$schema": _DRAFT,
        "$id": f"{home}/collections/{CATALOGUE}/sortables",
        "type": "object",
        "title": TITLE,
        "properties": {
            name: {"type": "string", **({"format": "date-time"} if name in times else {})}
            for name in SORT_KEYS
        },
        "additionalProperties": False,
    }
