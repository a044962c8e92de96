"""OGC API Tiles: tilesets of the dataset, of each map and of each layer, and the tile grid."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api import tileset_documents as documents
from api.answers import document_answer
from api.dependencies import TheService, TheViewer
from api.errors import InvalidParameter, UnknownResource
from api.links import base_url
from api.query import read_query
from api.service import Service, TilePlan
from api.tile_answers import TileAnswers, TileWish
from api.times import record_time, valid_instant
from layers.access import Viewer
from tiles.grids import WEB_MERCATOR_QUAD, grid_document
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
        {
            "name": name,
            "in": "query",
            "description": description,
            "schema": {"type": "string"},
        }
        for name, description in (
            ("datetime", "Valid time: an instant."),
            ("asOf", "Record time: an instant."),
            ("f", "Format: mvt."),
        )
    ],
}


@router.get("/api/tileMatrixSets", summary="Tile grids")
async def grids(request: Request) -> Response:
    """Return the tile matrix sets that tiles come in."""
    home = f"{base_url(request)}/api"
    value = {"tileMatrixSets": [documents.grid_entry(home)]}
    return document_answer(request, "瓦片矩阵集 / Tile matrix sets", value)


@router.get("/api/tileMatrixSets/{grid}", summary="A tile grid")
async def grid_definition(request: Request, grid: str) -> Response:
    """Return a tile matrix set's definition."""
    _check_grid(grid)
    return document_answer(request, grid, grid_document())


@router.get("/api/tiles", summary="Vector tilesets of the dataset")
async def dataset_tilesets(request: Request, service: TheService, viewer: TheViewer) -> Response:
    """Return the tilesets of the whole dataset, as its main map composes it."""
    return _tilesets(request, _main_map(service, viewer), "/tiles")


@router.get("/api/tiles/{grid}", summary="The dataset's tileset")
async def dataset_tileset(
    request: Request, grid: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the metadata of the dataset's tileset in a grid."""
    return _tileset(request, _main_map(service, viewer), "/tiles", grid, viewer)


@router.get(f"/api/tiles{_TILE}", summary="A tile of the dataset", openapi_extra=_TILE_DOC)
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
    place = _place(grid, z, row, column)
    plan = service.map_plan(service.settings.default_map, place[0], viewer)
    return await _tile(request, service, plan, place, viewer)


@router.get("/api/maps/{name}/tiles", summary="Vector tilesets of a map")
async def map_tilesets(
    request: Request, name: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the tilesets of a map."""
    return _tilesets(request, service.map_tiles(name, viewer), f"/maps/{name}/tiles")


@router.get("/api/maps/{name}/tiles/{grid}", summary="A map's tileset")
async def map_tileset(
    request: Request, name: str, grid: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the metadata of a map's tileset in a grid."""
    return _tileset(request, service.map_tiles(name, viewer), f"/maps/{name}/tiles", grid, viewer)


@router.get(f"/api/maps/{{name}}/tiles{_TILE}", summary="A map's tile", openapi_extra=_TILE_DOC)
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
    place = _place(grid, z, row, column)
    plan = service.map_plan(name, place[0], viewer)
    return await _tile(request, service, plan, place, viewer)


@router.get("/api/collections/{layer}/tiles", summary="Vector tilesets of a layer")
async def layer_tilesets(
    request: Request, layer: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return the tilesets of a layer."""
    tileset = layer_tiles(service.layer(layer, viewer))
    return _tilesets(request, tileset, f"/collections/{layer}/tiles")


@router.get("/api/collections/{layer}/tiles/{grid}", summary="A layer's tileset")
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
    f"/api/collections/{{layer}}/tiles{_TILE}", summary="A layer's tile", openapi_extra=_TILE_DOC
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
    place = _place(grid, z, row, column)
    plan = service.layer_plan(layer, place[0], viewer)
    return await _tile(request, service, plan, place, viewer)


def _main_map(service: Service, viewer: Viewer) -> TileSet:
    return service.map_tiles(service.settings.default_map, viewer)


def _tilesets(request: Request, tileset: TileSet, path: str) -> Response:
    home = f"{base_url(request)}/api"
    entry = documents.tileset_entry(tileset, home, f"{home}{path}")
    return document_answer(request, "瓦片集 / Tilesets", {"tilesets": [entry]})


def _tileset(
    request: Request,
    tileset: TileSet,
    path: str,
    grid: str,
    viewer: Viewer,
    *,
    bounds: tuple[float, float, float, float] | None = None,
) -> Response:
    _check_grid(grid)
    home = f"{base_url(request)}/api"
    value = documents.tileset(tileset, home, f"{home}{path}", viewer, bounds)
    return document_answer(request, value["title"], value)


async def _tile(
    request: Request,
    service: Service,
    plan: TilePlan,
    place: tuple[int, int, int],
    viewer: Viewer,
) -> Response:
    parameters = read_query(request.scope["query_string"], ("datetime", "asOf", "f"))
    if parameters.get("f", "mvt") != "mvt":
        raise InvalidParameter(f"f: '{parameters['f']}' is not mvt")
    times = (valid_instant(parameters.get("datetime")), record_time(parameters.get("asOf")))
    answers: TileAnswers = request.app.state.tile_answers
    answer = await answers.answer(request.scope, TileWish(plan, place, viewer, times))
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)


def _check_grid(grid: str) -> None:
    if grid != WEB_MERCATOR_QUAD:
        raise UnknownResource(
            f"there is no tile matrix set '{grid}'; tiles come in {WEB_MERCATOR_QUAD}"
        )


def _place(grid: str, z: str, row: str, column: str) -> tuple[int, int, int]:
    """Return zoom, column and row; OGC's addresses have the row first."""
    _check_grid(grid)
    numbers = []
    for name, text in (("tileMatrix", z), ("tileCol", column), ("tileRow", row)):
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
            raise InvalidParameter(f"{name}: '{text}' is not a whole number from 0 upwards")
        numbers.append(int(text))
    return (numbers[0], numbers[1], numbers[2])
