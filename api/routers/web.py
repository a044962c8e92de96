"""The web client, and a clear word where it was not built or where nothing is."""

from pathlib import Path

import anyio
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from api.dependencies import TheService
from api.errors import NotBuilt, UnknownResource
from api.html import page

#: This router takes every path that no other does.
LAST = True
router = APIRouter(include_in_schema=False)

#: First parts of paths that are never pages of the web client.
_SERVICE_PATHS = frozenset(
    {"api", "tiles", "styles", "sprites", "fonts", "healthz", "readyz", "metrics"}
)
#: Files here are named by their content's digest.
_HASHED = "assets"
_FOREVER = "public, max-age=31536000, immutable"
_NOT_BUILT = """<p>网页客户端尚未构建，服务接口照常可用。The web client has not been built on this
machine; the interfaces work all the same.</p><pre>make web</pre>
<p><a href="/api">/api</a> · <a href="/api/docs">/api/docs</a></p>"""


@router.get("/{path:path}")
async def web_client(request: Request, path: str, service: TheService) -> Response:
    """Return a file of the web client; its page for any path that is a place within it."""
    first = path.split("/", 1)[0]
    if first in _SERVICE_PATHS:
        raise UnknownResource(f"there is nothing at '/{path}'")
    root = service.settings.web_root
    file = await anyio.to_thread.run_sync(_file, root, path)
    if file is not None:
        cached = _FOREVER if first == _HASHED else "no-cache"
        return FileResponse(file, headers={"cache-control": cached})
    if "." in path.rsplit("/", 1)[-1]:
        raise UnknownResource(f"there is no file '/{path}'")
    index = await anyio.to_thread.run_sync(_file, root, "index.html")
    if index is not None:
        return FileResponse(index, headers={"cache-control": "no-cache"})
    if "text/html" in request.headers.get("accept", ""):
        body = page("One Map", _NOT_BUILT)
        return Response(body, 503, {"cache-control": "no-store"}, "text/html; charset=utf-8")
    raise NotBuilt("the web client was not built: run make web")


def _file(root: Path, path: str) -> Path | None:
    """Return the file at ``path`` under ``root``, if there is one and it lies within."""
    try:
        file = (root / path).resolve()
        inside = file.is_relative_to(root.resolve())
        return file if inside and file.is_file() else None
    except (OSError, ValueError):
        return None
