"""Style values worked out for many features, each different case once."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PIL import ImageColor

from tiles.style_evaluation import GEOMETRY_TYPE, NotEvaluable, evaluate

#: Red, green, blue and opacity, each from 0 to 1 times 255.
Color = tuple[int, int, int, int]
_RGB = re.compile(r"rgba?\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*(?:,\s*([\d.]+)\s*)?\)")
_UNKNOWN: Color = (0, 0, 0, 255)
_MISSING = object()


class StyleValue:
    """One property of a style layer at one zoom.

    Args:
        expression: A plain value or an expression.
        zoom: MapLibre's zoom.
        usual: What holds where the style says nothing, or nothing that can be worked out.
    """

    def __init__(self, expression: Any, zoom: float, usual: Any = None) -> None:
        self._expression = expression
        self._zoom = zoom
        self._usual = usual
        self._fields = tuple(sorted(set(_fields_in(expression))))
        self._known: dict[tuple[Any, ...], Any] = {}
        if not self._fields:
            self._known[()] = self._evaluate({})

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for all features."""
        return not self._fields

    def of(self, attributes: Mapping[str, Any]) -> Any:
        """Return the value for a feature."""
        case = tuple(map(attributes.get, self._fields))
        value = self._known.get(case, _MISSING)
        if value is _MISSING:
            value = self._known[case] = self._evaluate(attributes)
        return value

    def _evaluate(self, attributes: Mapping[str, Any]) -> Any:
        if self._expression is None:
            return self._usual
        try:
            value = evaluate(self._expression, {GEOMETRY_TYPE: None, **attributes}, self._zoom)
        except NotEvaluable:
            return self._usual
        return self._usual if value is None else value


def _fields_in(expression: Any) -> list[str]:
    if not isinstance(expression, list) or not expression:
        return []
    if expression[0] in ("get", "has") and len(expression) == 2:
        return [str(expression[1])]
    if expression == ["geometry-type"]:
        return [GEOMETRY_TYPE]
    return [name for part in expression for name in _fields_in(part)]


@lru_cache(maxsize=4096)
def read_color(text: str) -> Color:
    """Return a CSS colour; black where it cannot be read."""
    match = _RGB.fullmatch(text.strip())
    if match:
        red, green, blue = (round(float(part)) for part in match.groups()[:3])
        return (red, green, blue, round(255 * float(match[4] or 1)))
    try:
        found = ImageColor.getrgb(text)
    except ValueError:
        return _UNKNOWN
    return (*found[:3], found[3] if len(found) == 4 else 255)


def with_opacity(color: Color, opacity: float) -> Color:
    """Return a colour with its opacity lessened."""
    return (*color[:3], round(color[3] * max(0.0, min(float(opacity), 1.0))))
