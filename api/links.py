"""Addresses of the service's own resources, and links to them."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from api.service import Service

Link = dict[str, Any]


def base_url(request: Request) -> str:
    """Return the service's address as the client sees it, without a slash at the end."""
    service: Service = request.app.state.service
    public = service.settings.public_url
    return (public or str(request.base_url)).rstrip("/")


def link(href: str, rel: str, media_type: str, title: str) -> Link:
    """Return a link object (OGC API Common)."""
    return {"href": href, "rel": rel, "type": media_type, "title": title}


def with_query(address: str, parameters: dict[str, str]) -> str:
    """Return an address with a query string, if there is one."""
    return f"{address}?{urlencode(parameters)}" if parameters else address
