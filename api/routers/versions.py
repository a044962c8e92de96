"""A feature's history: every version, what changed in it, when, and by whom."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api import html
from api.answers import bytes_answer, json_answer
from api.dependencies import TheService, TheViewer
from api.errors import InvalidParameter
from api.feature_numbers import feature_number
from api.lineage_documents import kin_document
from api.links import Link, base_url, link, with_query
from api.negotiation import HTML, Representation, choose
from api.openapi_parts import GEOJSON, answers, format_parameter, query_parameter
from api.query import read_query
from api.times import record_time
from api.version_documents import history_page, version_document, version_feature
from layers.access import access_class
from layers.errors import FeatureNotFound
from layers.feature_history import moments_of, read_history, recorders_query
from layers.lineage_reading import read_lineage
from layers.queries import version_geometries

router = APIRouter(prefix="/api/collections/{layer}/items", tags=["History"])

_JSON = Representation(("json",), ("application/json",))
_GEOJSON = Representation(("geojson",), (GEOJSON,))
_FORMS = (_JSON, _GEOJSON, HTML)
_MOST, _USUAL = 1_000, 100
#: Recorded rows of one feature that are read.
_MOST_ROWS = 20_000
_PARAMETERS = ("asOf", "limit", "cursor", "f")
_EXTRA: dict[str, Any] = {
    "parameters": [
        query_parameter("asOf", "Record time: as the history was told then."),
        query_parameter(
            "limit",
            "The most versions in the answer.",
            {"type": "integer", "minimum": 1, "maximum": _MOST, "default": _USUAL},
        ),
        query_parameter("cursor", "Where the page before ended; take it from its 'next' link."),
        format_parameter("json", "geojson", "html"),
    ],
    "responses": answers("application/json", GEOJSON, "text/html"),
}


@router.get(
    "/{feature_id}/versions",
    summary="A feature's history",
    response_class=Response,
    openapi_extra=_EXTRA,
)
async def versions(
    request: Request, layer: str, feature_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return every version with its times, what changed against the one before, who and why."""
    definition = service.layer(layer, viewer)
    number = feature_number(layer, feature_id)
    given = read_query(request.scope["query_string"], _PARAMETERS)
    form = choose(_FORMS, request.headers.get("accept"), given.get("f"))
    as_of = record_time(given.get("asOf"))
    limit, after = _number(given, "limit", _USUAL), _number(given, "cursor", 0)
    reader = service.reader
    found = await read_lineage(reader, definition, viewer, number, as_of, _MOST_ROWS)
    loads = await reader.fetch(recorders_query(definition, moments_of(found)))
    every = read_history(found, loads, as_of)
    if not every:
        raise FeatureNotFound(f"the map did not know feature {number} of {layer} at that time")
    page = [one for one in every if one.version > after][: min(limit, _MOST)]
    wanted = {one.version for one in page} | {one.previous for one in page if one.previous}
    access = access_class(definition, viewer)
    rows = await reader.fetch(version_geometries(definition, access, number, sorted(wanted)))
    shapes = {row["version"]: row["wkb"] for row in rows}
    home = f"{base_url(request)}/api"
    documents = [version_document(one, shapes, definition, home) for one in page]
    here = f"{home}/collections/{definition.name}/items/{number}"
    following = None
    if page and page[-1].version < every[-1].version:
        following = with_query(f"{here}/versions", given | {"cursor": str(page[-1].version)})
    if form is HTML:
        kin = {"ancestors": found.ancestors, "descendants": found.descendants}
        title = f"{definition.title.zh} / {definition.title.en} {number}: 历史 / history"
        body = history_page(definition, documents, kin, home, following)
        return bytes_answer(request, html.page(title, body, home=home), HTML.media_type)
    value: dict[str, Any] = {
        "layer": definition.name,
        "feature": number,
        "key": dict(found.key),
        "numberMatched": len(every),
        "numberReturned": len(page),
        "ancestors": [kin_document(one, home, definition.name) for one in found.ancestors],
        "descendants": [kin_document(one, home, definition.name) for one in found.descendants],
        "links": _links(here, given, form, following),
    }
    if form is _GEOJSON:
        features = [version_feature(one, number, shapes.get(one["version"])) for one in documents]
        value = {"type": "FeatureCollection", **value, "features": features}
        return json_answer(request, value, media_type=GEOJSON)
    return json_answer(request, {**value, "versions": documents})


def _links(
    here: str, given: dict[str, str], form: Representation, following: str | None
) -> list[Link]:
    links = []
    for other in _FORMS:
        rel = "self" if other is form else "alternate"
        href = with_query(f"{here}/versions", given | {"f": other.tokens[0]})
        links.append(link(href, rel, other.media_type, f"As {other.tokens[0].upper()}"))
    if following is not None:
        links.append(link(following, "next", form.media_type, "Next"))
    links.append(link(here, "up", GEOJSON, "The feature"))
    links.append(link(f"{here}/lineage", "related", "application/json", "Where it came from"))
    return links


def _number(given: dict[str, str], name: str, usual: int) -> int:
    text = given.get(name, str(usual))
    least = 1 if name == "limit" else 0
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= least):
        raise InvalidParameter(f"{name}: '{text[:40]}' is not a whole number from {least} on")
    return int(text)
