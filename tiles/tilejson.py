"""TileJSON 3.0.0 documents of tile sets."""

from typing import Any

from layers.access import Viewer, access_class
from layers.definition import FieldDefinition, FieldType
from layers.feature_query import BBox
from tiles.point_counts import POINT_COUNT, POINT_COUNT_TITLE, ever_has_counts
from tiles.tileset import TileLayer, TileSet, deepest_fields

_WORLD: BBox = (-180.0, -85.0511287798066, 180.0, 85.0511287798066)
_KINDS = {
    FieldType.INTEGER: "Number",
    FieldType.NUMBER: "Number",
    FieldType.BOOLEAN: "Boolean",
}


def tilejson(
    tileset: TileSet,
    address: str,
    viewer: Viewer,
    *,
    version: int,
    versioned: str | None = None,
    bounds: BBox | None = None,
) -> dict[str, Any]:
    """Return the TileJSON of a tile set.

    Args:
        tileset: The tile set.
        address: The address of a tile, with ``{z}``, ``{x}`` and ``{y}``.
        viewer: Whose fields are described.
        version: The version of what the tiles show.
        versioned: The address of a tile of that version alone, which may be kept for ever.
        bounds: What there is to be seen, in degrees; without it what the map is meant for.
    """
    west, south, east, north = bounds or tileset.bounds or _WORLD
    center = tileset.center or ((west + east) / 2, (south + north) / 2)
    zoom = tileset.min_zoom if tileset.zoom is None else int(tileset.zoom)
    zoom = max(tileset.min_zoom, min(zoom, tileset.max_zoom))
    document: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": f"{tileset.title.zh} / {tileset.title.en}",
        "description": f"{tileset.abstract.zh}\n{tileset.abstract.en}",
        "version": f"1.0.{version}",
        "scheme": "xyz",
        "tiles": [address],
        "minzoom": tileset.min_zoom,
        "maxzoom": tileset.max_zoom,
        "bounds": [west, south, east, north],
        "center": [*center, zoom],
        "vector_layers": [
            _vector_layer(entry, viewer)
            for entry in tileset.layers
            if entry.min_zoom <= tileset.max_zoom
        ],
    }
    if versioned is not None:
        document["versioned_tiles"] = [versioned]
    return document


def _vector_layer(entry: TileLayer, viewer: Viewer) -> dict[str, Any]:
    layer = entry.definition
    visible = access_class(layer, viewer).fields
    fields = {
        name: _described(layer.field(name)) for name in deepest_fields(entry) if name in visible
    }
    if ever_has_counts(entry):
        fields[POINT_COUNT] = f"Number: {POINT_COUNT_TITLE.zh} / {POINT_COUNT_TITLE.en}"
    return {
        "id": layer.name,
        "description": f"{layer.title.zh} / {layer.title.en}",
        "minzoom": entry.min_zoom,
        "maxzoom": entry.max_zoom,
        "fields": fields,
    }


def _described(field: FieldDefinition) -> str:
    unit = f" ({field.unit})" if field.unit else ""
    kind = _KINDS.get(field.type, "String")
    return f"{kind}: {field.title.zh} / {field.title.en}{unit}"
