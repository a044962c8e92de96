"""The short forms and expressions that stand for values in a layer's style entries."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from layers.catalogue import Catalogue
from layers.code_list import CodeList
from layers.definition import FieldType, LayerDefinition
from layers.errors import DefinitionError
from layers.tile_fields import code_color_field, is_label

#: Colour of a value that its code list gives no colour.
UNCODED_COLOR = "#b9b7b1"
#: Zoom at which a legend shows what varies with the zoom.
LEGEND_ZOOM = 14
#: Size of the English line under a Chinese name, as a part of the Chinese one.
_SECOND_LINE_SCALE = 0.78


class Language(StrEnum):
    """The languages that names on a map can be in."""

    CHINESE = "zh"
    ENGLISH = "en"
    BOTH = "both"


def expand(value: Any, layer: LayerDefinition, catalogue: Catalogue, language: Language) -> Any:
    """Return a style value with every short form written out.

    Raises:
        DefinitionError: If a short form names what the layer does not have.
    """
    field = code_color_field(value)
    if field is not None:
        return _code_color(field, layer, catalogue)
    if is_label(value):
        return _label(layer, language)
    if isinstance(value, dict):
        return {key: expand(part, layer, catalogue, language) for key, part in value.items()}
    if isinstance(value, list):
        return [expand(part, layer, catalogue, language) for part in value]
    return value


def coded_list(field: str, layer: LayerDefinition, catalogue: Catalogue) -> CodeList:
    """Return the code list of a field.

    Raises:
        DefinitionError: If the field is not there or has no code list.
    """
    if field not in layer.field_names:
        raise DefinitionError(f"{layer.name}: the style names the field '{field}', not defined")
    codes = layer.field(field).codes
    if codes is None:
        raise DefinitionError(f"{layer.name}: the style colours by '{field}', which has no codes")
    return catalogue.code_list(codes)


def code_value(code: str, field: str, layer: LayerDefinition) -> str | int:
    """Return a code as the value that a feature's attribute has."""
    return int(code) if layer.field(field).type is FieldType.INTEGER else code


def _code_color(field: str, layer: LayerDefinition, catalogue: Catalogue) -> Any:
    listed = coded_list(field, layer, catalogue)
    by_color: dict[str, list[str | int]] = {}
    for code in listed.codes:
        color = listed.color(code)
        if color is not None:
            by_color.setdefault(color, []).append(code_value(code, field, layer))
    if not by_color:
        return UNCODED_COLOR
    arms = [part for color, codes in by_color.items() for part in (codes, color)]
    return ["match", ["get", field], *arms, UNCODED_COLOR]


def _label(layer: LayerDefinition, language: Language) -> Any:
    if layer.label is None:
        raise DefinitionError(f"{layer.name}: the style has 'label: true', the layer no label")
    chinese = ["coalesce", ["get", layer.label.zh], ""]
    if layer.label.en is None or language is Language.CHINESE:
        return chinese
    english = ["coalesce", ["get", layer.label.en], ""]
    has_english = ["!=", english, ""]
    if language is Language.ENGLISH:
        return ["case", has_english, english, chinese]
    second = {"font-scale": _SECOND_LINE_SCALE}
    return [
        "case",
        has_english,
        ["format", chinese, {}, "\n", {}, english, second],
        ["format", chinese, {}],
    ]


def images_in(value: Any) -> Iterator[str]:
    """Yield the names of images that an ``icon-image`` value can come to.

    Handles the forms that definitions use: a name, and ``match``, ``case``, ``step``, ``coalesce``
    and ``image`` of them.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value:
        for part in _outputs(value):
            yield from images_in(part)


def _outputs(expression: list[Any]) -> list[Any]:
    """Return the parts of an expression that can be its result."""
    name, arguments = expression[0], expression[1:]
    if name == "match":
        return [*arguments[2:-1:2], arguments[-1]]
    if name == "case":
        return [*arguments[1:-1:2], arguments[-1]]
    if name == "step":
        return arguments[1::2]
    if name == "interpolate":
        return arguments[3::2]
    if name in ("coalesce", "image"):
        return arguments
    return []


def representative(value: Any) -> Any:
    """Return one plain value for a style value: what is drawn at ``LEGEND_ZOOM``, or usually."""
    while isinstance(value, list) and value and isinstance(value[0], str):
        outputs = _outputs(value)
        if not outputs:
            return None
        value = outputs[_output_at(value, outputs)]
    return value


def _output_at(expression: list[Any], outputs: list[Any]) -> int:
    """Return which output holds at ``LEGEND_ZOOM``; of an expression without zooms, the last."""
    if expression[0] == "interpolate" and expression[2] == ["zoom"]:
        stops = expression[3::2]
    elif expression[0] == "step" and expression[1] == ["zoom"]:
        stops = [0, *expression[3::2]]
    else:
        return len(outputs) - 1
    passed = sum(1 for stop in stops if stop <= LEGEND_ZOOM)
    return max(0, passed - 1)
