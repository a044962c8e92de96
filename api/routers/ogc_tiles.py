"""OGC API Tiles: tilesets of the dataset, of each map and of each layer, and the tile grid."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api import tileset_documents as documents
from api.answers import document_answer
from api.dependencies import TheService, TheViewer
from api.errors import InvalidParameter
from api.links import base_url
from api.openapi_parts import DOCUMENT, format_parameter, query_parameter
from api.query import read_query
from api.service import Service, TilePlan
from api.tile_answers import TileAnswers, TileWish
from api.tile_limits import TileLimits
from api.tile_query import DESCRIPTIONS, PARAMETERS, read_tile_query
from layers.access import Viewer
from tiles.tile_grids import TILE_GRIDS, tile_grid
from tiles.tileset import TileSet, layer_tiles

router = APIRouter(tags=["Tiles"])
_TILE = "/{grid}/{z}/{row}/{column}"
_MOST_DIGITS = 9
_TILE_DOC: dict[str, Any] = {
    "responses": {
        "200": {
            "description": "The tile.",
            "content": {documents.MVT: {"schema": {"type": "string", "format": "binary"}}},
        },
        "204": {"description": "There is nothing in this tile."},
    },
    "parameters": [
        *(query_parameter(name, description) for name, description in DESCRIPTIONS.items()),
        format_parameter("mvt"),
    ],
}


@router.get("/api/tileMatrixSets", summary="Tile grids", openapi_extra=DOCUMENT)
async def grids(request: Request) -> Response:
    """Return the tile matrix sets that tiles come in."""
    home = f"{base_url(request)}/api"
    value = {"tileMatrixSets": [documents.grid_entry(grid, home) for grid in TILE_GRIDS.values()]}
    return document_answer(request, "瓦片矩阵集 / Tile matrix sets", value)


@router.get("/api/tileMatrixSets/{grid}", summary="A tile grid", openapi_extra=DOCUMENT)
async def grid_definition(request: Request, grid: str) -> Response:
    """Return a tile matrix set's definition."""
    return document_answer(request, grid, tile_grid(grid).document())


@router.get("/api/tiles", summary="Vector tilesets of the dataset", openapi_extra=DOCUMENT)
async def dataset_tilesets(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return the tilesets of the whole dataset, as its main map composes it."""
    return _tilesets(request, _main_map(service, viewer), "/tiles")


@router.get("/api/tiles/{grid}", summary="The dataset's tileset", openapi_extra=DOCUMENT)
async def dataset_tileset(
    request: Request, grid: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the metadata of the dataset's tileset in a grid."""
    tileset = _main_map(service, viewer)
    bounds = await service.reader.bounds(service.map_layers(tileset))
    return _tileset(request, tileset, "/tiles", grid, viewer, bounds=bounds)


@router.get(
    f"/api/tiles{_TILE}",
    summary="A tile of the dataset",
    response_class=Response,
    openapi_extra=_TILE_DOC,
)
async def dataset_tile(
    request: Request,
    grid: str,
    z: str,
    row: str,
    column: str,
    service: TheService,
    viewer: TheViewer,
) -> Response:
    """Return a tile with all layers of the dataset's main map."""
    place = _place(z, row, column)
    zoom = tile_grid(grid).zoom(place[0])
    plan = service.map_plan(service.settings.default_map, zoom, viewer)
    return await _tile(request, plan, grid, place, viewer)


@router.get("/api/maps/{name}/tiles", summary="Vector tilesets of a map", openapi_extra=DOCUMENT)
async def map_tilesets(
    request: Request, name: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the tilesets of a map."""
    return _tilesets(request, service.map_tiles(name, viewer), f"/maps/{name}/tiles")


@router.get("/api/maps/{name}/tiles/{grid}", summary="A map's tileset", openapi_extra=DOCUMENT)
async def map_tileset(
    request: Request, name: str, grid: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the metadata of a map's tileset in a grid."""
    tileset = service.map_tiles(name, viewer)
    bounds = await service.reader.bounds(service.map_layers(tileset))
    return _tileset(request, tileset, f"/maps/{name}/tiles", grid, viewer, bounds=bounds)


@router.get(
    f"/api/maps/{{name}}/tiles{_TILE}",
    summary="A map's tile",
    response_class=Response,
    openapi_extra=_TILE_DOC,
)
async def map_tile(
    request: Request,
    name: str,
    grid: str,
    z: str,
    row: str,
    column: str,
    service: TheService,
    viewer: TheViewer,
) -> Response:
    """Return a tile with all layers of a map."""
    place = _place(z, row, column)
    plan = service.map_plan(name, tile_grid(grid).zoom(place[0]), viewer)
    return await _tile(request, plan, grid, place, viewer)


@router.get(
    "/api/collections/{layer}/tiles", summary="Vector tilesets of a layer", openapi_extra=DOCUMENT
)
async def layer_tilesets(
    request: Request, layer: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the tilesets of a layer."""
    tileset = layer_tiles(service.layer(layer, viewer))
    return _tilesets(request, tileset, f"/collections/{layer}/tiles")


@router.get(
    "/api/collections/{layer}/tiles/{grid}", summary="A layer's tileset", openapi_extra=DOCUMENT
)
async def layer_tileset(
    request: Request, layer: str, grid: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the metadata of a layer's tileset in a grid."""
    definition = service.layer(layer, viewer)
    extent = await service.reader.extent(definition, viewer)
    return _tileset(
        request,
        layer_tiles(definition),
        f"/collections/{layer}/tiles",
        grid,
        viewer,
        bounds=extent.bbox,
    )


@router.get(
    f"/api/collections/{{layer}}/tiles{_TILE}",
    summary="A layer's tile",
    response_class=Response,
    openapi_extra=_TILE_DOC,
)
async def layer_tile(
    request: Request,
    layer: str,
    grid: str,
    z: str,
    row: str,
    column: str,
    service: TheService,
    viewer: TheViewer,
) -> Response:
    """Return a tile with one layer alone."""
    place = _place(z, row, column)
    plan = service.layer_plan(layer, tile_grid(grid).zoom(place[0]), viewer)
    return await _tile(request, plan, grid, place, viewer)


def _main_map(service: Service, viewer: Viewer) -> TileSet:
    return service.map_tiles(service.settings.default_map, viewer)


def _tilesets(request: Request, tileset: TileSet, path: str) -> Response:
    home = f"{base_url(request)}/api"
    entries = [
        documents.tileset_entry(tileset, grid, home, f"{home}{path}")
        for grid in TILE_GRIDS.values()
    ]
    return document_answer(request, "瓦片集 / Tilesets", {"tilesets": entries})


def _tileset(
    request: Request,
    tileset: TileSet,
    path: str,
    grid: str,
    viewer: Viewer,
    *,
    bounds: tuple[float, float, float, float] | None = None,
) -> Response:
    known = tile_grid(grid)
    home = f"{base_url(request)}/api"
    value = documents.tileset(tileset, known, home, f"{home}{path}", viewer, bounds)
    return document_answer(request, value["title"], value)


async def _tile(
    request: Request, plan: TilePlan, grid: str, place: tuple[int, int, int], viewer: Viewer
) -> Response:
    parameters = read_query(request.scope["query_string"], {*PARAMETERS, "f"})
    if parameters.pop("f", "mvt") != "mvt":
        raise InvalidParameter("f: tiles come as mvt")
    wanted = read_tile_query(parameters).request(plan.tileset, grid, place, viewer)
    if wanted.datum is None:
        limits: TileLimits = request.app.state.tile_limits
        await limits.check(plan, grid, place)
    answers: TileAnswers = request.app.state.tile_answers
    answer = await answers.answer(request.scope, TileWish(plan, wanted))
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)


def _place(z: str, row: str, column: str) -> tuple[int, int, int]:
    """Return matrix, column and row; OGC's addresses have the row first."""
    numbers = []
    for name, text in (("tileMatrix", z), ("tileCol", column), ("tileRow", row)):
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
            raise InvalidParameter(f"{name}: '{text}' is not a whole number from 0 upwards")
        numbers.append(int(text))
    return (numbers[0], numbers[1], numbers[2])
