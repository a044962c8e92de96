"""What a load did: its report, and the features that it changed."""

from typing import Any

import orjson
import shapely
from fastapi import APIRouter, Request, Response

from api.answers import bytes_answer, json_answer, self_links
from api.dependencies import TheService, TheViewer
from api.errors import InvalidParameter
from api.links import base_url, link, with_query
from api.load_reports import (
    change_document,
    known_load,
    may_see_values,
    report_document,
    shown_load,
    states_of,
)
from api.negotiation import DOCUMENT_FORMS, HTML, Representation, choose
from api.openapi_parts import DOCUMENT, GEOJSON, answers, format_parameter, query_parameter
from api.query import read_query
from etl.report_html import Picture, render_report
from etl.report_map import frame_of
from layers.load_queries import MOST_OUTLINES, changes_query, read_change
from layers.queries import outlines

router = APIRouter(prefix="/api/loads", tags=["Loads"])

_GEOJSON = Representation(("geojson",), ("application/geo+json",))
_CHANGES = Representation(("json",), ("application/json",))
_MOST_CHANGES = 1_000
_FEW_CHANGES = 100
_MOST_DIGITS = 18
#: Details of a picture's background smaller than this part of it are left out.
_DETAIL = 1 / 500


@router.get("/{load_id}/report", summary="The report of a load", openapi_extra=DOCUMENT)
async def report(
    request: Request, load_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return what came, what was refused and why, what changed, and how long it took."""
    given = read_query(request.scope["query_string"], ("f",))
    whole, layer, access = await known_load(service.reader, service.catalogue, viewer, load_id)
    values = may_see_values(service.catalogue, viewer)
    load = shown_load(whole, access, values=values)
    states = await states_of(service.reader, load["load_id"])
    home = f"{base_url(request)}/api"
    here = f"{home}/loads/{load['load_id']}"
    form = choose(DOCUMENT_FORMS, request.headers.get("accept"), given.get("f"))
    if form is not HTML:
        document = report_document(load, states)
        links = [*self_links(request, form.media_type), link(here, "up", form.media_type, "Load")]
        return json_answer(request, {**document, "links": links})
    frame = frame_of((load["report"] or {}).get("bad_shapes", []))
    context: list[bytes] = []
    if frame is not None:
        step = (frame.east - frame.west) * _DETAIL
        rows = await service.reader.fetch(outlines(layer, access, frame.bbox, step, MOST_OUTLINES))
        context = [bytes(row["wkb"]) for row in rows if row["wkb"] is not None]
    picture = Picture(
        context,
        values,
        {
            "入库 / Load": here,
            "变化 / Changes": f"{here}/diff",
            "图层 / Layer": f"{home}/collections/{layer.name}",
            "JSON": f"{here}/report?f=json",
        },
        states,
    )
    page = render_report(load, layer, service.catalogue, picture)
    return bytes_answer(request, page.encode(), HTML.media_type)


@router.get(
    "/{load_id}/diff",
    summary="What a load changed",
    response_class=Response,
    openapi_extra={
        "parameters": [
            format_parameter("json", "geojson"),
            query_parameter(
                "limit",
                "The most features in the answer.",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": _MOST_CHANGES,
                    "default": _FEW_CHANGES,
                },
            ),
            query_parameter(
                "after",
                "Only features with a higher id; take it from a 'next' link.",
                {"type": "integer", "minimum": 0},
            ),
        ],
        "responses": answers("application/json", GEOJSON),
    },
)
async def diff(request: Request, load_id: str, service: TheService, viewer: TheViewer) -> Response:
    """Return features that a load added, changed and ended, by id: ``limit`` and ``after``."""
    given = read_query(request.scope["query_string"], ("f", "limit", "after"))
    limit = min(_number(given, "limit", _FEW_CHANGES), _MOST_CHANGES)
    if limit < 1:
        raise InvalidParameter("limit: must be 1 or more")
    after = _number(given, "after", 0)
    load, layer, access = await known_load(service.reader, service.catalogue, viewer, load_id)
    form = choose((_CHANGES, _GEOJSON), request.headers.get("accept"), given.get("f"))
    records: list[Any] = []
    if load["status"] == "done" and load["about"] is not None:
        statement = changes_query(layer, access, load, after=after, limit=limit + 1)
        records = await service.reader.fetch(statement)
    changes = [read_change(record, layer, access) for record in records[:limit]]
    address = f"{base_url(request)}/api/loads/{load['load_id']}/diff"
    links = [link(with_query(address, given), "self", form.media_type, "This document")]
    if len(records) > limit:
        following = given | {"after": str(changes[-1].feature_id)}
        links.append(link(with_query(address, following), "next", form.media_type, "Next"))
    if form is not _GEOJSON:
        found = [change_document(change) for change in changes]
        document = {"load": load["load_id"], "layer": layer.name, "changes": found, "links": links}
        return json_answer(request, document)
    features = [
        {
            "type": "Feature",
            "id": change.feature_id,
            "geometry": None
            if change.wkb is None
            else orjson.Fragment(shapely.to_geojson(shapely.from_wkb(change.wkb))),
            "properties": change_document(change),
        }
        for change in changes
    ]
    collection = {"type": "FeatureCollection", "features": features, "links": links}
    return json_answer(request, collection, media_type=_GEOJSON.media_type)


def _number(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InvalidParameter(f"{name}: '{text}' is not a whole number")
    return int(text)
