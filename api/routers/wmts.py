"""WMTS 1.0 for desktop GIS, in the query string (KVP) and in addresses (RESTful).

It describes itself in its own way (GetCapabilities), and is no part of the API definition.
"""

import asyncio
from hashlib import blake2b

import orjson
from fastapi import APIRouter, Request, Response

from api.asgi import REQUEST_ID, names_etag
from api.dependencies import TheService, TheViewer
from api.links import base_url
from api.ows.errors import ServiceException, exception_report
from api.ows.parameters import read_parameters
from api.pictures import PictureWish
from api.service import Service, TilePlan
from api.tile_answers import TileAnswers, TileWish
from api.wmts.capabilities import WmtsLayer, capabilities
from api.wmts.requests import ENDINGS, PNG, VERSION, WmtsTile, read_operation, read_tile
from layers.access import Viewer
from layers.errors import OneMapError, UnknownLayer
from tiles.grids import TileOutOfRange
from tiles.pictures.places import picture_place
from tiles.request import TileRequest
from tiles.style_values import Language
from tiles.styles import compose_layer_style, compose_style
from tiles.tileset import TileSet, layer_tiles

router = APIRouter(tags=["Classic services"])
_MOST_DOCUMENTS = 16
_XML = "text/xml; charset=utf-8"


@router.get("/wmts", include_in_schema=False)
async def kvp(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Answer a request in the query string."""
    try:
        parameters = read_parameters(request.scope["query_string"])
        if read_operation(parameters) == "GetCapabilities":
            return await _capabilities(request, service, viewer)
        return await _tile(request, service, viewer, read_tile(parameters))
    except (OneMapError, ServiceException) as error:
        return _refusal(request, error)


@router.get(f"/wmts/{VERSION}/WMTSCapabilities.xml", include_in_schema=False)
async def rest_capabilities(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return the capabilities document."""
    try:
        return await _capabilities(request, service, viewer)
    except OneMapError as error:
        return _refusal(request, error)


@router.get("/wmts/{layer}/{style}/{grid}/{matrix}/{row}/{file}", include_in_schema=False)
async def rest_tile(
    request: Request,
    layer: str,
    style: str,
    grid: str,
    matrix: str,
    row: str,
    file: str,
    service: TheService,
    viewer: TheViewer,
) -> Response:
    """Return a tile by its address."""
    try:
        column, _, ending = file.partition(".")
        if ending not in ENDINGS:
            raise ServiceException(
                "InvalidParameterValue",
                "format",
                f"format: '.{ending[:60]}' is none of .{', .'.join(ENDINGS)}",
            )
        parameters = {
            **read_parameters(request.scope["query_string"]),
            "layer": layer,
            "style": style,
            "format": ENDINGS[ending],
            "tilematrixset": grid,
            "tilematrix": matrix,
            "tilerow": row,
            "tilecol": column,
        }
        return await _tile(request, service, viewer, read_tile(parameters))
    except (OneMapError, ServiceException) as error:
        return _refusal(request, error)


def _refusal(request: Request, error: Exception) -> Response:
    if isinstance(error, TileOutOfRange):
        error = ServiceException("TileOutOfRange", "tilematrix", str(error))
    report = exception_report(error, VERSION, str(request.scope.get(REQUEST_ID, "")))
    return Response(report.body, report.status, dict(report.headers), media_type=_XML)


async def _capabilities(request: Request, service: Service, viewer: Viewer) -> Response:
    address = f"{base_url(request)}/wmts"
    version = service.data_version(service.catalogue.layer_names)
    key, shelf = (address, viewer), service.wmts_documents
    known = shelf.get(key)
    if known is None or known[0] != version or not service.reader.is_listening:
        layers = []
        for tileset in _tilesets(service, viewer):
            names = service.map_layers(tileset)
            bounds = await service.reader.bounds(names)
            layers.append(WmtsLayer(tileset, bounds, tuple(await service.reader.epochs(names))))
        known = (version, await asyncio.to_thread(capabilities, address, layers))
        if len(shelf) >= _MOST_DOCUMENTS:
            # Addresses are what clients say that they are.
            shelf.clear()
        shelf[key] = known
    body = known[1]
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if _is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=_XML)


def _tilesets(service: Service, viewer: Viewer) -> list[TileSet]:
    """Return the maps, and the layers that have not a map's name."""
    maps = [service.map_tiles(name, viewer) for name in service.catalogue.maps]
    taken = {tileset.name for tileset in maps}
    return [
        *maps,
        *(layer_tiles(layer) for layer in service.layers(viewer) if layer.name not in taken),
    ]


def _is_known(request: Request, tag: str) -> bool:
    given = request.headers.get("if-none-match")
    return given is not None and names_etag(given.encode(), tag.encode())


def _tileset(service: Service, viewer: Viewer, name: str) -> TileSet:
    if name in service.catalogue.maps:
        return service.map_tiles(name, viewer)
    try:
        return layer_tiles(service.layer(name, viewer))
    except UnknownLayer:
        raise ServiceException(
            "InvalidParameterValue", "layer", f"layer: there is no map or layer '{name[:60]}'"
        ) from None


def _plan(service: Service, viewer: Viewer, tileset: TileSet, zoom: int) -> TilePlan:
    is_map = tileset.path.startswith("maps/")
    find = service.map_plan if is_map else service.layer_plan
    return find(tileset.name, zoom, viewer)


async def _tile(request: Request, service: Service, viewer: Viewer, wanted: WmtsTile) -> Response:
    tileset = _tileset(service, viewer, wanted.layer)
    if wanted.media_type == PNG:
        return await _picture(request, service, viewer, tileset, wanted)
    plan = _plan(service, viewer, tileset, wanted.grid.zoom(wanted.place[0]))
    asked = TileRequest(
        plan.tileset, wanted.place, wanted.grid.name, viewer, wanted.at, wanted.as_of
    )
    answers: TileAnswers = request.app.state.tile_answers
    answer = await answers.answer(request.scope, TileWish(plan, asked))
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)


async def _picture(
    request: Request, service: Service, viewer: Viewer, tileset: TileSet, wanted: WmtsTile
) -> Response:
    place = picture_place(tileset, wanted.grid, wanted.place)
    plan = _plan(service, viewer, tileset, wanted.grid.zoom(place.tile[0]))
    asked = TileRequest(plan.tileset, place.tile, wanted.grid.name, viewer, wanted.at, wanted.as_of)
    kept, _ = await service.keeper.get(plan.family, asked, service.render)
    style = _style(service, viewer, tileset, wanted.language)
    wish = PictureWish(kept.tile.digest, style, place.zoom, place.window)
    tag = wish.tag(place.quarter)
    age = service.settings.tile_max_age_s
    headers = {
        "etag": tag,
        "cache-control": f"public, max-age={age}" if age else "public, no-cache",
    }
    if kept.tile.truncated:
        headers["x-truncated"] = ",".join(kept.tile.truncated)
    if _is_known(request, tag):
        return Response(status_code=304, headers=headers)
    body = await service.pictures.picture(wish, kept.tile, place)
    return Response(body, headers=headers, media_type=PNG)


def _style(service: Service, viewer: Viewer, tileset: TileSet, language: Language) -> bytes:
    key = (tileset.path, language, viewer)
    known = service.picture_styles.get(key)
    if known is None:
        catalogue = service.catalogue
        if tileset.path.startswith("maps/"):
            city_map = catalogue.map(tileset.name)
            composed = compose_style(
                catalogue, city_map, viewer, language, tilejson_url="", sprite_url=""
            )
        else:
            layer = service.layer(tileset.name, viewer)
            composed = compose_layer_style(
                catalogue, layer, language, tiles_url="", sprite_url="", bounds=None
            )
        known = service.picture_styles[key] = orjson.dumps(composed["layers"])
    return known
