"""Features are made, replaced, updated and deleted (OGC API Features, part 4)."""

from asyncio import sleep
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import HTTPException
from starlette.concurrency import run_in_threadpool

from api.answers import json_answer
from api.dependencies import TheService, TheViewer
from api.edit_requests import (
    EDIT_PARAMETERS,
    GEOJSON_TYPES,
    PATCH_TYPE,
    EditReader,
    read_body,
    read_headers,
    version_etag,
    wanted_version,
)
from api.edit_tokens import may_edit
from api.errors import NotAuthenticated
from api.feature_format import FeatureDocument
from api.feature_numbers import feature_number
from api.format_registry import feature_formats
from api.links import base_url, link
from api.service import Service
from etl.editing import Edit, EditOutcome, edit
from gis.systems import CRS84
from layers.access import Viewer
from layers.definition import LayerDefinition
from layers.errors import AccessDenied
from layers.feature_query import FeatureQuery

router = APIRouter(prefix="/api/collections/{layer}", tags=["Editing"])

_READING = ("GET", "HEAD", "OPTIONS")
_ACCEPT = {"accept-post": ", ".join(GEOJSON_TYPES[:2]), "accept-patch": PATCH_TYPE}
#: How often, and after how many seconds each time, it is looked whether this process has heard of
#: the change itself.
_STEPS, _STEP_S = 200, 0.005
_TOKEN: list[dict[str, list[str]]] = [{"token": []}]
_FEATURE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["Feature"]},
        "geometry": {"type": "object", "nullable": True},
        "properties": {"type": "object", "nullable": True},
    },
}
_HEADERS: list[dict[str, Any]] = [
    {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
    for name, text in (
        ("X-Change-Reason", "Why, in 1 to 500 characters, UTF-8 or percent-encoded."),
        ("If-Match", "Entity tag of the version that the edit was made for."),
        ("Content-Crs", "Reference system of the body's coordinates: <URI>; CRS84 without it."),
        ("Prefer", "return=representation or return=minimal."),
    )
]


def _documented(types: Sequence[str], schema: Mapping[str, Any] | None) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "description": text, "schema": kind}
        for name, (kind, text) in EDIT_PARAMETERS.items()
    ]
    extra: dict[str, Any] = {"parameters": [*parameters, *_HEADERS], "security": _TOKEN}
    if schema is not None:
        content = {media_type: {"schema": schema} for media_type in types}
        extra["requestBody"] = {"required": True, "content": content}
    return extra


@router.post(
    "/items",
    summary="Make new features",
    status_code=201,
    openapi_extra=_documented(GEOJSON_TYPES[:2], _FEATURE_SCHEMA),
)
async def create(request: Request, layer: str, service: TheService, viewer: TheViewer) -> Response:
    """Make a feature of a GeoJSON Feature, or several, all or none, of a FeatureCollection."""
    definition = _admit(request, service, viewer, layer)
    reader = EditReader(
        definition, viewer, read_headers(request, service.systems), service.settings
    )
    body = await read_body(request, service.settings, GEOJSON_TYPES)
    edits = reader.created(body.value)
    outcome = await _do(service, reader, edits, body.checksum)
    if len(edits) > 1 or body.value.get("type") == "FeatureCollection":
        return _summary(request, definition, edits, outcome, 201)
    answer = await _one(request, service, definition, viewer, outcome, 201)
    here = f"{base_url(request)}/api/collections/{layer}/items/{outcome.features[0].feature_id}"
    answer.headers["location"] = here
    return answer


@router.put(
    "/items/{feature_id}",
    summary="Replace a feature",
    openapi_extra=_documented(GEOJSON_TYPES[:2], _FEATURE_SCHEMA),
)
async def replace(
    request: Request, layer: str, feature_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Put a whole feature in the place of one: properties that are not there become empty."""
    reader, number = _of_feature(request, service, viewer, layer, feature_id)
    match = _precondition(request, service)
    body = await read_body(request, service.settings, GEOJSON_TYPES)
    outcome = await _do(service, reader, reader.replaced(body.value, number, match), body.checksum)
    return await _one(request, service, reader.layer, viewer, outcome, 204)


@router.patch(
    "/items/{feature_id}",
    summary="Change some of a feature",
    openapi_extra=_documented((PATCH_TYPE,), _FEATURE_SCHEMA),
)
async def update(
    request: Request, layer: str, feature_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Change the properties that are given, and the geometry if it is (RFC 7396)."""
    reader, number = _of_feature(request, service, viewer, layer, feature_id)
    match = _precondition(request, service)
    body = await read_body(request, service.settings, (PATCH_TYPE,))
    outcome = await _do(service, reader, reader.updated(body.value, number, match), body.checksum)
    return await _one(request, service, reader.layer, viewer, outcome, 204)


@router.delete(
    "/items/{feature_id}",
    summary="Let a feature end",
    status_code=204,
    openapi_extra=_documented((), None),
)
async def delete(
    request: Request, layer: str, feature_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Let a feature end; its history stays."""
    reader, number = _of_feature(request, service, viewer, layer, feature_id)
    edits = reader.deleted(number, _precondition(request, service))
    outcome = await _do(service, reader, edits, "")
    return Response(status_code=204, headers=_told(request, outcome))


@router.post(
    "/transactions",
    summary="Make, replace, update and delete features at once",
    openapi_extra=_documented(
        ("application/json",),
        {
            "type": "object",
            "required": ["edits"],
            "properties": {"edits": {"type": "array", "items": {"type": "object"}}},
        },
    ),
)
async def transact(
    request: Request, layer: str, service: TheService, viewer: TheViewer
) -> Response:
    """Make several edits of any kinds, all or none, so that neighbours can change together."""
    definition = _admit(request, service, viewer, layer)
    reader = EditReader(
        definition, viewer, read_headers(request, service.systems), service.settings
    )
    body = await read_body(request, service.settings, ("application/json",))
    edits = reader.several(body.value)
    outcome = await _do(service, reader, edits, body.checksum)
    return _summary(request, definition, edits, outcome, 200)


@router.options("/items", include_in_schema=False)
async def what_items_take(layer: str, service: TheService, viewer: TheViewer) -> Response:
    """Tell which methods are possible with a layer's features."""
    return _allowed(service, viewer, layer, ("POST",))


@router.options("/items/{feature_id}", include_in_schema=False)
async def what_an_item_takes(
    layer: str, feature_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Tell which methods are possible with a feature."""
    feature_number(layer, feature_id)
    return _allowed(service, viewer, layer, ("PUT", "PATCH", "DELETE"))


def _allowed(service: Service, viewer: Viewer, name: str, writing: Sequence[str]) -> Response:
    layer = service.layer(name, viewer)
    takes = service.edit_tokens.is_open and layer.view is None
    methods = [*_READING, *(writing if takes else ())]
    headers = {"allow": ", ".join(methods), **(_ACCEPT if takes else {})}
    return Response(status_code=204, headers=headers)


def _admit(request: Request, service: Service, viewer: Viewer, name: str) -> LayerDefinition:
    """Return the layer that a request wants to edit, if it may.

    Raises:
        AccessDenied: If nobody may edit, or this one may not edit this layer.
        NotAuthenticated: If no token of an editor came.
        UnknownLayer: If there is no such layer for the viewer.
    """
    if not service.edit_tokens.is_open:
        raise AccessDenied("features cannot be edited here: set ONEMAP_EDIT_TOKENS for the service")
    if viewer.name is None:
        raise NotAuthenticated("editing needs the token of an editor: Authorization: Bearer …")
    layer = service.layer(name, viewer)
    if not may_edit(viewer, layer):
        raise AccessDenied(f"this token may not edit the layer '{layer.name}'")
    if layer.view is not None:
        raise HTTPException(405, headers={"allow": ", ".join(_READING)})
    return layer


def _reader(
    request: Request, service: Service, layer: LayerDefinition, viewer: Viewer
) -> EditReader:
    headers = read_headers(request, service.systems)
    return EditReader(layer, viewer, headers, service.settings)


def _of_feature(
    request: Request, service: Service, viewer: Viewer, layer: str, feature_id: str
) -> tuple[EditReader, int]:
    """Return what reads an edit of one feature of a layer, and the feature's number."""
    definition = _admit(request, service, viewer, layer)
    return _reader(request, service, definition, viewer), feature_number(layer, feature_id)


def _precondition(request: Request, service: Service) -> Any:
    headers = request.headers
    return wanted_version(headers.get("if-match"), headers.get("if-none-match"), service.settings)


async def _do(
    service: Service, reader: EditReader, edits: Sequence[Edit], checksum: str
) -> EditOutcome:
    wanted = reader.request(edits, checksum)
    outcome = await run_in_threadpool(edit, wanted, service.store, service.catalogue)
    # Whoever reads here what was just written must not be told that nothing is new.
    name = wanted.layer.name
    for _ in range(_STEPS):
        data, tiles = service.reader.data_versions(), service.reader.tile_versions()
        if data.get(name, 0) >= outcome.data_version and tiles.get(name, 0) >= outcome.tile_version:
            break
        await sleep(_STEP_S)
    return outcome


async def _one(
    request: Request,
    service: Service,
    layer: LayerDefinition,
    viewer: Viewer,
    outcome: EditOutcome,
    status: int,
) -> Response:
    """Answer with the feature as it is now, if that is wanted, or with its entity tag alone."""
    made = outcome.features[0]
    headers = _told(request, outcome)
    if made.tag is not None:
        headers["etag"] = version_etag(made.tag)
    preferred = _preference(request)
    if preferred is not None:
        headers["preference-applied"] = f"return={preferred}"
    if preferred != "representation":
        return Response(status_code=status, headers=headers)
    query = FeatureQuery(layer, viewer, feature_id=made.feature_id, at=outcome.valid_from)
    row = await service.reader.feature(query)
    lineage = await service.reader.lineage(row)
    home = f"{base_url(request)}/api"
    here = f"{home}/collections/{layer.name}/items/{row.id}"
    links = [link(here, "self", "application/geo+json", "This feature")]
    chosen = feature_formats()[0]
    document = FeatureDocument(layer, row, lineage, links, home)
    headers |= {"content-crs": f"<{CRS84.uri}>", "content-location": here}
    media_type = chosen.representation.media_type
    shown = 200 if status == 204 else status
    return Response(chosen.feature(document), shown, headers, media_type)


def _summary(
    request: Request,
    layer: LayerDefinition,
    edits: Sequence[Edit],
    outcome: EditOutcome,
    status: int,
) -> Response:
    here = f"{base_url(request)}/api/collections/{layer.name}/items"
    found = [
        {
            "operation": one.operation,
            "id": made.feature_id,
            "href": f"{here}/{made.feature_id}",
            "etag": None if made.tag is None else version_etag(made.tag),
        }
        for one, made in zip(edits, outcome.features, strict=True)
    ]
    document = {
        "transaction": outcome.load_id,
        "validFrom": outcome.valid_from,
        "features": found,
        "warnings": list(outcome.warnings),
    }
    answer = json_answer(request, document)
    answer.status_code = status
    del answer.headers["etag"]
    answer.headers.update(_told(request, outcome))
    return answer


def _told(request: Request, outcome: EditOutcome) -> dict[str, str]:
    headers = {"cache-control": "no-store", "x-data-version": str(outcome.data_version)}
    if outcome.load_id is not None:
        address = f"{base_url(request)}/api/loads/{outcome.load_id}"
        headers["link"] = f'<{address}>; rel="describedby"; type="application/json"'
    if outcome.warnings:
        headers["x-warnings"] = str(len(outcome.warnings))
    return headers


def _preference(request: Request) -> str | None:
    """Return which answer the client prefers (RFC 7240), if it says so."""
    for line in request.headers.getlist("prefer"):
        for part in line.split(","):
            name, _, value = part.partition(";")[0].partition("=")
            if name.strip().lower() == "return":
                wanted = value.strip().strip('"').lower()
                return wanted if wanted in ("minimal", "representation") else None
    return None
