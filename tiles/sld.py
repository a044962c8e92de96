"""Styles for desktop programs: OGC Styled Layer Descriptor 1.0 (02-070) and 1.1 (05-078r4).

A style layer becomes rules: one a class of the field that it tells apart, each with its filter and
scales. What varies with the zoom is drawn as at one zoom, ``LEGEND_ZOOM`` or the nearest at which
the style layer is drawn: SLD knows steps of scale only, and a rule for each would fill legends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Comment, Element, SubElement, register_namespace, tostring

from layers.catalogue import Catalogue
from layers.definition import Bilingual, LayerDefinition, Slot, StyleLayer
from tiles.sld_filters import (
    OGC,
    Untranslatable,
    both,
    condition_of,
    is_none_of,
    is_one_of,
    ogc_filter,
)
from tiles.sld_symbols import SE, SLD, SLD_10, XLINK, Dialect, Drawer
from tiles.style_evaluation import NotEvaluable, classes_of, evaluate
from tiles.style_values import LEGEND_ZOOM, Language, expand

for _prefix, _address in (("sld", SLD), ("se", SE), ("ogc", OGC), ("xlink", XLINK)):
    register_namespace(_prefix, _address)

#: Scale denominator of MapLibre's zoom 0 at the equator: tiles of 512 pixels of 0.28 mm.
_SCALE_0 = 559_082_264.0287178 / 2
_DEEPEST = 24.0
_SLOTS = tuple(Slot)


@dataclass(frozen=True)
class LayerStylesheet:
    """The style of one layer as rules."""

    layer: LayerDefinition
    styles: tuple[Element, ...]
    #: Ids of style layers that SLD cannot say, with the reason.
    left_out: tuple[tuple[str, str], ...]


def layer_stylesheet(
    layer: LayerDefinition, catalogue: Catalogue, drawer: Drawer
) -> LayerStylesheet:
    """Return a layer's style as elements ``FeatureTypeStyle``, the lowest drawn first."""
    styles: list[Element] = []
    left_out: list[tuple[str, str]] = []
    for part in sorted(layer.style, key=lambda entry: _SLOTS.index(entry.slot)):
        try:
            styles.append(_feature_type_style(layer, part, catalogue, drawer))
        except (Untranslatable, NotEvaluable) as error:
            left_out.append((part.id, str(error)))
    return LayerStylesheet(layer, tuple(styles), tuple(left_out))


def write_sld(
    name: str, title: Bilingual, sheets: Sequence[LayerStylesheet], dialect: Dialect
) -> bytes:
    """Return a whole document.

    Args:
        name: The style's id.
        title: Its title.
        sheets: The styles of its layers, from bottom to top, made in the same dialect.
        dialect: The version to write.
    """
    root = Element(f"{{{SLD}}}StyledLayerDescriptor", {"version": dialect.version})
    for sheet in sheets:
        named = SubElement(root, f"{{{SLD}}}NamedLayer")
        SubElement(named, dialect.tag("Name")).text = sheet.layer.name
        for part, reason in sheet.left_out:
            text = f" {part}: SLD cannot say {reason} ".replace("--", "- -")
            named.append(Comment(text))
        style = SubElement(named, f"{{{SLD}}}UserStyle")
        SubElement(style, dialect.tag("Name")).text = name
        _title(style, title, dialect)
        SubElement(style, f"{{{SLD}}}IsDefault").text = "1"
        style.extend(sheet.styles)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _title(parent: Element, title: Bilingual, dialect: Dialect) -> None:
    holder = parent
    if dialect is not SLD_10:
        holder = SubElement(parent, dialect.tag("Description"))
    SubElement(holder, dialect.tag("Title")).text = f"{title.zh} / {title.en}"


def _feature_type_style(
    layer: LayerDefinition, part: StyleLayer, catalogue: Catalogue, drawer: Drawer
) -> Element:
    tag = drawer.dialect.tag
    element = Element(tag("FeatureTypeStyle"))
    SubElement(element, tag("Name")).text = part.id
    SubElement(element, tag("FeatureTypeName")).text = layer.name
    element.extend(_rules(layer, part, catalogue, drawer))
    return element


def _rules(
    layer: LayerDefinition, part: StyleLayer, catalogue: Catalogue, drawer: Drawer
) -> list[Element]:
    lowest = max(float(layer.tiles.min_zoom), part.min_zoom or 0.0)
    deepest = _DEEPEST if part.max_zoom is None else part.max_zoom
    zoom = min(max(lowest, float(LEGEND_ZOOM)), deepest)
    paint, layout = (
        expand(side, layer, catalogue, Language.CHINESE) for side in (part.paint, part.layout)
    )
    label, later = _label(layout.pop("text-field", None))
    base = (
        [condition_of(expand(part.filter, layer, catalogue, Language.CHINESE))]
        if part.filter
        else []
    )
    field, classes = _classes(paint, layout, zoom)
    rules = []
    for values, drawn in classes:
        title = _class_title(layer, part, catalogue, field, values)
        conditions = list(base)
        if field is not None and values is not None:
            conditions.append(is_one_of(field, values))
        elif field is not None:
            others = [value for listed, _ in classes if listed is not None for value in listed]
            conditions.append(is_none_of(field, others))
        symbols = drawer.symbolizers(part.type, drawn[0], drawn[1], label)
        rules.append(_rule(part, title, conditions, (lowest, deepest), symbols, drawer.dialect))
    if later is not None:
        zooms = (max(lowest, later[0]), deepest)
        paint, layout = _drawn(paint, {**layout, "icon-image": None}, {}, zooms[0])
        symbols = drawer.symbolizers(part.type, paint, layout, later[1])
        rules.append(_rule(part, part.legend or layer.title, base, zooms, symbols, drawer.dialect))
    return rules


def _label(text: Any) -> tuple[Any, tuple[float, Any] | None]:
    """Return a style layer's label; one that begins at a zoom of its own apart, with that zoom."""
    if isinstance(text, list) and text[:2] == ["step", ["zoom"]] and text[2] == "":
        return None, (float(text[-2]), text[-1])
    return text, None


def _rule(
    part: StyleLayer,
    title: Bilingual,
    conditions: list[Element],
    zooms: tuple[float, float],
    symbols: list[Element],
    dialect: Dialect,
) -> Element:
    rule = Element(dialect.tag("Rule"))
    SubElement(rule, dialect.tag("Name")).text = part.id
    _title(rule, title, dialect)
    if conditions:
        rule.append(ogc_filter(both(conditions)))
    lowest, deepest = zooms
    if deepest < _DEEPEST:
        SubElement(rule, dialect.tag("MinScaleDenominator")).text = f"{_SCALE_0 / 2**deepest:.0f}"
    if lowest > 0:
        SubElement(rule, dialect.tag("MaxScaleDenominator")).text = f"{_SCALE_0 / 2**lowest:.0f}"
    rule.extend(symbols)
    return rule


Drawn = tuple[dict[str, Any], dict[str, Any]]


def _classes(
    paint: Mapping[str, Any], layout: Mapping[str, Any], zoom: float
) -> tuple[str | None, list[tuple[tuple[Any, ...] | None, Drawn]]]:
    """Return the field that a style layer tells classes by, and how each class is drawn.

    Values that are drawn alike are one class; the last class is that of all other values. Where
    several fields are told apart, only the first is: the others count as missing.
    """
    told = list(classes_of([_seen(paint), _seen(layout)]))
    field = told[0][0] if told else None
    groups: list[tuple[list[Any], Drawn]] = []
    for name, value in dict.fromkeys((name, value) for name, value in told):
        if name != field:
            continue
        drawn = _drawn(paint, layout, {name: value}, zoom)
        for values, like in groups:
            if like == drawn:
                values.append(value)
                break
        else:
            groups.append(([value], drawn))
    rest = _drawn(paint, layout, {}, zoom)
    return field, [*((tuple(values), drawn) for values, drawn in groups), (None, rest)]


def _seen(values: Mapping[str, Any]) -> list[Any]:
    """Return what of a style layer can be seen in a single feature."""
    return [value for name, value in values.items() if not name.endswith("-sort-key")]


def _drawn(
    paint: Mapping[str, Any], layout: Mapping[str, Any], attributes: dict[str, Any], zoom: float
) -> Drawn:
    first, second = (
        {
            name: evaluate(value, attributes, zoom)
            for name, value in side.items()
            if name not in _UNSAID
        }
        for side in (paint, layout)
    )
    return first, second


#: What has no counterpart, and often an expression of its own.
_UNSAID = frozenset(
    {"fill-extrusion-height", "fill-extrusion-base", "line-sort-key", "circle-sort-key",
     "symbol-sort-key", "text-rotate", "icon-opacity"}
)  # fmt: skip


def _class_title(
    layer: LayerDefinition,
    part: StyleLayer,
    catalogue: Catalogue,
    field: str | None,
    values: tuple[Any, ...] | None,
) -> Bilingual:
    title = part.legend or layer.title
    if field is None:
        return title
    if values is None:
        return Bilingual(zh=f"{title.zh}：其他", en=f"{title.en}: others")
    codes = layer.field(field).codes
    known = catalogue.code_list(codes).codes if codes else {}
    # The first code of a colour is the one that others have it from.
    first = known.get(str(values[0]))
    return (
        Bilingual(zh=first.name_zh, en=first.name_en)
        if first
        else Bilingual(zh=str(values[0]), en=str(values[0]))
    )
