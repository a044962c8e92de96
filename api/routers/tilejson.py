"""TileJSON of the maps, for front ends."""

from fastapi import APIRouter, Request, Response

from api.answers import json_answer
from api.dependencies import TheService, TheViewer
from api.links import base_url, with_query
from api.openapi_parts import answers, query_parameter
from api.query import read_query
from api.tile_query import DESCRIPTIONS, PARAMETERS, read_tile_query
from tiles.grids import WEB_MERCATOR_QUAD
from tiles.tilejson import tilejson

router = APIRouter(prefix="/tiles", tags=["Maps"])


@router.get(
    "/{name}.json",
    summary="A map's TileJSON",
    openapi_extra={
        "parameters": [query_parameter(name, text) for name, text in DESCRIPTIONS.items()],
        "responses": answers("application/json"),
    },
)
async def map_tilejson(
    request: Request, name: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return where a map's tiles are, their zooms, bounds, layers and fields."""
    parameters = read_query(request.scope["query_string"], PARAMETERS)
    tileset = service.map_tiles(name, viewer)
    query = read_tile_query(parameters)
    # Only to find fault with what it names.
    query.request(tileset, WEB_MERCATOR_QUAD, (tileset.min_zoom, 0, 0), viewer)
    names = service.map_layers(tileset)
    version = service.tile_version(names)
    home = f"{base_url(request)}/tiles/{name}"
    document = tilejson(
        tileset,
        with_query(f"{home}/{{z}}/{{x}}/{{y}}", parameters),
        viewer,
        version=version,
        bounds=await service.reader.bounds(names),
        versioned=with_query(f"{home}/v{version}/{{z}}/{{x}}/{{y}}", parameters),
    )
    return json_answer(request, document)
