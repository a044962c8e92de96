"""The way in: landing page, conformance, and the API's documentation without any network."""

from importlib.resources import files
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from api.about import DESCRIPTION, TITLE
from api.answers import document_answer
from api.conformance import CONFORMANCE
from api.errors import UnknownResource
from api.links import base_url, link

router = APIRouter(tags=["Service"])

OPENAPI_MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.0"
_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
_ASSETS = Path(str(files(fastapi_offline))) / "static"
#: The documentation page's files, and their media types.
_ASSET_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


@router.get("/api", summary="Landing page")
async def landing_page(request: Request) -> Response:
    """Return the links to everything else."""
    api = f"{base_url(request)}/api"
    json = "application/json"
    links = [
        link(f"{api}/openapi.json", "service-desc", OPENAPI_MEDIA_TYPE, "OpenAPI definition"),
        link(f"{api}/docs", "service-doc", "text/html", "API documentation"),
        link(f"{api}/conformance", "conformance", json, "Conformance classes"),
        link(f"{api}/collections", "data", json, "Layers"),
        link(f"{api}/tiles", f"{_REL}tilesets-vector", json, "Vector tilesets"),
        link(f"{api}/tileMatrixSets", f"{_REL}tiling-schemes", json, "Tile matrix sets"),
        link(f"{api}/maps", f"{_REL}styles", json, "Maps and their styles"),
        link(f"{api}/loads", "loads", json, "Loads of surveys"),
    ]
    value = {"title": TITLE, "description": DESCRIPTION, "links": links}
    return document_answer(request, TITLE, value)


@router.get("/api/", include_in_schema=False)
async def landing_page_with_slash(request: Request) -> Response:
    """Return the landing page to clients that add a slash."""
    return await landing_page(request)


@router.get("/api/conformance", summary="Conformance classes")
async def conformance(request: Request) -> Response:
    """Return the standards' conformance classes that the service fulfils."""
    title = "符合性类 / Conformance classes"
    return document_answer(request, title, {"conformsTo": list(CONFORMANCE)})


@router.get("/api/docs", include_in_schema=False)
async def documentation(request: Request) -> Response:
    """Return the interactive documentation; all its files come from this service."""
    assets = f"{base_url(request)}/api/docs/assets"
    return get_swagger_ui_html(
        openapi_url=f"{base_url(request)}/api/openapi.json",
        title=f"{TITLE} API",
        swagger_js_url=f"{assets}/swagger-ui-bundle.js",
        swagger_css_url=f"{assets}/swagger-ui.css",
        swagger_favicon_url=f"{assets}/favicon.png",
    )


@router.get("/api/docs/assets/{name}", include_in_schema=False)
async def documentation_asset(name: str) -> Response:
    """Return a file of the documentation page."""
    media_type = _ASSET_TYPES.get(name)
    if media_type is None:
        raise UnknownResource(f"the documentation has no file '{name}'")
    headers = {"cache-control": "public, max-age=86400"}
    return Response((_ASSETS / name).read_bytes(), media_type=media_type, headers=headers)
