"""The catalogue: records of layers, maps, surveys and series of imagery (OGC API Records).

Its module's name comes before those of the layers' routers, whose addresses would take its own.
"""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from api.answers import bytes_answer, document_answer, json_answer, self_links
from api.asgi import REQUEST_ID
from api.dependencies import TheService, TheViewer
from api.errors import UnknownResource
from api.links import base_url
from api.negotiation import HTML, Representation, choose
from api.openapi_parts import (
    DOCUMENT,
    SCHEMA_DOCUMENT,
    answers,
    format_parameter,
    query_parameter,
)
from api.problems import make_problem, status_title
from api.query import read_query
from api.record_documents import (
    CATALOGUE,
    GEOJSON,
    catalogue_document,
    page_links,
    record_document,
    record_queryables,
    record_sortables,
    records_page,
)
from api.record_pages import record_page, search_page
from api.record_request import RECORD_PARAMETERS, record_request

router = APIRouter(prefix=f"/api/collections/{CATALOGUE}", tags=["Catalogue"])
_RECORDS = Representation(("json", "geojson"), (GEOJSON, "application/json"))
_SCHEMA = Representation(("json",), ("application/schema+json", "application/json"))


_ITEMS_EXTRA = {
    "parameters": [
        query_parameter(name, description, schema)
        for name, (schema, description) in RECORD_PARAMETERS.items()
    ],
    "responses": answers(GEOJSON, "text/html", description="A page of records."),
}
_ITEM_EXTRA = {
    "parameters": [format_parameter("json", "html")],
    "responses": answers(GEOJSON, "text/html", description="The record."),
}


@router.get("", summary="The catalogue of records", openapi_extra=DOCUMENT)
async def catalogue(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return the description of the catalogue as a collection of records."""
    index = await service.records.index(service.reader, viewer)
    value = catalogue_document(index.records, f"{base_url(request)}/api")
    return document_answer(request, value["title"], value)


@router.get("/items", summary="Search for records", openapi_extra=_ITEMS_EXTRA)
async def records(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return one page of the records that fit; as a page, with a form to search by."""
    wanted = record_request(request.scope["query_string"])
    form = choose((_RECORDS, HTML), request.headers.get("accept"), wanted.format)
    index = await service.records.index(service.reader, viewer)
    search = wanted.search
    if wanted.place is not None:
        place = await service.records.place(service.reader, viewer, wanted.place)
        search = replace(search, place=place)
    found = index.search(search)
    shown = found[wanted.offset : wanted.offset + wanted.limit]
    base = base_url(request)
    address = f"{base}/api/collections/{CATALOGUE}/items"
    links = page_links(wanted, len(found), address, form.media_type)
    if form is HTML:
        page = search_page(wanted, shown, len(found), links, f"{base}/api")
        return bytes_answer(request, page, HTML.media_type)
    document = records_page(shown, len(found), links, base)
    return json_answer(request, document, media_type=GEOJSON)


@router.get("/items/{record_id}", summary="One record", openapi_extra=_ITEM_EXTRA)
async def record(
    request: Request, record_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return one record by its id."""
    wanted = read_query(request.scope["query_string"], {"f"}).get("f")
    form = choose((_RECORDS, HTML), request.headers.get("accept"), wanted)
    index = await service.records.index(service.reader, viewer)
    found = index.record(record_id)
    if found is None:
        raise UnknownResource(f"there is no record '{record_id}'")
    base = base_url(request)
    document = record_document(found, base)
    links = [
        entry if entry["type"] == HTML.media_type else {**entry, "type": GEOJSON}
        for entry in self_links(
            request, "application/json" if form is _RECORDS else HTML.media_type
        )
    ]
    document["links"] = [*links, *document["links"]]
    if form is HTML:
        return bytes_answer(request, record_page(found, document, f"{base}/api"), HTML.media_type)
    return json_answer(request, document, media_type=GEOJSON)


@router.get("/queryables", summary="What records can be searched by", openapi_extra=SCHEMA_DOCUMENT)
async def queryables(request: Request) -> Response:
    """Return the parameters of the search as a JSON schema."""
    return _schema_answer(request, record_queryables(f"{base_url(request)}/api"))


@router.get("/sortables", summary="What records can be sorted by", openapi_extra=SCHEMA_DOCUMENT)
async def sortables(request: Request) -> Response:
    """Return what records can be sorted by, as a JSON schema."""
    return _schema_answer(request, record_sortables(f"{base_url(request)}/api"))


def _schema_answer(request: Request, value: dict[str, Any]) -> Response:
    wanted = read_query(request.scope["query_string"], {"f"}).get("f")
    if choose((_SCHEMA, HTML), request.headers.get("accept"), wanted) is HTML:
        return document_answer(request, value["title"], value)
    return json_answer(request, value, media_type=_SCHEMA.media_type)


@router.api_route("/items", methods=["POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
@router.api_route(
    "/items/{record_id}", methods=["POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
)
async def refuse_edits(request: Request) -> Response:
    """Refuse edits, which the features of layers may take: records follow from other things."""
    problem = make_problem(
        405,
        status_title(405),
        "records cannot be edited: they follow from definitions and loads",
        request.url.path,
        request.scope[REQUEST_ID],
    )
    return Response(problem.body, 405, {**dict(problem.headers), "allow": "GET, HEAD"})
