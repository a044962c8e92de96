"""Content codings of answers made for one request (RFC 9110, section 8.4)."""

import asyncio

import pyarrow as pa
from fastapi import Request, Response
from isal import igzip

from api.tile_codings import IDENTITY, codings_wanted

#: The preferred one first: zstd is the smallest of those that cost next to nothing.
_CODINGS = (b"zstd", b"gzip", b"br")
#: Of pyarrow's codecs; at these levels a core packs 400 MB of GeoJSON or more a second.
_CODECS = {b"zstd": ("zstd", 1), b"br": ("brotli", 1)}
_GZIP_LEVEL = 1
#: Bytes; what is smaller hardly gains, and what is larger is packed beside the event loop.
_LEAST = 1024
_LARGE = 64 * 1024


def coding_of(request: Request) -> bytes:
    """Return the content coding that a client likes best of those there are."""
    accepted = request.headers.get("accept-encoding")
    return codings_wanted(accepted.encode("latin-1") if accepted else None, _CODINGS)[0]


async def coded_answer(
    body: bytes, coding: bytes, media_type: str, headers: dict[str, str]
) -> Response:
    """Return an answer in a content coding, or as it is if it is small.

    Args:
        body: The answer.
        coding: What ``coding_of`` gave.
        media_type: Of the answer.
        headers: Its headers; ``vary`` must name ``accept-encoding``, and an entity tag must be weak
            or another for each coding.
    """
    if coding == IDENTITY or len(body) < _LEAST:
        return Response(body, media_type=media_type, headers=headers)
    if len(body) < _LARGE:
        packed = _packed(body, coding)
    else:
        packed = await asyncio.to_thread(_packed, body, coding)
    told = {**headers, "content-encoding": coding.decode()}
    return Response(packed, media_type=media_type, headers=told)


def _packed(body: bytes, coding: bytes) -> bytes:
    if coding == b"gzip":
        # Without a time: the same answer always gives the same bytes.
        return bytes(igzip.compress(body, _GZIP_LEVEL, mtime=0))
    name, level = _CODECS[coding]
    return bytes(pa.Codec(name, compression_level=level).compress(body, asbytes=True))
