"""Which attributes a layer's features carry in tiles."""

from collections.abc import Iterator
from typing import Any

from layers.definition import LayerDefinition


def tile_fields(layer: LayerDefinition, z: int) -> tuple[str, ...]:
    """Return the attributes that a layer's features carry in tiles of zoom ``z``.

    These are the fields its definition names for tiles and those that its style draws by, each
    from its own zoom, and from ``tiles.detail_zoom`` the business key. The rest comes by the
    feature's id.
    """
    names = [*layer.tiles.fields, *used_fields(layer)]
    if z >= layer.tiles.detail_zoom:
        names = [*layer.key, *names]
    zooms = layer.tiles.field_zooms
    return tuple(dict.fromkeys(name for name in names if z >= zooms.get(name, 0)))


def used_fields(layer: LayerDefinition) -> tuple[str, ...]:
    """Return the fields that a layer's style draws by, in the order of the definition."""
    used: set[str] = set()
    for entry in layer.style:
        for part in (entry.paint, entry.layout, entry.filter):
            used.update(_fields_in(part, layer))
    return tuple(name for name in layer.field_names if name in used)


def code_color_field(value: object) -> str | None:
    """Return the field of a ``{code_color: FIELD}``, or ``None`` for any other value."""
    if isinstance(value, dict) and set(value) == {"code_color"}:
        return str(value["code_color"])
    return None


def is_label(value: object) -> bool:
    """Tell whether a value is ``{label: true}``."""
    return isinstance(value, dict) and value == {"label": True}


def _fields_in(value: Any, layer: LayerDefinition) -> Iterator[str]:
    field = code_color_field(value)
    if field is not None:
        yield field
    elif is_label(value) and layer.label is not None:
        yield layer.label.zh
        if layer.label.en is not None:
            yield layer.label.en
    elif isinstance(value, dict):
        for part in value.values():
            yield from _fields_in(part, layer)
    elif isinstance(value, list):
        if len(value) == 2 and value[0] in ("get", "has") and isinstance(value[1], str):
            yield value[1]
        for part in value:
            yield from _fields_in(part, layer)
