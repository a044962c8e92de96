"""Documents of OGC API Tiles (OGC 20-057) about tilesets and their grid."""

from typing import Any

from api.collection_documents import both, field_schema
from api.links import link
from gis.systems import CRS84
from layers.access import Viewer, access_class
from layers.feature_query import BBox
from tiles.point_counts import POINT_COUNT, POINT_COUNT_TITLE, ever_has_counts
from tiles.tile_grids import TileGrid
from tiles.tileset import TileLayer, TileSet, deepest_fields

MVT = "application/vnd.mapbox-vector-tile"
_JSON = "application/json"
_REL = "http://www.opengis.net/def/rel/ogc/1.0/"


def grid_entry(grid: TileGrid, home: str) -> dict[str, Any]:
    """Return the list entry of a tile matrix set."""
    address = f"{home}/tileMatrixSets/{grid.name}"
    return {
        "id": grid.name,
        "title": both(grid.title),
        **({} if grid.uri is None else {"uri": grid.uri}),
        "crs": grid.crs_uri,
        "links": [
            link(address, "self", _JSON, "Definition"),
            link(address, "item", _JSON, "Definition"),
        ],
    }


def tileset_entry(tileset: TileSet, grid: TileGrid, home: str, address: str) -> dict[str, Any]:
    """Return the list entry of a tileset.

    Its links lead to documents: clients that follow each of them, as OGC's test suite does, would
    stumble over the template of the tiles, which the tileset itself has.

    Args:
        tileset: The tileset.
        grid: The grid that its tiles are of.
        home: Address of the landing page.
        address: Address of the list of tilesets.
    """
    scheme = f"{home}/tileMatrixSets/{grid.name}"
    own = f"{address}/{grid.name}"
    return {
        "title": both(tileset.title),
        "dataType": "vector",
        "crs": grid.crs_uri,
        "tileMatrixSetURI": grid.uri or scheme,
        "links": [
            link(own, "self", _JSON, "The tileset"),
            link(scheme, f"{_REL}tiling-scheme", _JSON, "Tile matrix set"),
        ],
    }


def tileset(
    entries: TileSet,
    grid: TileGrid,
    home: str,
    address: str,
    viewer: Viewer,
    bounds: BBox | None = None,
) -> dict[str, Any]:
    """Return a tileset's metadata (OGC 17-083r4, 7): its limits, layers and fields."""
    box = bounds or entries.bounds
    value = tileset_entry(entries, grid, home, address)
    links = [entry for entry in value["links"] if entry["rel"] != "self"]
    tiles = f"{address}/{grid.name}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"
    links.append({**link(tiles, "item", MVT, "Tiles"), "templated": True})
    value |= {
        "description": both(entries.abstract),
        "links": links,
        "tileMatrixSetLimits": [
            _limits(grid, grid.number(zoom), box)
            for zoom in range(entries.min_zoom, entries.max_zoom + 1)
            if grid.number(zoom) in grid.numbers
        ],
        "layers": [_layer(entry, grid, home, viewer) for entry in entries.layers],
    }
    if box is not None:
        value["boundingBox"] = {
            "lowerLeft": [box[0], box[1]],
            "upperRight": [box[2], box[3]],
            "crs": CRS84.uri,
        }
    if entries.center is not None:
        zoom = int(entries.zoom or entries.min_zoom)
        value["centerPoint"] = {
            "coordinates": list(entries.center),
            "crs": CRS84.uri,
            "tileMatrix": _matrix(grid, zoom),
        }
    return value


def _matrix(grid: TileGrid, zoom: int) -> str:
    """Return the id of the matrix nearest to a zoom."""
    return str(min(max(grid.number(zoom), grid.numbers[0]), grid.numbers[-1]))


def _limits(grid: TileGrid, number: int, box: BBox | None) -> dict[str, Any]:
    width, height = grid.size(number)
    whole = (0, 0, width - 1, height - 1)
    west, north, east, south = whole if box is None else grid.over(box, number)
    return {
        "tileMatrix": str(number),
        "minTileRow": north,
        "maxTileRow": south,
        "minTileCol": west,
        "maxTileCol": east,
    }


def _layer(entry: TileLayer, grid: TileGrid, home: str, viewer: Viewer) -> dict[str, Any]:
    layer = entry.definition
    visible = access_class(layer, viewer).fields
    properties = {
        name: field_schema(layer.field(name), home)
        for name in deepest_fields(entry)
        if name in visible
    }
    if ever_has_counts(entry):
        properties[POINT_COUNT] = {
            "title": both(POINT_COUNT_TITLE),
            "type": "integer",
            "minimum": 2,
        }
    return {
        "id": layer.name,
        "title": both(layer.title),
        "dataType": "vector",
        **({} if layer.geometry.mixed else {"geometryDimension": layer.geometry.dimension}),
        "minTileMatrix": _matrix(grid, entry.min_zoom),
        "maxTileMatrix": _matrix(grid, entry.max_zoom),
        "propertiesSchema": {"type": "object", "properties": properties},
        "links": [
            link(f"{home}/collections/{layer.name}", f"{_REL}geodata", _JSON, both(layer.title))
        ],
    }
