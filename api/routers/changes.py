"""What changed in a layer between two dates."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from api import html
from api.answers import bytes_answer, json_answer
from api.boxes import read_box
from api.change_documents import change_feature, changes_page_body
from api.dependencies import TheService, TheViewer
from api.errors import InvalidParameter
from api.feature_parameters import MAX_LIMIT, PAGE_PARAMETERS
from api.feature_request import filter_of, limit_of
from api.links import Link, base_url, link, with_query
from api.negotiation import HTML, Representation, choose
from api.openapi_parts import GEOJSON, answers, format_parameter, query_parameter
from api.query import read_query
from api.service import Service
from api.times import record_time, valid_instant
from gis.systems import CRS84
from layers.access import Viewer, access_class
from layers.change_features import (
    KINDS,
    ChangeQuery,
    changes_count,
    changes_page,
    read_change,
)
from layers.change_rows import Span
from layers.definition import LayerDefinition
from layers.errors import QueryTimeout

router = APIRouter(prefix="/api/collections/{layer}", tags=["History"])

_GEOJSON = Representation(("json", "geojson"), (GEOJSON, "application/json"))
_FORMS = (_GEOJSON, HTML)
_USUAL = 100
_MOST_DIGITS = 18
_MVT = "application/vnd.mapbox-vector-tile"
_SHARED = ("bbox", "bbox-crs", "filter", "filter-lang", "filter-crs")
_PARAMETERS = ("from", "to", "asOf", *_SHARED, "limit", "cursor", "f")
_EXTRA: dict[str, Any] = {
    "parameters": [
        {
            **query_parameter("from", "The earlier valid time: an instant or a date."),
            "required": True,
        },
        query_parameter("to", "The later valid time: an instant or a date; now without it."),
        query_parameter("asOf", "Record time: what the map held then."),
        *(
            query_parameter(name, PAGE_PARAMETERS[name][1], PAGE_PARAMETERS[name][0])
            for name in _SHARED
        ),
        query_parameter(
            "limit",
            "The most features in the answer.",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": _USUAL},
        ),
        query_parameter("cursor", "Where the page before ended; take it from its 'next' link."),
        format_parameter("json", "geojson", "html"),
    ],
    "responses": answers(GEOJSON, "text/html"),
}


@router.get(
    "/changes",
    summary="What changed between two dates",
    response_class=Response,
    openapi_extra=_EXTRA,
)
async def changes(request: Request, layer: str, service: TheService, viewer: TheViewer) -> Response:
    """Return the features that were added, changed and removed between two dates, by id."""
    definition = service.layer(layer, viewer)
    given = read_query(request.scope["query_string"], _PARAMETERS)
    form = choose(_FORMS, request.headers.get("accept"), given.get("f"))
    query = _query(definition, viewer, given, service)
    records = await service.reader.fetch(changes_page(query))
    access = access_class(definition, viewer)
    found = [read_change(record, access) for record in records[: query.limit]]
    features = [change_feature(one, definition) for one in found]
    counts = None if query.after else await _counts(service, query)
    home = f"{base_url(request)}/api"
    last = found[-1].feature_id if len(records) > query.limit else None
    links = _links(f"{home}/collections/{definition.name}", given, form, last)
    if form is HTML:
        title = f"{definition.title.zh} / {definition.title.en}: 变化 / changes"
        lead = f"{given['from']} – {given.get('to', '')}"
        body = changes_page_body(definition, features, counts, home, links)
        return bytes_answer(request, html.page(title, body, lead=lead, home=home), HTML.media_type)
    value: dict[str, Any] = {
        "type": "FeatureCollection",
        "from": query.span.since,
        "to": query.span.end,
        "numberReturned": len(features),
    }
    if counts is not None:
        value |= {"numberMatched": sum(counts.values()), "counts": counts}
    value |= {"links": links, "features": features}
    answer = json_answer(request, value, media_type=GEOJSON)
    answer.headers["content-crs"] = f"<{CRS84.uri}>"
    return answer


def _query(
    layer: LayerDefinition, viewer: Viewer, given: dict[str, str], service: Service
) -> ChangeQuery:
    since = valid_instant(given.get("from"), "from")
    if since is None:
        raise InvalidParameter("from: say since when, such as from=2019-01-01")
    until, as_of = valid_instant(given.get("to"), "to"), record_time(given.get("asOf"))
    if since > (until or as_of or datetime.now(UTC)):
        raise InvalidParameter("from: lies after the later time")
    system = service.systems.read("bbox-crs", given.get("bbox-crs"))
    box = read_box(given["bbox"], system).bbox if "bbox" in given else None
    limit = limit_of(given.get("limit"))
    return ChangeQuery(
        layer,
        viewer,
        Span(since, until, as_of),
        box,
        filter_of(given, service.systems),
        _cursor(given.get("cursor")),
        _USUAL if limit is None else min(limit, MAX_LIMIT),
    )


def _cursor(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InvalidParameter("cursor: not one that a page of this server ended with")
    return int(text)


async def _counts(service: Service, query: ChangeQuery) -> dict[str, int] | None:
    """Return how many features there are of each kind; ``None`` if counting takes too long."""
    try:
        rows = await service.reader.fetch(changes_count(query))
    except QueryTimeout:
        return None
    found: Mapping[str, int] = {row["kind"]: row["features"] for row in rows}
    return {kind: found.get(kind, 0) for kind in KINDS}


def _links(here: str, given: dict[str, str], form: Representation, last: int | None) -> list[Link]:
    links = []
    for other in _FORMS:
        rel = "self" if other is form else "alternate"
        href = with_query(f"{here}/changes", given | {"f": other.tokens[0]})
        links.append(link(href, rel, other.media_type, f"As {other.tokens[0].upper()}"))
    if last is not None:
        href = with_query(f"{here}/changes", given | {"cursor": str(last)})
        links.append(link(href, "next", form.media_type, "Next"))
    wanted = {"since": given["from"]}
    wanted |= {"datetime": given["to"]} if "to" in given else {}
    wanted |= {name: given[name] for name in ("asOf", "filter", "filter-lang") if name in given}
    tiles = f"{here}/tiles/WebMercatorQuad/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"
    drawn = link(with_query(tiles, wanted), "item", _MVT, "Tiles of what changed")
    links.append({**drawn, "templated": True})
    links.append(link(here, "collection", "application/json", "The layer"))
    return links
