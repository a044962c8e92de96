"""The way in: landing page, conformance, and the API's documentation without any network."""

from importlib.resources import files
from pathlib import Path

import fastapi_offline
import orjson
from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from api.about import DESCRIPTION, TITLE
from api.answers import bytes_answer, document_answer
from api.conformance import CONFORMANCE
from api.dependencies import TheService
from api.errors import InvalidParameter, UnknownResource
from api.links import Link, base_url, link, with_query
from api.openapi import VERSIONS, media_type_of, openapi_document
from api.openapi_parts import DOCUMENT, answers, query_parameter
from api.query import read_query
from api.record_documents import CATALOGUE_REL, GEOJSON
from api.style_documents import STYLES_REL

router = APIRouter(tags=["Service"])

_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
_ASSETS = Path(str(files(fastapi_offline))) / "static"
#: Definitions kept: one for each version and each name that the service goes by.
_MOST_DEFINITIONS = 16
#: The documentation page's files, and their media types.
_ASSET_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


@router.get("/api", summary="Landing page", openapi_extra=DOCUMENT)
async def landing_page(request: Request) -> Response:
    """Return the links to everything else."""
    api = f"{base_url(request)}/api"
    json = "application/json"
    links = [
        *_definitions(api),
        link(f"{api}/docs", "service-doc", "text/html", "API documentation"),
        link(f"{api}/conformance", "conformance", json, "Conformance classes"),
        link(f"{api}/collections", "data", json, "Layers"),
        link(f"{api}/functions", f"{_REL}functions", json, "Functions of filters"),
        link(f"{api}/collections/catalogue/items", CATALOGUE_REL, GEOJSON, "Catalogue of records"),
        link(f"{api}/tiles", f"{_REL}tilesets-vector", json, "Vector tilesets"),
        link(f"{api}/tileMatrixSets", f"{_REL}tiling-schemes", json, "Tile matrix sets"),
        link(f"{api}/styles", STYLES_REL, json, "Styles of maps and layers"),
        link(f"{api}/maps", "maps", json, "Maps"),
        link(f"{base_url(request)}/stac", "related", json, "Imagery scenes (STAC)"),
        link(
            f"{base_url(request)}/wfs?service=WFS&request=GetCapabilities",
            "related",
            "text/xml",
            "Features for older desktop GIS (WFS 2.0)",
        ),
        link(
            f"{base_url(request)}/wmts/1.0.0/WMTSCapabilities.xml",
            "related",
            "text/xml",
            "Maps as pictures and vector tiles for older desktop GIS (WMTS 1.0)",
        ),
        link(f"{api}/loads", "loads", json, "Loads of surveys"),
    ]
    value = {"title": TITLE, "description": DESCRIPTION, "links": links}
    return document_answer(request, TITLE, value)


@router.get("/api/", include_in_schema=False)
async def landing_page_with_slash(request: Request) -> Response:
    """Return the landing page to clients that add a slash."""
    return await landing_page(request)


@router.get("/api/conformance", summary="Conformance classes", openapi_extra=DOCUMENT)
async def conformance(request: Request) -> Response:
    """Return the standards' conformance classes that the service fulfils."""
    title = "符合性类 / Conformance classes"
    return document_answer(request, title, {"conformsTo": list(CONFORMANCE)})


@router.get(
    "/api/openapi.json",
    summary="API definition",
    response_class=Response,
    openapi_extra={
        "parameters": [
            query_parameter(
                "version",
                "Version of OpenAPI; before the header Accept.",
                {"type": "string", "enum": list(VERSIONS), "default": next(iter(VERSIONS))},
            )
        ],
        "responses": answers(*(media_type_of(version) for version in VERSIONS)),
    },
)
async def definition(request: Request, service: TheService) -> Response:
    """Return the definition of the whole API, in OpenAPI 3.0 unless 3.1 is asked for."""
    version = _wanted_version(request)
    base = base_url(request)
    made: dict[tuple[str, str], bytes] = request.app.state.definitions
    body = made.get((base, version))
    if body is None:
        document = openapi_document(request.app, service.catalogue, base, version)
        body = orjson.dumps(document)
        if len(made) >= _MOST_DEFINITIONS:
            made.clear()
        made[base, version] = body
    return bytes_answer(request, body, media_type_of(version))


def _definitions(api: str) -> list[Link]:
    """Return links to the definition: the usual version has the plain address."""
    usual, *others = VERSIONS
    address = f"{api}/openapi.json"
    return [
        link(address, "service-desc", media_type_of(usual), f"OpenAPI {usual} definition"),
        *(
            link(
                with_query(address, {"version": version}),
                "service-desc",
                media_type_of(version),
                f"OpenAPI {version} definition",
            )
            for version in others
        ),
    ]


def _wanted_version(request: Request) -> str:
    """Return the version that the query or ``Accept`` asks for.

    Raises:
        InvalidParameter: If ``version`` names none that there is.
    """
    given = read_query(request.scope["query_string"], {"version"}).get("version")
    if given is not None:
        if given not in VERSIONS:
            raise InvalidParameter(f"version: '{given}' is not one of {', '.join(VERSIONS)}")
        return given
    accept = request.headers.get("accept", "").replace(" ", "").replace('"', "").lower()
    asked = [name for name in VERSIONS if media_type_of(name) in accept]
    return asked[0] if asked else next(iter(VERSIONS))


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
