"""The styles of maps and layers, as OGC API Styles: for web maps and for desktop programs."""

import asyncio
import re
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

from api.answers import bytes_answer, document_answer, json_answer
from api.dependencies import TheService, TheViewer
from api.errors import InvalidParameter
from api.html import anchor, page, table
from api.links import base_url
from api.negotiation import HTML, Representation, choose
from api.openapi_parts import DOCUMENT, answers, format_parameter, query_parameter
from api.query import read_query
from api.records import both
from api.service import Service
from api.style_documents import (
    MAPBOX,
    OF_LAYER,
    SLD_10,
    SLD_11,
    Style,
    all_styles,
    encodings,
    find_style,
    layer_style,
    legend_document,
    legend_page,
    style_entry,
    style_metadata,
)
from layers.access import Viewer
from layers.errors import UnknownMap
from tiles import sld_symbols
from tiles.sld import layer_stylesheet, write_sld
from tiles.style_values import Language
from tiles.styles import compose_layer_style, compose_style

router = APIRouter(prefix="/api", tags=["Maps"])
_MAPBOX = Representation(("mapbox", "json"), (MAPBOX, "application/json"))
_SLD_10 = Representation(("sld10",), (SLD_10,))
_SLD_11 = Representation(("sld11", "sld"), (SLD_11, "application/vnd.ogc.sld+xml"))
_FORMS = (_MAPBOX, _SLD_11, HTML, _SLD_10)
#: Stands for the address of the icons.
_ICONS = b"urn:onemap:icons"
_WANTS_10 = re.compile(r'sld\+xml\s*;\s*version\s*=\s*"?1\.0')
_WANTS_11 = re.compile(r'sld\+xml\s*;\s*version\s*=\s*"?1\.1')
_STYLE_EXTRA: dict[str, Any] = {
    "parameters": [
        format_parameter("mapbox", "sld10", "sld11", "html"),
        query_parameter(
            "lang",
            "Language of the names on the map, in Mapbox styles.",
            {"type": "string", "enum": [entry.value for entry in Language], "default": "both"},
        ),
    ],
    "responses": answers(MAPBOX, SLD_10, SLD_11, "text/html", description="The style."),
}


@router.get("/styles", summary="All styles", openapi_extra=DOCUMENT)
async def styles(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return the styles of all maps and layers."""
    found = all_styles(service.catalogue, viewer)
    value = _list(found, f"{base_url(request)}/api/styles")
    if service.settings.default_map in service.catalogue.maps:
        value["default"] = service.settings.default_map
    return document_answer(request, "样式 / Styles", value, _table(found, request))


@router.get("/styles/{style_id}", summary="A style", openapi_extra=_STYLE_EXTRA)
async def style(
    request: Request, style_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return a style for MapLibre, as SLD for desktop programs, or as a page with its legend."""
    found = find_style(service.catalogue, style_id, viewer)
    return await _style_answer(request, service, viewer, found, f"{base_url(request)}/api/styles")


@router.get("/styles/{style_id}/metadata", summary="A style's description", openapi_extra=DOCUMENT)
async def metadata(
    request: Request, style_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return what a style is for, its encodings and its layers."""
    found = find_style(service.catalogue, style_id, viewer)
    home = f"{base_url(request)}/api"
    value = style_metadata(found, viewer, f"{home}/styles", home)
    return document_answer(request, value["title"], value)


@router.get("/styles/{style_id}/legend", summary="A style's legend", openapi_extra=DOCUMENT)
async def legend(
    request: Request, style_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return what the signs of a style mean."""
    found = find_style(service.catalogue, style_id, viewer)
    return _legend_answer(request, service, found, f"{base_url(request)}/api/styles")


@router.get("/collections/{layer}/styles", summary="Styles of a layer", openapi_extra=DOCUMENT)
async def collection_styles(
    request: Request, layer: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the styles that one layer can be drawn with."""
    definition = service.layer(layer, viewer)
    found = [layer_style(definition)] if definition.style else []
    value = _list(found, f"{base_url(request)}/api/collections/{layer}/styles")
    if found:
        value["default"] = found[0].id
    title = f"{both(definition.title)}: 样式 / Styles"
    return document_answer(request, title, value, _table(found, request))


@router.get(
    "/collections/{layer}/styles/{style_id}", summary="A layer's style", openapi_extra=_STYLE_EXTRA
)
async def collection_style(
    request: Request, layer: str, style_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return a style of a layer, as ``style`` does."""
    found = _of_layer(service, viewer, layer, style_id)
    address = f"{base_url(request)}/api/collections/{layer}/styles"
    return await _style_answer(request, service, viewer, found, address)


@router.get(
    "/collections/{layer}/styles/{style_id}/metadata",
    summary="Description of a layer's style",
    openapi_extra=DOCUMENT,
)
async def collection_style_metadata(
    request: Request, layer: str, style_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return what a style of a layer is for, as ``metadata`` does."""
    found = _of_layer(service, viewer, layer, style_id)
    home = f"{base_url(request)}/api"
    value = style_metadata(found, viewer, f"{home}/collections/{layer}/styles", home)
    return document_answer(request, value["title"], value)


@router.get(
    "/collections/{layer}/styles/{style_id}/legend",
    summary="Legend of a layer's style",
    openapi_extra=DOCUMENT,
)
async def collection_style_legend(
    request: Request, layer: str, style_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return what the signs of a layer's style mean, as ``legend`` does."""
    found = _of_layer(service, viewer, layer, style_id)
    return _legend_answer(
        request, service, found, f"{base_url(request)}/api/collections/{layer}/styles"
    )


def _of_layer(service: Service, viewer: Viewer, layer: str, style_id: str) -> Style:
    definition = service.layer(layer, viewer)
    if not definition.style or style_id != f"{OF_LAYER}{layer}":
        raise UnknownMap(f"{layer} has no style '{style_id}'")
    return layer_style(definition)


def _list(found: list[Style], address: str) -> dict[str, Any]:
    return {"styles": [style_entry(entry, address) for entry in found]}


def _table(found: list[Style], request: Request) -> str:
    home = f"{base_url(request)}/api/styles"
    rows = [
        [anchor(f"{home}/{entry.id}?f=html", entry.id), entry.title.zh, entry.title.en]
        for entry in found
    ]
    return table(["id", "名称", "name"], rows)


def _legend_answer(request: Request, service: Service, found: Style, address: str) -> Response:
    links = style_entry(found, address)["links"]
    body = legend_page(found, service.catalogue, links, base_url(request))
    return document_answer(
        request, both(found.title), legend_document(found, service.catalogue), body
    )


async def _style_answer(
    request: Request, service: Service, viewer: Viewer, found: Style, address: str
) -> Response:
    parameters = read_query(request.scope["query_string"], ("f", "lang"))
    language = _language(parameters.get("lang", Language.BOTH.value))
    form = _form(request, parameters.get("f"))
    base = base_url(request)
    if form is HTML:
        links = style_entry(found, address)["links"]
        body = legend_page(found, service.catalogue, links, base)
        written = page(
            both(found.title),
            body,
            lead=f"{found.abstract.zh}\n{found.abstract.en}",
            home=f"{base}/api",
        )
        return bytes_answer(request, written, HTML.media_type)
    if form is _MAPBOX:
        value = await _maplibre(service, viewer, found, language, base)
        return json_answer(request, value, media_type=MAPBOX)
    if form.media_type not in {media_type for _, media_type, _ in encodings(found)}:
        raise InvalidParameter(f"f: '{found.id}' is of features of any geometry, SLD has no such")
    dialect = sld_symbols.SLD_10 if form is _SLD_10 else sld_symbols.SLD_11
    sheet = await _sld(service, found, dialect)
    # The address of the icons is the only part that depends on the request.
    sheet = sheet.replace(_ICONS, escape(f"{base}/sprites/icons").encode())
    return bytes_answer(request, sheet, form.media_type)


async def _sld(service: Service, found: Style, dialect: sld_symbols.Dialect) -> bytes:
    key = (found.id, tuple(layer.name for layer in found.layers), dialect.version)
    if key not in service.stylesheets:
        drawer = sld_symbols.Drawer(dialect, _ICONS.decode())
        # The style of a map of many layers takes a tenth of a second.
        service.stylesheets[key] = await asyncio.to_thread(
            lambda: write_sld(
                found.id,
                found.title,
                [layer_stylesheet(layer, service.catalogue, drawer) for layer in found.layers],
                dialect,
            )
        )
    return service.stylesheets[key]


def _form(request: Request, wanted: str | None) -> Representation:
    accept = request.headers.get("accept")
    form = choose(_FORMS, accept, wanted)
    is_open = form is _SLD_11 and wanted is None
    if is_open and _WANTS_10.search(accept or "") and not _WANTS_11.search(accept or ""):
        return _SLD_10
    return form


async def _maplibre(
    service: Service, viewer: Viewer, found: Style, language: Language, base: str
) -> dict[str, Any]:
    sprite_url = f"{base}/sprites/onemap"
    if found.map is not None:
        return compose_style(
            service.catalogue,
            found.map,
            viewer,
            language,
            tilejson_url=f"{base}/tiles/{found.map.name}.json",
            sprite_url=sprite_url,
        )
    (layer,) = found.layers
    tiles = f"{base}/api/collections/{layer.name}/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}"
    extent = await service.reader.extent(layer, viewer)
    return compose_layer_style(
        service.catalogue,
        layer,
        language,
        tiles_url=tiles,
        sprite_url=sprite_url,
        bounds=extent.bbox,
    )


def _language(text: str) -> Language:
    try:
        return Language(text)
    except ValueError as error:
        known = ", ".join(Language)
        raise InvalidParameter(f"lang: '{text}' is not one of {known}") from error
