"""TileJSON of the maps, for front ends."""

from fastapi import APIRouter, Request, Response

from api.answers import json_answer
from api.dependencies import TheService, TheViewer
from api.links import base_url, with_query
from api.query import read_query
from api.times import record_time, valid_instant
from tiles.tilejson import tilejson

router = APIRouter(prefix="/tiles", tags=["Maps"])


@router.get("/{name}.json", summary="A map's TileJSON")
async def map_tilejson(
    request: Request, name: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return where a map's tiles are, their zooms, bounds, layers and fields."""
    parameters = read_query(request.scope["query_string"], ("datetime", "asOf"))
    valid_instant(parameters.get("datetime"))
    record_time(parameters.get("asOf"))
    tileset = service.map_tiles(name, viewer)
    version = service.tile_version(service.map_layers(tileset))
    home = f"{base_url(request)}/tiles/{name}"
    document = tilejson(
        tileset,
        with_query(f"{home}/{{z}}/{{x}}/{{y}}", parameters),
        viewer,
        version=version,
        versioned=with_query(f"{home}/v{version}/{{z}}/{{x}}/{{y}}", parameters),
    )
    return json_answer(request, document)
