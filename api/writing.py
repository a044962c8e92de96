"""Who may write through the service.

Until users have identities of their own, whoever writes shows a token that is set for the service.
Without one, writing is for programs and pages of this very machine alone: the demonstration's case.
"""

from hmac import compare_digest
from urllib.parse import urlsplit

from fastapi import Request

from api.errors import NotAuthenticated
from api.links import base_url
from api.settings import ApiSettings
from layers.errors import AccessDenied

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
#: What proxies add; behind one, an address of this machine says nothing about the client.
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_CLOSED = (
    "writing is closed: set ONEMAP_API_TOKEN for the service, and send it as a bearer token "
    "(without it, only this machine may write, and only while ONEMAP_HOST is a loopback address)"
)


def admit_writer(request: Request, settings: ApiSettings) -> None:
    """Let a request pass that may write.

    Raises:
        NotAuthenticated: If a token is needed and the right one did not come.
        AccessDenied: If no token is set and the request may not come from this machine, or a
            browser sends it for another site's page.
    """
    token = settings.api_token
    if token is None:
        if not _is_local(request, settings):
            raise AccessDenied(_CLOSED)
    elif not _shows(request, token.get_secret_value()):
        raise NotAuthenticated("writing needs the service's token: Authorization: Bearer …")
    trusted = settings.cors_origins if token is not None else ()
    _refuse_foreign_page(request, trusted)


def shows_token(request: Request, settings: ApiSettings) -> bool:
    """Tell whether a request bears the service's token, if it has one."""
    token = settings.api_token
    return token is not None and _shows(request, token.get_secret_value())


def _shows(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode(), token.encode())


def _is_local(request: Request, settings: ApiSettings) -> bool:
    client = request.client.host if request.client is not None else ""
    # The name asked for, too: a foreign name may be made to lead to this machine.
    named = urlsplit(f"//{request.headers.get('host', '')}").hostname
    return (
        settings.host in _LOOPBACK
        and settings.public_url is None
        and client in _LOOPBACK
        and named in _LOOPBACK
        and not any(name in request.headers for name in _OF_PROXIES)
    )


def _refuse_foreign_page(request: Request, trusted: tuple[str, ...]) -> None:
    """Refuse what a browser sends for a page of another site (cross-site request forgery)."""
    origin = request.headers.get("origin")
    if origin is not None and origin in trusted:
        return
    site = request.headers.get("sec-fetch-site")
    here = urlsplit(base_url(request))
    own = f"{here.scheme}://{here.netloc}"
    if site not in (None, "same-origin", "none") or (origin is not None and origin != own):
        raise AccessDenied("a page of another site may not write here")
