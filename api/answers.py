"""Documents as HTTP answers, in the representation that the client wants."""

from hashlib import blake2b
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api import html
from api.asgi import names_etag
from api.links import Link, base_url, link, with_query
from api.negotiation import DOCUMENT_FORMS, HTML, choose
from api.query import read_query


def json_answer(request: Request, value: Any, *, media_type: str = "application/json") -> Response:
    """Return a JSON document with an entity tag, or "not modified"."""
    return bytes_answer(request, orjson.dumps(value), media_type)


def bytes_answer(
    request: Request, body: bytes, media_type: str, *, cache_control: str = "no-cache"
) -> Response:
    """Return a document with an entity tag of its bytes, or "not modified"."""
    etag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "cache-control": cache_control, "vary": "accept"}
    if names_etag(request.headers.get("if-none-match", "").encode(), etag.encode()):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def document_answer(
    request: Request, title: str, value: dict[str, Any], body: str | None = None
) -> Response:
    """Return a document about the service as JSON or as a page.

    Its ``links`` get ``self`` and ``alternate`` in front. ``body`` is HTML for the page; without
    one the document itself is shown.

    Raises:
        UnknownParameter, InvalidParameter: If there are parameters other than ``f``.
    """
    parameters = read_query(request.scope["query_string"], {"f"})
    form = choose(DOCUMENT_FORMS, request.headers.get("accept"), parameters.get("f"))
    value = {**value, "links": [*self_links(request, form.media_type), *value.get("links", [])]}
    if form is HTML:
        home = f"{base_url(request)}/api"
        if body is None:
            return bytes_answer(request, html.document(title, value, home=home), HTML.media_type)
        lead = str(value.get("description", ""))
        page = html.page(title, body, lead=lead, home=home)
        return bytes_answer(request, page, HTML.media_type)
    return json_answer(request, value)


def self_links(request: Request, media_type: str) -> list[Link]:
    """Return the links to this document itself and to its other representation."""
    address = f"{base_url(request)}{request.url.path}"
    links = []
    for form in DOCUMENT_FORMS:
        rel = "self" if form.media_type == media_type else "alternate"
        href = with_query(address, {"f": form.tokens[0]})
        links.append(link(href, rel, form.media_type, f"This document as {form.tokens[0].upper()}"))
    return sorted(links, key=lambda entry: str(entry["rel"]), reverse=True)
