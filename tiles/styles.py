"""MapLibre styles of maps, composed from the layers' own style entries."""

from collections.abc import Iterator
from typing import Any

from layers.access import Viewer, may_know
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition, Slot, StyleLayer
from layers.feature_query import BBox
from layers.map_definition import MapDefinition, MapLayer
from tiles.style_values import Language, expand, images_in
from tiles.tileset import layer_tiles

#: The name of the one vector source of a style.
SOURCE = "onemap"
_SLOT_ORDER = tuple(Slot)


def compose_style(
    catalogue: Catalogue,
    city_map: MapDefinition,
    viewer: Viewer,
    language: Language,
    *,
    tilejson_url: str,
    sprite_url: str,
) -> dict[str, Any]:
    """Return the MapLibre style (version 8) of a map.

    Style layers are named ``<layer>.<style id>`` and stand by slot first (ground, area, line,
    point, label), then in the map's order from bottom to top. No glyphs are named: the front end
    draws text from local fonts.

    Raises:
        DefinitionError: If a style entry's short form names what its layer does not have.
    """
    drawn: list[tuple[int, dict[str, Any]]] = []
    for entry in city_map.layers:
        layer = catalogue.layer(entry.layer)
        if not may_know(layer, viewer):
            continue
        for part in layer.style:
            composed = _style_layer(catalogue, layer, entry, part, language)
            if composed is not None:
                drawn.append((_SLOT_ORDER.index(part.slot), composed))
    drawn.sort(key=lambda pair: pair[0])
    background = {
        "id": "background",
        "type": "background",
        "paint": {"background-color": city_map.background},
    }
    title = city_map.title.zh if language is Language.CHINESE else city_map.title.en
    if language is Language.BOTH:
        title = f"{city_map.title.zh} / {city_map.title.en}"
    return {
        "version": 8,
        "name": title,
        "metadata": {"onemap:map": city_map.name, "onemap:lang": language.value},
        "center": list(city_map.center),
        "zoom": city_map.zoom,
        "sources": {SOURCE: {"type": "vector", "url": tilejson_url}},
        "sprite": sprite_url,
        "layers": [background, *(composed for _, composed in drawn)],
    }


def compose_layer_style(
    catalogue: Catalogue,
    layer: LayerDefinition,
    language: Language,
    *,
    tiles_url: str,
    sprite_url: str,
    bounds: BBox | None,
) -> dict[str, Any]:
    """Return the MapLibre style of one layer alone, to be laid over any map.

    Args:
        catalogue: The definitions.
        layer: The layer.
        language: Language of names.
        tiles_url: Template of its tiles' address, with ``{z}``, ``{x}`` and ``{y}``.
        sprite_url: Address of the icons.
        bounds: West, south, east, north in degrees of its features: elsewhere it has no tiles.

    Raises:
        DefinitionError: If a style entry's short form names what the layer does not have.
    """
    entry = MapLayer(layer=layer.name)
    parts = sorted(layer.style, key=lambda part: _SLOT_ORDER.index(part.slot))
    composed = (_style_layer(catalogue, layer, entry, part, language) for part in parts)
    tileset = layer_tiles(layer)
    source = {
        "type": "vector",
        "tiles": [tiles_url],
        "minzoom": tileset.min_zoom,
        "maxzoom": tileset.max_zoom,
        **({"bounds": list(bounds)} if bounds is not None else {}),
    }
    title = layer.title.zh if language is Language.CHINESE else layer.title.en
    if language is Language.BOTH:
        title = f"{layer.title.zh} / {layer.title.en}"
    return {
        "version": 8,
        "name": title,
        "metadata": {"onemap:layer": layer.name, "onemap:lang": language.value},
        "sources": {SOURCE: source},
        "sprite": sprite_url,
        "layers": [part for part in composed if part is not None],
    }


def style_layer_id(layer: LayerDefinition, part: StyleLayer) -> str:
    """Return the id of a style layer within a map's style."""
    return f"{layer.name}.{part.id}"


def _style_layer(
    catalogue: Catalogue,
    layer: LayerDefinition,
    entry: MapLayer,
    part: StyleLayer,
    language: Language,
) -> dict[str, Any] | None:
    lowest = layer.tiles.min_zoom if entry.min_zoom is None else entry.min_zoom
    min_zoom = max(lowest, part.min_zoom or 0)
    # A map's deepest zoom is still drawn, MapLibre's "maxzoom" no more.
    deepest = None if entry.max_zoom is None else entry.max_zoom + 1
    limits = [zoom for zoom in (part.max_zoom, deepest) if zoom is not None]
    if limits and min(limits) <= min_zoom:
        return None
    layout = expand(part.layout, layer, catalogue, language)
    layout["visibility"] = "visible" if entry.visible else "none"
    composed = {
        "id": style_layer_id(layer, part),
        "type": part.type,
        "source": SOURCE,
        "source-layer": layer.name,
        "metadata": {"onemap:layer": layer.name},
        "minzoom": min_zoom,
        "layout": layout,
        "paint": expand(part.paint, layer, catalogue, language),
    }
    if limits:
        composed["maxzoom"] = min(limits)
    if part.filter is not None:
        composed["filter"] = expand(part.filter, layer, catalogue, language)
    return composed


def used_icons(style: dict[str, Any]) -> Iterator[str]:
    """Yield the name of every image that a composed style can draw."""
    for entry in style["layers"]:
        yield from images_in(entry.get("layout", {}).get("icon-image"))
        for name in ("fill-pattern", "line-pattern", "fill-extrusion-pattern"):
            yield from images_in(entry.get("paint", {}).get(name))
