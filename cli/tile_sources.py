"""Where ``onemap tiles inspect`` takes a tile from: the database itself, or a running server."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from gis.late import LateModule
from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import InvalidValue, OneMapError, UnknownLayer
from layers.pyramid_bands import band_at
from layers.reading import CityReader
from layers.settings import LayersSettings
from layers.tile_queries import band_is_built
from tiles.grids import WEB_MERCATOR_QUAD
from tiles.inspection import TileReport, gzip_size, layer_reports, layer_times, timed
from tiles.registry import tile_formats
from tiles.rendering import TileRenderer
from tiles.request import TileRequest
from tiles.tile_grids import tile_grid
from tiles.tileset import TileSet, map_tiles

if TYPE_CHECKING:
    import httpx
else:
    httpx = LateModule("httpx")

Place = tuple[int, int, int]
_PATIENCE_S = 60.0


class NoTile(OneMapError):
    """A server gave no tile; the message says what it said."""


def wanted_tiles(catalogue: Catalogue, name: str, layer: str | None) -> TileSet:
    """Return the tile set of a map, or of one of its layers.

    Raises:
        UnknownMap: If there is no map of that name.
        UnknownLayer: If the map has no such layer.
    """
    found = map_tiles(catalogue, catalogue.map(name), ANONYMOUS)
    if layer is None:
        return found
    entries = tuple(entry for entry in found.layers if entry.definition.name == layer)
    if not entries:
        listed = ", ".join(entry.definition.name for entry in found.layers)
        raise UnknownLayer(f"the map '{name}' has no layer '{layer}'; it has {listed}")
    return replace(found, path=f"{found.path}/{layer}", layers=entries)


def box_of(place: Place) -> tuple[float, float, float, float]:
    """Return a tile's box in degrees: west, south, east, north.

    Raises:
        TileOutOfRange: If the grid has no such tile.
    """
    grid = tile_grid(WEB_MERCATOR_QUAD)
    return grid.degrees(grid.box(*place))


async def rendered_report(
    settings: LayersSettings,
    catalogue: Catalogue,
    tileset: TileSet,
    place: Place,
    at: datetime | None,
) -> TileReport:
    """Render a tile, whole and layer by layer, and look into it.

    Raises:
        TileOutOfRange: If the grid or the tile set has no such tile.
        DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
    """
    request = TileRequest(tileset, place, at=at)
    box = box_of(place)
    reader = CityReader(settings, catalogue)
    try:
        renderer = TileRenderer(reader, tile_formats()["mvt"])
        rendered, milliseconds = await timed(request, renderer.render)
        times = await layer_times(request, renderer.render)
        sources = {layer.name: await _source(reader, layer, place[0]) for layer in request.layers}
    finally:
        await reader.close()
    return TileReport(
        tileset.name,
        place,
        box,
        "rendered",
        rendered.version,
        milliseconds,
        len(rendered.data),
        gzip_size(rendered.data),
        layer_reports(rendered.data, times, sources, request.layers),
    )


async def _source(reader: CityReader, layer: LayerDefinition, zoom: int) -> str:
    band = band_at(layer, zoom)
    if band is None:
        return "the layer"
    zooms = f"{band.zooms[0]}–{band.zooms[1]}"
    built = (await reader.fetch(select(band_is_built(layer, band))))[0][0]
    return f"pyramid {zooms}, {band.method}" if built else f"the layer: pyramid {zooms} not built"


def served_report(
    server: str, name: str, layer: str | None, place: Place, at: str | None
) -> TileReport:
    """Ask a server for a tile, and look into it.

    Raises:
        NoTile: If the server cannot be reached, or answers with something else.
    """
    z, x, y = place
    box = box_of(place)
    path = f"/tiles/{name}/{z}/{x}/{y}"
    if layer is not None:
        path = f"/api/collections/{layer}/tiles/{WEB_MERCATOR_QUAD}/{z}/{y}/{x}"
    parameters = {} if at is None else {"datetime": at}
    try:
        with httpx.Client(timeout=_PATIENCE_S) as client:
            answer = client.get(server.rstrip("/") + path, params=parameters)
    except httpx.InvalidURL as error:
        raise InvalidValue(f"--url: '{server}' is no address of a server") from error
    except httpx.HTTPError as error:
        raise NoTile(f"{server} does not answer: {error or type(error).__name__}") from error
    if answer.status_code not in (200, 204):
        raise NoTile(f"{server} answers {answer.status_code}: {_told(answer)}")
    data = answer.content
    try:
        layers = layer_reports(data, {}, {})
    except ValueError as error:
        raise NoTile(f"{server} answers with something that is no vector tile") from error
    version = answer.headers.get("x-data-version", "")
    return TileReport(
        name if layer is None else layer,
        place,
        box,
        answer.headers.get("x-cache", "unknown"),
        int(version) if version.isdigit() else None,
        answer.elapsed.total_seconds() * 1000,
        len(data),
        _sent(answer, data),
        layers,
    )


def _sent(answer: "httpx.Response", data: bytes) -> int:
    length = answer.headers.get("content-length", "")
    is_gzip = answer.headers.get("content-encoding") == "gzip"
    return int(length) if is_gzip and length.isdigit() else gzip_size(data)


def _told(answer: "httpx.Response") -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
