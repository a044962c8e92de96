"""Legends: what the signs of a layer on a map mean, read off its style entries."""

from typing import Any

from layers.catalogue import Catalogue
from layers.code_list import CodeList
from layers.definition import Bilingual, LayerDefinition, Slot, StyleLayer
from layers.tile_fields import code_color_field
from tiles.style_values import Language, coded_list, expand, representative

#: MapLibre style layer type → legend kind and the paint property that classifies.
_KINDS = {
    "fill": ("fill", "fill-color"),
    "line": ("line", "line-color"),
    "circle": ("circle", "circle-color"),
    "fill-extrusion": ("extrusion", "fill-extrusion-color"),
    "heatmap": ("circle", "heatmap-color"),
}
#: Legend entry → the paint property it shows, by style layer type.
_DETAILS = {
    "fill": {"outline": "fill-outline-color", "opacity": "fill-opacity"},
    "line": {"width": "line-width", "dash": "line-dasharray", "opacity": "line-opacity"},
    "circle": {
        "outline": "circle-stroke-color",
        "width": "circle-radius",
        "opacity": "circle-opacity",
    },
    "fill-extrusion": {"opacity": "fill-extrusion-opacity"},
}
_FALLBACK_COLOR = "#888888"
Entry = dict[str, Any]


def layer_legend(layer: LayerDefinition, catalogue: Catalogue) -> list[Entry]:
    """Return the legend of a layer, in the order of its style entries.

    Each entry has ``title`` (zh, en), ``kind`` (fill, line, circle, icon or extrusion) and what
    its sign looks like: ``color``, ``outline``, ``width``, ``dash``, ``opacity``, ``icon``;
    ``code`` where a code list classifies the layer.
    """
    entries: list[Entry] = []
    for part in layer.style:
        if part.in_legend and part.slot is not Slot.LABEL:
            entries.extend(_entries(part, layer, catalogue))
    return entries


def _entries(part: StyleLayer, layer: LayerDefinition, catalogue: Catalogue) -> list[Entry]:
    title = part.legend or layer.title
    if part.type == "symbol":
        icon = part.layout.get("icon-image")
        if icon is None:
            return []
        return _classified({"kind": "icon"}, "icon", icon, title, layer, catalogue)
    kind, property_name = _KINDS[part.type]
    entry = {"kind": kind, **_details(part)}
    value = part.paint.get(property_name, _FALLBACK_COLOR)
    field = code_color_field(value)
    if field is not None:
        return [
            {**entry, "title": _texts(code.name_zh, code.name_en), "color": color, "code": name}
            for name, color, code in _colored_codes(coded_list(field, layer, catalogue))
        ]
    return _classified(entry, "color", value, title, layer, catalogue)


def _details(part: StyleLayer) -> Entry:
    details: Entry = {}
    for name, property_name in _DETAILS.get(part.type, {}).items():
        value = part.paint.get(property_name)
        if name != "dash":
            value = representative(value)
        if value is not None and not isinstance(value, dict):
            details[name] = value
    return details


def _colored_codes(codes: CodeList) -> list[tuple[str, str, Any]]:
    """Return the codes that have a colour of their own, not their parent's."""
    return [(name, code.color, code) for name, code in codes.codes.items() if code.color]


def _classified(
    entry: Entry,
    shown: str,
    value: Any,
    title: Bilingual,
    layer: LayerDefinition,
    catalogue: Catalogue,
) -> list[Entry]:
    """Return an entry for each arm of a ``match`` on a coded field, or one for all."""
    single = {**entry, "title": title.model_dump(), shown: _shown(value, layer, catalogue)}
    arms = _coded_arms(value, layer)
    if arms is None:
        return [single]
    field, pairs = arms
    codes = coded_list(field, layer, catalogue).codes
    entries = []
    for labels, output in pairs:
        known = [codes[str(label)] for label in labels if str(label) in codes]
        if known:
            # Codes with one sign share one entry, under the first code's name.
            name = _texts(
                "、".join(code.name_zh for code in known), ", ".join(code.name_en for code in known)
            )
            sign = _shown(output, layer, catalogue)
            entries.append({**entry, "title": name, shown: sign, "code": known[0].code})
    return entries or [single]


def _coded_arms(
    value: Any, layer: LayerDefinition
) -> tuple[str, list[tuple[list[Any], Any]]] | None:
    is_match = isinstance(value, list) and len(value) >= 5 and value[0] == "match"
    if not is_match or not (isinstance(value[1], list) and value[1][:1] == ["get"]):
        return None
    field = str(value[1][1])
    if field not in layer.field_names or layer.field(field).codes is None:
        return None
    arms = zip(value[2:-1:2], value[3:-1:2], strict=True)
    return field, [(label if isinstance(label, list) else [label], out) for label, out in arms]


def _shown(value: Any, layer: LayerDefinition, catalogue: Catalogue) -> Any:
    plain = representative(expand(value, layer, catalogue, Language.CHINESE))
    return _FALLBACK_COLOR if plain is None else plain


def _texts(zh: str, en: str) -> dict[str, str]:
    return {"zh": zh, "en": en}
