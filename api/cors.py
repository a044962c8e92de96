"""What pages of other sites may read (the CORS protocol), for answers prepared as bytes.

The rules are those of the framework's middleware, which answers everything else.
"""

from collections.abc import Sequence

#: Headers of answers that such pages may see.
EXPOSED = (
    "accept-ranges",
    "content-crs",
    "content-range",
    "etag",
    "link",
    "location",
    "server-timing",
    "x-cache",
    "x-data-version",
    "x-request-id",
    "x-truncated",
)


def cors_lines(allowed: Sequence[str], origin: bytes) -> bytes:
    """Return the header lines that an answer to ``origin`` has, each with its end."""
    if not allowed:
        return b""
    exposed = b"access-control-expose-headers: " + ", ".join(EXPOSED).encode() + b"\r\n"
    if "*" in allowed:
        return b"access-control-allow-origin: *\r\n" + exposed
    if origin.decode("latin-1") in allowed:
        return b"access-control-allow-origin: " + origin + b"\r\nvary: origin\r\n" + exposed
    return exposed
