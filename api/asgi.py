"""The ASGI types, and reading of request headers without a framework."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
#: Key of the request's id in a scope, and of the name under which the request is counted.
REQUEST_ID = "onemap.request_id"
ROUTE = "onemap.route"
#: Key that a scope has if the answer's body will be dropped.
HEAD_ONLY = "onemap.head_only"


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of that (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def accepts_gzip(accept_encoding: bytes | None) -> bool:
    """Tell whether a client takes gzip (RFC 9110, section 12.5.3)."""
    if accept_encoding is None:
        return False
    for part in accept_encoding.lower().split(b","):
        coding, _, parameters = part.partition(b";")
        if coding.strip() in (b"gzip", b"*"):
            weight = parameters.strip().removeprefix(b"q=").strip()
            return not (weight and weight.strip(b"0.") == b"")
    return False


def names_etag(if_none_match: bytes | None, etag: bytes) -> bool:
    """Tell whether ``If-None-Match`` names an entity tag, by weak comparison (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    wanted = etag.removeprefix(b"W/")
    tags = (tag.strip() for tag in if_none_match.split(b","))
    return any(tag == b"*" or tag.removeprefix(b"W/") == wanted for tag in tags)


async def respond(
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    *,
    body_wanted: bool = True,
) -> None:
    """Send a whole answer; without its body to a HEAD request."""
    if status not in (204, 304):
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if body_wanted else b""})
