"""Imagery scenes as a STAC API 1.0.0."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from api.answers import document_answer, json_answer
from api.dependencies import TheService, TheViewer
from api.errors import ContentTooLarge, UnknownResource, UnsupportedContent
from api.html import anchor, table
from api.links import Link, base_url, link, with_query
from api.openapi_parts import DOCUMENT, answers, query_parameter
from api.query import read_query
from api.scene_finder import FoundScenes, SceneFinder
from api.service import Service
from api.stac_documents import (
    CONFORMANCE,
    GEOJSON,
    collection_document,
    item_document,
    items_document,
    landing_document,
)
from api.stac_request import (
    MOST_JSON,
    SEARCH_PARAMETERS,
    SceneSearch,
    read_search,
    read_search_body,
    write_token,
)
from layers.access import Viewer

router = APIRouter(prefix="/stac", tags=["Imagery"])
_PARAMETERS = [
    query_parameter(name, text, schema) for name, (schema, text) in SEARCH_PARAMETERS.items()
]
_ITEMS = answers(GEOJSON, description="A page of scenes.")
_SEARCH_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    name: {"type": "object"} if name == "intersects" else schema
                    for name, (schema, _) in SEARCH_PARAMETERS.items()
                },
            }
        }
    },
}


def _finder(service: Service, viewer: Viewer) -> SceneFinder:
    return SceneFinder(service.catalogue, service.reader, viewer)


@router.get("", summary="The STAC catalogue", openapi_extra=DOCUMENT)
async def landing(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return the catalogue of scenes, where a STAC client begins."""
    series = await _finder(service, viewer).all_series()
    value = landing_document(series, base_url(request))
    return document_answer(request, value["title"], value)


@router.get("/conformance", summary="Conformance classes of STAC", openapi_extra=DOCUMENT)
async def conformance(request: Request) -> Response:
    """Return the conformance classes that the STAC API fulfils."""
    title = "符合性类 / Conformance classes"
    return document_answer(request, title, {"conformsTo": list(CONFORMANCE)})


@router.get("/collections", summary="Series of scenes", openapi_extra=DOCUMENT)
async def collections(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return the series of scenes, one a sensor."""
    base = base_url(request)
    found = [
        collection_document(entry, service.catalogue.layer(entry.layer), service.catalogue, base)
        for entry in await _finder(service, viewer).all_series()
    ]
    for entry in found:
        entry["links"] = [_self_of(entry), *entry["links"]]
    rows = [[anchor(_self_of(entry)["href"], entry["id"]), entry["title"]] for entry in found]
    root = link(f"{base}/stac", "root", "application/json", "The catalogue")
    return document_answer(
        request,
        "影像系列 / Series of imagery",
        {"collections": found, "links": [root]},
        table(["id", "名称 / Title"], rows),
    )


def _self_of(entry: dict[str, Any]) -> Link:
    items = next(part for part in entry["links"] if part["rel"] == "items")
    href = items["href"].removesuffix("/items")
    return link(href, "self", "application/json", entry["title"])


@router.get("/collections/{collection_id}", summary="A series of scenes", openapi_extra=DOCUMENT)
async def collection(
    request: Request, collection_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return one series of scenes."""
    series = await _finder(service, viewer).series(collection_id)
    layer = service.catalogue.layer(series.layer)
    value = collection_document(series, layer, service.catalogue, base_url(request))
    return document_answer(request, value["title"], value)


@router.get(
    "/collections/{collection_id}/items",
    summary="Scenes of a series",
    openapi_extra={
        "parameters": _PARAMETERS,
        "responses": _ITEMS,
    },
)
async def items(
    request: Request, collection_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return a page of a series' scenes, the youngest first."""
    # Common clients say the collection once more, so every parameter of the search is known.
    wanted, parameters = read_search(request.scope["query_string"], SEARCH_PARAMETERS)
    finder = _finder(service, viewer)
    series = await finder.series(collection_id)
    found = await finder.search(_within(wanted, series.id))
    return _page(request, found, parameters)


@router.get(
    "/collections/{collection_id}/items/{item_id:path}",
    summary="A scene",
    openapi_extra={"responses": answers(GEOJSON, description="The scene.")},
)
async def item(
    request: Request, collection_id: str, item_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return one scene of a series."""
    read_query(request.scope["query_string"], ())
    missing = UnknownResource(f"'{collection_id}' has no scene '{item_id}'")
    if "\0" in item_id:
        raise missing
    wanted = SceneSearch((collection_id,), (item_id,), None, None, None, 1, None)
    found = await _finder(service, viewer).search(wanted)
    if not found.scenes:
        raise missing
    return json_answer(
        request, item_document(found.scenes[0], base_url(request)), media_type=GEOJSON
    )


@router.get(
    "/search",
    summary="Search for scenes",
    openapi_extra={
        "parameters": _PARAMETERS,
        "responses": _ITEMS,
    },
)
async def search(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return a page of scenes of any series, the youngest first."""
    wanted, parameters = read_search(request.scope["query_string"], SEARCH_PARAMETERS)
    return _page(request, await _finder(service, viewer).search(wanted), parameters)


@router.post(
    "/search",
    summary="Search for scenes, with JSON",
    openapi_extra={"requestBody": _SEARCH_BODY, "responses": _ITEMS},
)
async def search_with_json(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return a page of scenes as ``search`` does; geometries have room here."""
    read_query(request.scope["query_string"], ())
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/json", "application/geo+json"):
        raise UnsupportedContent("send a search as application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_JSON:
            raise ContentTooLarge(f"a search is not larger than {MOST_JSON:,} bytes")
    found = await _finder(service, viewer).search(read_search_body(bytes(body)))
    base = base_url(request)
    address = f"{base}/stac/search"
    links: list[Link] = [link(f"{base}/stac", "root", "application/json", "The catalogue")]
    if found.next is not None:
        following = {"method": "POST", "body": {"token": write_token(found.next)}, "merge": True}
        links.append({**link(address, "next", GEOJSON, "下一页 / Next"), **following})
    document = items_document(found.scenes, found.matched, links, base)
    return json_answer(request, document, media_type=GEOJSON)


def _within(wanted: SceneSearch, collection_id: str) -> SceneSearch:
    named = wanted.collections is None or collection_id in wanted.collections
    return replace(wanted, collections=(collection_id,) if named else ())


def _page(request: Request, found: FoundScenes, parameters: dict[str, str]) -> Response:
    base = base_url(request)
    address = f"{base}{request.url.path}"
    links = [
        link(with_query(address, parameters), "self", GEOJSON, "This document"),
        link(f"{base}/stac", "root", "application/json", "The catalogue"),
    ]
    if found.next is not None:
        following = {**parameters, "token": write_token(found.next)}
        links.append(link(with_query(address, following), "next", GEOJSON, "下一页 / Next"))
    document = items_document(found.scenes, found.matched, links, base)
    return json_answer(request, document, media_type=GEOJSON)
