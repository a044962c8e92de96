"""Documents of OGC API Tiles (OGC 20-057) about tilesets and their grid."""

from typing import Any

from api.collection_documents import both, field_schema
from api.crs import CRS84
from api.links import link
from layers.access import Viewer, access_class
from layers.feature_query import BBox
from tiles.grids import WEB_MERCATOR_QUAD, matrix_size, tiles_over
from tiles.tileset import TileLayer, TileSet, deepest_fields

MVT = "application/vnd.mapbox-vector-tile"
_JSON = "application/json"
_MERCATOR = "http://www.opengis.net/def/crs/EPSG/0/3857"
_GRID_URI = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
_REL = "http://www.opengis.net/def/rel/ogc/1.0/"


def grid_entry(home: str) -> dict[str, Any]:
    """Return the list entry of the one tile matrix set."""
    address = f"{home}/tileMatrixSets/{WEB_MERCATOR_QUAD}"
    return {
        "id": WEB_MERCATOR_QUAD,
        "title": WEB_MERCATOR_QUAD,
        "uri": _GRID_URI,
        "crs": _MERCATOR,
        "links": [link(address, "self", _JSON, "Definition")],
    }


def tileset_entry(tileset: TileSet, home: str, address: str) -> dict[str, Any]:
    """Return the list entry of a tileset.

    Args:
        tileset: The tileset.
        home: Address of the landing page.
        address: Address of the list of tilesets.
    """
    grid = f"{home}/tileMatrixSets/{WEB_MERCATOR_QUAD}"
    own = f"{address}/{WEB_MERCATOR_QUAD}"
    return {
        "title": both(tileset.title),
        "dataType": "vector",
        "crs": _MERCATOR,
        "tileMatrixSetURI": _GRID_URI,
        "links": [
            link(own, "self", _JSON, "The tileset"),
            link(grid, f"{_REL}tiling-scheme", _JSON, "Tile matrix set"),
            {
                **link(f"{own}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}", "item", MVT, "Tiles"),
                "templated": True,
            },
        ],
    }


def tileset(
    entries: TileSet, home: str, address: str, viewer: Viewer, bounds: BBox | None = None
) -> dict[str, Any]:
    """Return a tileset's metadata (OGC 17-083r4, 7): its limits, layers and fields."""
    box = entries.bounds or bounds
    value = tileset_entry(entries, home, address)
    links = [entry for entry in value["links"] if entry["rel"] != "self"]
    value |= {
        "description": both(entries.abstract),
        "links": links,
        "tileMatrixSetLimits": [
            _limits(z, box) for z in range(entries.min_zoom, entries.max_zoom + 1)
        ],
        "layers": [_layer(entry, home, viewer) for entry in entries.layers],
    }
    if box is not None:
        value["boundingBox"] = {
            "lowerLeft": [box[0], box[1]],
            "upperRight": [box[2], box[3]],
            "crs": CRS84.uri,
        }
    if entries.center is not None:
        value["centerPoint"] = {
            "coordinates": list(entries.center),
            "crs": CRS84.uri,
            "tileMatrix": str(int(entries.zoom or entries.min_zoom)),
        }
    return value


def _limits(z: int, box: BBox | None) -> dict[str, Any]:
    width, height = matrix_size(z)
    west, north, east, south = (0, 0, width - 1, height - 1) if box is None else tiles_over(box, z)
    return {
        "tileMatrix": str(z),
        "minTileRow": north,
        "maxTileRow": south,
        "minTileCol": west,
        "maxTileCol": east,
    }


def _layer(entry: TileLayer, home: str, viewer: Viewer) -> dict[str, Any]:
    layer = entry.definition
    visible = access_class(layer, viewer).fields
    return {
        "id": layer.name,
        "title": both(layer.title),
        "dataType": "vector",
        **({} if layer.geometry.mixed else {"geometryDimension": layer.geometry.dimension}),
        "minTileMatrix": str(entry.min_zoom),
        "maxTileMatrix": str(entry.max_zoom),
        "propertiesSchema": {
            "type": "object",
            "properties": {
                name: field_schema(layer.field(name), home)
                for name in deepest_fields(entry)
                if name in visible
            },
        },
        "links": [
            link(f"{home}/collections/{layer.name}", f"{_REL}geodata", _JSON, both(layer.title))
        ],
    }
