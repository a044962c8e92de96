"""Archives of maps as files, for clients that read parts of them (``pmtiles.js``)."""

import asyncio
import re
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api.asgi import HEAD_ONLY, names_etag
from api.dependencies import TheService
from api.errors import UnknownResource
from api.query import read_query
from tiles.archives.reading import ArchiveFile

router = APIRouter(prefix="/archives", tags=["Maps"])
_MEDIA_TYPE = "application/vnd.pmtiles"
_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
_PIECE = 256 * 1024


@router.get(
    "/{name}.pmtiles",
    summary="A map's archive, or ranges of it",
    response_class=Response,
    responses={
        200: {
            "description": "The archive.",
            "content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        },
        206: {"description": "The range that was asked for."},
        304: {"description": "The archive is still the one that the client has."},
        412: {"description": "The archive is not the one that the client has."},
        416: {"description": "The archive ends before that range."},
    },
)
async def archive(request: Request, name: str, service: TheService) -> Response:
    """Return the PMTiles archive of a map as it was baked, or one range of its bytes."""
    read_query(request.scope["query_string"], ())
    source = service.archives.file_of(name) if service.archives is not None else None
    if source is None:
        raise UnknownResource(f"there is no archive of a map '{name}'")
    file = source.archive
    etag = etag_of(file)
    headers = {
        "etag": etag,
        "accept-ranges": "bytes",
        "cache-control": "public, no-cache",
    }
    if names_etag(request.headers.get("if-none-match", "").encode(), etag.encode()):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("if-match")
    if wanted is not None and not names_etag(wanted.encode(), etag.encode()):
        return Response(status_code=412, headers=headers)
    span = _span(request.headers.get("range"), file.size)
    condition = request.headers.get("if-range")
    if span is None or (condition is not None and condition != etag):
        return _answer(request, file, 0, file.size, 200, headers)
    start, end = span
    if start >= end:
        headers["content-range"] = f"bytes */{file.size}"
        return Response(status_code=416, headers=headers)
    headers["content-range"] = f"bytes {start}-{end - 1}/{file.size}"
    return _answer(request, file, start, end, 206, headers)


def etag_of(file: ArchiveFile) -> str:
    """Return the entity tag of an archive's file, the same on every machine it was copied to."""
    return f'"{file.contents.facts.directories}-{file.identity[3]:x}-{file.size:x}"'


def _span(given: str | None, size: int) -> tuple[int, int] | None:
    """Return first byte and the byte after the last; nothing where all is asked for.

    Of several ranges, and of units unknown, a server may think nothing (RFC 9110, 14.2).
    """
    match = None if given is None else _RANGE.fullmatch(given.replace(" ", ""))
    if match is None:
        return None
    first, last, tail = match.groups()
    if tail is not None:
        return (max(0, size - int(tail)), size)
    end = int(last) + 1 if last else size
    return None if end <= int(first) and last else (int(first), min(end, size))


def _answer(
    request: Request, file: ArchiveFile, start: int, end: int, status: int, headers: dict[str, str]
) -> Response:
    headers = headers | {"content-length": str(end - start)}
    body = _nothing() if request.scope.get(HEAD_ONLY) else _pieces(file, start, end)
    return StreamingResponse(body, status, headers, _MEDIA_TYPE)


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def _pieces(file: ArchiveFile, start: int, end: int) -> AsyncIterator[bytes]:
    for place in range(start, end, _PIECE):
        wanted = min(_PIECE, end - place)
        piece = await asyncio.to_thread(file.read, place, wanted)
        if len(piece) < wanted or not file.is_as_opened:
            # The answer ends short of its length, so that nobody takes it for whole.
            raise OSError("an archive was changed in its place")
        yield piece
