"""Loads: hand one in, follow it, cancel it, try it again."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from api.answers import json_answer
from api.asgi import HEAD_ONLY
from api.dependencies import TheService, TheViewer
from api.errors import (
    ContentTooLarge,
    InvalidParameter,
    StorageFull,
    UnsupportedContent,
)
from api.links import base_url, link, with_query
from api.load_documents import load_document
from api.load_events import event_id, load_events
from api.load_orders import (
    MOST_JSON,
    NamedOrder,
    Ordered,
    named_order,
    read_reversal,
    told_to_clients,
    uploaded_order,
)
from api.load_pages import load_page, loads_page
from api.multipart import boundary_of, receive_upload
from api.negotiation import DOCUMENT_FORMS, HTML, choose
from api.openapi_parts import DOCUMENT, query_parameter
from api.query import read_query
from api.service import Service
from api.writing import admit_writer
from etl.jobs import queued_load
from etl.spool import discard, note_load, open_folder
from layers.access import Viewer, may_know
from layers.errors import LoadNotFound
from layers.load_line import IdempotencyKey, Submitted
from layers.load_records import STATUSES, LoadRecord, LoadSelection

router = APIRouter(prefix="/api/loads", tags=["Loads"])

_MOST_LOADS = 1_000
_LONGEST_KEY = 200
_MOST_DIGITS = 18
_TOKEN: list[dict[str, list[str]]] = [{"token": []}]
_ORDER_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "description": "The fields of the JSON order beside file, url and mapping, too.",
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "mapping": {"type": "string", "format": "binary"},
                    "layer": {"type": "string"},
                },
            }
        },
        "application/json": {"schema": {"type": "object", "properties": {}}},
    },
}


_REVERSAL_BODY: dict[str, Any] = {
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"operator": {"type": "string"}, "reason": {"type": "string"}},
            }
        }
    }
}


def _fields_of_an_order() -> dict[str, Any]:
    schema = NamedOrder.model_json_schema(by_alias=True)
    fields: dict[str, Any] = {}
    for name, entry in schema["properties"].items():
        kind: dict[str, Any] = next(
            (part for part in entry.get("anyOf", [entry]) if part.get("type") != "null"), {}
        )
        fields[name] = {key: kind[key] for key in ("type", "format", "minimum", "maximum")
                        if key in kind}  # fmt: skip
    return fields


_ORDER_BODY["content"]["application/json"]["schema"]["properties"] = _fields_of_an_order()


@router.post(
    "",
    summary="Hand in a load",
    status_code=202,
    openapi_extra={"requestBody": _ORDER_BODY, "security": _TOKEN},
)
async def hand_in(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Put a survey at the end of its layer's line: uploaded, from the inbox, or harvested."""
    read_query(request.scope["query_string"], ())
    admit_writer(request, service.settings)
    key = _idempotency_key(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        ordered = named_order(await _whole_body(request), service.etl)
        submitted = await run_in_threadpool(_submit, service, viewer, ordered, key)
    elif media_type == "multipart/form-data":
        submitted = await _take_upload(request, service, viewer, key)
    else:
        raise UnsupportedContent(
            "send a survey as multipart/form-data, or name one as application/json"
        )
    return await _accepted(request, service, submitted.load_id)


@router.get(
    "",
    summary="Loads, the youngest first",
    openapi_extra={
        **DOCUMENT,
        "parameters": [
            *DOCUMENT["parameters"],
            query_parameter("layer", "Only loads of this layer."),
            query_parameter(
                "status", "Only loads in this state.", {"type": "string", "enum": list(STATUSES)}
            ),
            query_parameter(
                "limit",
                "The most loads in the answer.",
                {"type": "integer", "minimum": 1, "maximum": _MOST_LOADS, "default": 50},
            ),
            query_parameter(
                "before",
                "Only loads older than this one; take it from a 'next' link.",
                {"type": "integer", "minimum": 1},
            ),
        ],
    },
)
async def loads(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return a page of loads, by ``layer``, ``status``, ``limit``, and older than ``before``."""
    given = read_query(request.scope["query_string"], ("layer", "status", "limit", "before", "f"))
    limit = _number(given.get("limit", "50"), "limit", _MOST_LOADS)
    before = given.get("before")
    status = given.get("status")
    if status is not None and status not in STATUSES:
        raise InvalidParameter(f"status: '{status}' is not one of {', '.join(STATUSES)}")
    known = tuple(layer.name for layer in service.layers(viewer))
    if "layer" in given:
        known = (service.layer(given["layer"], viewer).name,)
    selection = LoadSelection(
        known, status, None if before is None else _number(before, "before", None), limit + 1
    )
    found = await service.reader.loads(selection)
    base = base_url(request)
    documents = [load_document(record, base) for record in found[:limit]]
    links = [link(f"{base}/api/loads", "self", "application/json", "Loads")]
    following = None
    if len(found) > limit:
        query = given | {"before": str(found[limit - 1].load_id)}
        following = with_query(f"{base}/api/loads", query)
        links.append(link(following, "next", "application/json", "Older loads"))
    form = choose(DOCUMENT_FORMS, request.headers.get("accept"), given.get("f"))
    if form is HTML:
        return _page(loads_page(documents, following, f"{base}/api"))
    return json_answer(request, {"loads": documents, "links": links})


@router.get("/{load_id}", summary="One load", openapi_extra=DOCUMENT)
async def one_load(
    request: Request, load_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return how a load stands: status, stage, rows, time left, counts, and what can be done."""
    given = read_query(request.scope["query_string"], ("f",))
    record = await _record(service, viewer, load_id)
    base = base_url(request)
    document = load_document(record, base)
    form = choose(DOCUMENT_FORMS, request.headers.get("accept"), given.get("f"))
    if form is HTML:
        return _page(load_page(document, f"{base}/api"))
    return json_answer(request, document)


@router.get(
    "/{load_id}/events",
    summary="The progress of a load, as it comes",
    response_class=Response,
    responses={
        200: {
            "content": {"text/event-stream": {}},
            "description": "Events until the load ends.",
        },
        204: {"description": "The load has ended, and the client knows it."},
    },
)
async def events(
    request: Request, load_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Send a load's progress as server-sent events: ``progress`` ones, then one ``end``."""
    read_query(request.scope["query_string"], ())
    record = await _record(service, viewer, load_id)
    base = base_url(request)
    last_id = request.headers.get("last-event-id")
    if record.final and last_id == event_id(load_document(record, base)):
        # Tells an EventSource to stop coming back.
        return Response(status_code=204)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    stream: AsyncIterator[bytes] = load_events(service.reader, record, base, last_id)
    if request.scope.get(HEAD_ONLY):
        stream = _nothing()
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.post(
    "/{load_id}/cancel",
    summary="Cancel a load",
    status_code=202,
    openapi_extra={"security": _TOKEN},
)
async def cancel(
    request: Request, load_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Cancel a load that waits or runs; nothing of it stays."""
    read_query(request.scope["query_string"], ())
    admit_writer(request, service.settings)
    record = await _record(service, viewer, load_id)
    await run_in_threadpool(service.desk.cancel, record.load_id)
    return await _accepted(request, service, record.load_id)


@router.post(
    "/{load_id}/retry",
    summary="Try a load again",
    status_code=202,
    openapi_extra={"security": _TOKEN},
)
async def retry(request: Request, load_id: str, service: TheService, viewer: TheViewer) -> Response:
    """Put a load that failed or was cancelled at the end of its layer's line again."""
    read_query(request.scope["query_string"], ())
    admit_writer(request, service.settings)
    record = await _record(service, viewer, load_id)
    await run_in_threadpool(service.desk.retry, record.load_id)
    return await _accepted(request, service, record.load_id)


@router.post(
    "/{load_id}/revert",
    summary="Take a load back",
    status_code=201,
    openapi_extra={"requestBody": _REVERSAL_BODY, "security": _TOKEN},
)
async def revert(
    request: Request, load_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Take a load back: the map holds again what it held before, as a load of its own."""
    read_query(request.scope["query_string"], ())
    admit_writer(request, service.settings)
    record = await _record(service, viewer, load_id)
    wish = read_reversal(await _whole_body(request))
    await run_in_threadpool(service.store.revert, record.load_id, wish.operator, wish.reason)
    reverted = await service.reader.load(record.load_id)
    return await _accepted(request, service, reverted.reverted_by or record.load_id, 201)


async def _take_upload(
    request: Request, service: Service, viewer: Viewer, key: str | None
) -> Submitted:
    boundary = boundary_of(request.headers["content-type"])
    limit = service.etl.max_upload_bytes
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise ContentTooLarge(f"the upload is larger than {limit:,} bytes")
    try:
        folder = await run_in_threadpool(open_folder, service.etl)
    except OSError as error:
        raise StorageFull("there is no room for the upload at present") from error
    submitted = None
    try:
        upload = await receive_upload(request.stream(), boundary, folder, limit)
        ordered = uploaded_order(upload)
        submitted = await run_in_threadpool(_submit, service, viewer, ordered, key)
        if submitted.fresh:
            await run_in_threadpool(note_load, folder, submitted.load_id)
    finally:
        if submitted is None or not submitted.fresh:
            await run_in_threadpool(discard, folder)
    return submitted


def _submit(service: Service, viewer: Viewer, ordered: Ordered, key: str | None) -> Submitted:
    folders = tuple(
        path
        for path in (
            getattr(ordered.request.source, "parent", None),
            getattr(ordered.request.mapping, "parent", None),
        )
        if path is not None
    )
    with told_to_clients(folders):
        new = queued_load(ordered.request, service.catalogue)
        service.layer(new.layer, viewer)
    named = None if key is None else IdempotencyKey(key, ordered.digest)
    return service.desk.submit(new, named)


async def _whole_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_JSON:
            raise ContentTooLarge(f"an order is not larger than {MOST_JSON:,} bytes")
    return bytes(body)


async def _record(service: Service, viewer: Viewer, load_id: str) -> LoadRecord:
    missing = LoadNotFound(f"there is no load {load_id}")
    if not load_id.isascii() or not load_id.isdigit() or len(load_id) > _MOST_DIGITS:
        raise missing
    record = await service.reader.load(int(load_id))
    layer = service.catalogue.layers.get(record.layer)
    if layer is None or not may_know(layer, viewer):
        raise missing
    return record


async def _accepted(
    request: Request, service: Service, load_id: int, status: int = 202
) -> Response:
    base = base_url(request)
    document = load_document(await service.reader.load(load_id), base)
    answer = json_answer(request, document)
    answer.status_code = status
    answer.headers["location"] = f"{base}/api/loads/{load_id}"
    answer.headers["cache-control"] = "no-store"
    del answer.headers["etag"]
    return answer


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
        raise InvalidParameter(f"Idempotency-Key: 1 to {_LONGEST_KEY} printable characters")
    return key


def _number(text: str, name: str, most: int | None) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS or int(text) < 1:
        raise InvalidParameter(f"{name}: '{text}' is not a number from 1 on")
    return int(text) if most is None else min(int(text), most)


def _page(body: bytes) -> Response:
    return Response(body, media_type=HTML.media_type, headers={"cache-control": "no-store"})


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
