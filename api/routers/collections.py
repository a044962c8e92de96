"""The layers as OGC collections: list, description, queryables and schema."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from api import collection_documents as documents
from api.answers import document_answer, json_answer
from api.dependencies import TheService, TheViewer
from api.html import anchor, table
from api.links import base_url
from api.negotiation import HTML, Representation, choose
from api.openapi_parts import DOCUMENT, SCHEMA_DOCUMENT
from api.query import read_query
from api.record_documents import CATALOGUE, catalogue_document
from layers.access import AccessClass, Viewer, access_class
from layers.definition import LayerDefinition

router = APIRouter(prefix="/api/collections", tags=["Layers"])
_SCHEMA = Representation(("json",), ("application/schema+json", "application/json"))


@router.get("", summary="All layers", openapi_extra=DOCUMENT)
async def collections(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return the descriptions of all layers."""
    home = f"{base_url(request)}/api"
    layers = service.layers(viewer)
    found: list[dict[str, Any]] = [
        documents.collection(
            layer, await service.reader.extent(layer, viewer), home, service.systems.uris
        )
        for layer in layers
    ]
    rows = [
        [anchor(f"{home}/collections/{layer.name}", layer.name), layer.title.zh, layer.title.en]
        for layer in layers
    ]
    rows.append([anchor(f"{home}/collections/{CATALOGUE}", CATALOGUE), "数据目录", "Catalogue"])
    index = await service.records.index(service.reader, viewer)
    found.append(catalogue_document(index.records, home))
    title = "图层 / Layers"
    return document_answer(
        request, title, {"collections": found}, table(["id", "名称", "name"], rows)
    )


@router.get("/{layer}", summary="One layer", openapi_extra=DOCUMENT)
async def collection(
    request: Request, layer: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the description of a layer."""
    definition = service.layer(layer, viewer)
    extent = await service.reader.extent(definition, viewer)
    home = f"{base_url(request)}/api"
    value = documents.collection(definition, extent, home, service.systems.uris)
    return document_answer(request, value["title"], value)


@router.get(
    "/{layer}/queryables",
    summary="What a layer's features can be filtered by",
    response_class=Response,
    openapi_extra=SCHEMA_DOCUMENT,
)
async def queryables(
    request: Request, layer: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the fields that features can be filtered by, as a JSON schema."""
    return _schema_answer(request, service.layer(layer, viewer), viewer, documents.queryables)


@router.get(
    "/{layer}/sortables",
    summary="What a layer's features can be sorted by",
    response_class=Response,
    openapi_extra=SCHEMA_DOCUMENT,
)
async def sortables(
    request: Request, layer: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the fields that features can be sorted by, as a JSON schema."""
    return _schema_answer(request, service.layer(layer, viewer), viewer, documents.sortables)


@router.get(
    "/{layer}/schema",
    summary="What a layer's features are",
    response_class=Response,
    openapi_extra=SCHEMA_DOCUMENT,
)
async def schema(request: Request, layer: str, service: TheService, viewer: TheViewer) -> Response:
    """Return what features are, as a JSON schema."""
    return _schema_answer(request, service.layer(layer, viewer), viewer, documents.schema)


@router.get(
    "/{layer}/feature-schema",
    summary="The JSON schema of a layer's GeoJSON features",
    response_class=Response,
    openapi_extra=SCHEMA_DOCUMENT,
)
async def feature_schema(
    request: Request, layer: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the JSON schema of a layer's features as GeoJSON."""
    return _schema_answer(request, service.layer(layer, viewer), viewer, documents.feature_schema)


def _schema_answer(
    request: Request,
    layer: LayerDefinition,
    viewer: Viewer,
    describe: Callable[[LayerDefinition, AccessClass, str], dict[str, Any]],
) -> Response:
    """Answer with one of the JSON schemas of a layer, as it is for a viewer."""
    value = describe(layer, access_class(layer, viewer), f"{base_url(request)}/api")
    wanted = read_query(request.scope["query_string"], {"f"}).get("f")
    if choose((_SCHEMA, HTML), request.headers.get("accept"), wanted) is HTML:
        return document_answer(request, value["title"], value)
    return json_answer(request, value, media_type=_SCHEMA.media_type)
