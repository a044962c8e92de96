"""What MapLibre expressions come to for one feature at one zoom.

Covers what definitions use (MapLibre style specification, Expressions). A feature's attributes that
are not given count as missing.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: Key under which attributes tell what kind of geometry a feature has.
GEOMETRY_TYPE = "$type"
#: Operators of two values, or of values and a missing one, which gives nothing.
_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NotEvaluable(Exception):
    """An expression uses what this module does not know."""


def evaluate(expression: Any, attributes: Mapping[str, Any], zoom: float) -> Any:
    """Return the value of a style expression.

    Args:
        expression: A plain value, or an expression with every short form written out.
        attributes: Field → value of the feature.
        zoom: The zoom it is drawn at.

    Raises:
        NotEvaluable: If an operator is not known here, or its values do not suit it.
    """
    if not isinstance(expression, list) or not expression or not isinstance(expression[0], str):
        return expression
    name, arguments = expression[0], expression[1:]
    if name not in _FORMS and name not in _OPERATORS:
        if all(isinstance(part, str) for part in expression):
            # A list of names, such as fonts.
            return expression
        raise NotEvaluable(f"the operator '{name}' is not known here")
    try:
        form = _FORMS.get(name)
        if form is not None:
            return form(arguments, attributes, zoom)
        values = [evaluate(argument, attributes, zoom) for argument in arguments]
        return _plain(name, values)
    except (TypeError, ValueError, ZeroDivisionError, IndexError) as error:
        raise NotEvaluable(f"'{name}' cannot be worked out") from error


def classes_of(expression: Any) -> Iterator[tuple[str, Any]]:
    """Yield each field, and each value of it, that a ``match`` within an expression tells apart."""
    if isinstance(expression, dict):
        expression = list(expression.values())
    if not isinstance(expression, list):
        return
    if expression[:1] == ["match"] and _is_get(expression[1]):
        for label in expression[2:-1:2]:
            for value in label if isinstance(label, list) else [label]:
                yield expression[1][1], value
    for part in expression:
        yield from classes_of(part)


def _is_get(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and value[0] == "get"


def _plain(name: str, values: list[Any]) -> Any:
    if name in _ARITHMETIC:
        if len(values) == 1:
            return -values[0]
        result = values[0]
        for value in values[1:]:
            result = _ARITHMETIC[name](result, value)
        return result
    if name in _COMPARISONS:
        return None not in values and _COMPARISONS[name](values[0], values[1])
    return _SIMPLE[name](values)


def _match(arguments: list[Any], attributes: Mapping[str, Any], zoom: float) -> Any:
    value = evaluate(arguments[0], attributes, zoom)
    for label, result in zip(arguments[1:-1:2], arguments[2:-1:2], strict=True):
        if value in (label if isinstance(label, list) else [label]):
            return evaluate(result, attributes, zoom)
    return evaluate(arguments[-1], attributes, zoom)


def _case(arguments: list[Any], attributes: Mapping[str, Any], zoom: float) -> Any:
    for condition, result in zip(arguments[:-1:2], arguments[1::2], strict=False):
        if evaluate(condition, attributes, zoom) is True:
            return evaluate(result, attributes, zoom)
    return evaluate(arguments[-1], attributes, zoom)


def _step(arguments: list[Any], attributes: Mapping[str, Any], zoom: float) -> Any:
    value = evaluate(arguments[0], attributes, zoom)
    chosen = arguments[1]
    for stop, result in zip(arguments[2::2], arguments[3::2], strict=True):
        if value is not None and value >= stop:
            chosen = result
    return evaluate(chosen, attributes, zoom)


def _interpolate(arguments: list[Any], attributes: Mapping[str, Any], zoom: float) -> Any:
    curve, at = arguments[0], evaluate(arguments[1], attributes, zoom)
    stops, results = arguments[2::2], arguments[3::2]
    if at is None or at <= stops[0]:
        return evaluate(results[0], attributes, zoom)
    if at >= stops[-1]:
        return evaluate(results[-1], attributes, zoom)
    above = next(place for place, stop in enumerate(stops) if stop > at)
    low, high = (evaluate(results[place], attributes, zoom) for place in (above - 1, above))
    if not _is_number(low) or not _is_number(high):
        # Colours between two stops: that of the lower.
        return low
    share = _share(curve, at - stops[above - 1], stops[above] - stops[above - 1])
    return low + (high - low) * share


def _geometry_type(_arguments: list[Any], attributes: Mapping[str, Any], _zoom: float) -> Any:
    if GEOMETRY_TYPE not in attributes:
        raise NotEvaluable("the kind of geometry is not known")
    return attributes[GEOMETRY_TYPE]


def _share(curve: list[Any], done: float, whole: float) -> float:
    base = float(curve[1]) if curve[0] == "exponential" else 1.0
    if base == 1.0:
        return done / whole
    return float((base**done - 1) / (base**whole - 1))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SIMPLE: Mapping[str, Callable[[list[Any]], Any]] = {
    "==": lambda values: values[0] == values[1],
    "!=": lambda values: values[0] != values[1],
    "!": lambda values: not values[0],
    "all": all,
    "any": any,
    "in": lambda values: values[0] in (values[1] or ()),
    "round": lambda values: round(values[0]),
    "to-string": lambda values: "" if values[0] is None else str(values[0]),
    "to-number": lambda values: float(values[0]),
    "concat": lambda values: "".join("" if value is None else str(value) for value in values),
    "coalesce": lambda values: next((value for value in values if value is not None), None),
    "image": lambda values: values[0],
    "slice": lambda values: values[0][slice(*(int(value) for value in values[1:]))],
}
_OPERATORS = frozenset({*_SIMPLE, *_ARITHMETIC, *_COMPARISONS})
_FORMS: Mapping[str, Callable[[list[Any], Mapping[str, Any], float], Any]] = {
    "literal": lambda arguments, _attributes, _zoom: arguments[0],
    "get": lambda arguments, attributes, _zoom: attributes.get(arguments[0]),
    "has": lambda arguments, attributes, _zoom: attributes.get(arguments[0]) is not None,
    "zoom": lambda _arguments, _attributes, zoom: zoom,
    "geometry-type": _geometry_type,
    "format": lambda arguments, attributes, zoom: "".join(
        str(evaluate(part, attributes, zoom)) for part in arguments if not isinstance(part, dict)
    ),
    "match": _match,
    "case": _case,
    "step": _step,
    "interpolate": _interpolate,
}
