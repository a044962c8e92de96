"""Conditions of MapLibre styles as OGC filters (OGC 02-059), as SLD has them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from tiles.style_evaluation import NotEvaluable, evaluate

OGC = "http://www.opengis.net/ogc"
_COMPARISONS: Mapping[str, str] = {
    "==": "PropertyIsEqualTo",
    "!=": "PropertyIsNotEqualTo",
    "<": "PropertyIsLessThan",
    "<=": "PropertyIsLessThanOrEqualTo",
    ">": "PropertyIsGreaterThan",
    ">=": "PropertyIsGreaterThanOrEqualTo",
}
_OPPOSITES: Mapping[str, str] = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">",
}  # fmt: skip
_ARITHMETIC: Mapping[str, str] = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div"}


class Untranslatable(Exception):
    """A condition says what OGC filters cannot."""


def ogc_filter(condition: Element) -> Element:
    """Return a whole filter of a condition."""
    whole = Element(f"{{{OGC}}}Filter")
    whole.append(condition)
    return whole


def condition_of(expression: Any) -> Element:
    """Return a MapLibre condition as an OGC one.

    Raises:
        Untranslatable: If OGC filters cannot say it.
    """
    if not isinstance(expression, list) or not expression:
        raise Untranslatable(f"{expression!r} is no condition")
    name, arguments = expression[0], expression[1:]
    if name in _COMPARISONS:
        return _compared(name, *arguments)
    translate = _CONDITIONS.get(name)
    if translate is None:
        raise Untranslatable(f"the operator '{name}'")
    return translate(arguments)


def is_one_of(field: str, values: Iterable[Any]) -> Element:
    """Return the condition that a field has one of some values."""
    return either([_compared("==", ["get", field], value) for value in values])


def both(conditions: Sequence[Element]) -> Element:
    """Return the condition that all of some hold."""
    return _joined("And", conditions)


def either(conditions: Sequence[Element]) -> Element:
    """Return the condition that one of some holds."""
    return _joined("Or", conditions)


def is_none_of(field: str, values: Iterable[Any]) -> Element:
    """Return the condition that a field has none of some values, or none at all."""
    return both([_opposite("==", ["get", field], value) for value in values])


def opposite_of(expression: Any) -> Element:
    """Return the condition that a MapLibre condition does not hold.

    To MapLibre a comparison with a missing value does not hold, so its opposite does; to databases
    neither does. So the opposite is taken of each comparison, not of the whole.

    Raises:
        Untranslatable: If OGC filters cannot say it.
    """
    if not isinstance(expression, list) or not expression:
        raise Untranslatable(f"{expression!r} is no condition")
    name, arguments = expression[0], expression[1:]
    if name in _COMPARISONS:
        return _opposite(name, *arguments)
    if name == "!":
        return condition_of(arguments[0])
    if name == "has":
        return _is_null(arguments[0])
    if name == "in":
        value, listed = _listed(arguments)
        return both([_opposite("==", value, entry) for entry in listed])
    joined = {"all": either, "any": both}.get(name)
    if joined is None:
        raise Untranslatable(f"the operator '{name}'")
    return joined([opposite_of(part) for part in arguments])


def expression_of(expression: Any) -> Element:
    """Return a MapLibre expression as an OGC one.

    Raises:
        Untranslatable: If OGC filters cannot say it.
    """
    if not isinstance(expression, list):
        return literal(expression)
    name, arguments = expression[0], expression[1:]
    if name == "get":
        element = Element(f"{{{OGC}}}PropertyName")
        element.text = str(arguments[0])
        return element
    if name == "%" and len(arguments) == 2:
        # a % b = a − b · floor(a / b): the standard has no remainder.
        value, divisor = arguments
        whole = Element(f"{{{OGC}}}Function", {"name": "floor"})
        whole.append(expression_of(["/", value, divisor]))
        product = Element(f"{{{OGC}}}Mul")
        product.extend([expression_of(divisor), whole])
        element = Element(f"{{{OGC}}}Sub")
        element.extend([expression_of(value), product])
        return element
    if name in _ARITHMETIC and len(arguments) == 2:
        element = Element(f"{{{OGC}}}{_ARITHMETIC[name]}")
        element.extend(expression_of(argument) for argument in arguments)
        return element
    if name == "to-string" and len(arguments) == 1:
        return expression_of(arguments[0])
    raise Untranslatable(f"the expression '{name}'")


def literal(value: Any) -> Element:
    """Return a plain value."""
    if isinstance(value, bool):
        value = str(value).lower()
    element = Element(f"{{{OGC}}}Literal")
    element.text = str(value)
    return element


def _compared(name: str, left: Any, right: Any) -> Element:
    for side, other, turned in ((left, right, False), (right, left, True)):
        if _has_default(side) and len(side) == 3:
            return _with_default(name, side[1], side[2], other, turned=turned)
    element = Element(f"{{{OGC}}}{_COMPARISONS[name]}")
    element.extend([expression_of(left), expression_of(right)])
    return either([element, *_missing(left)]) if name == "!=" else element


def _opposite(name: str, left: Any, right: Any) -> Element:
    """Return the opposite of a comparison, which holds where the value is missing."""
    condition = _compared(_OPPOSITES[name], left, right)
    if name == "==" or _has_default(left) or _has_default(right):
        return condition
    return either([condition, *_missing(left)])


def _has_default(value: Any) -> bool:
    return isinstance(value, list) and value[:1] == ["coalesce"]


def _missing(value: Any) -> list[Element]:
    """Return the conditions that the fields of an expression have no value."""
    if not isinstance(value, list):
        return []
    if value[:1] == ["get"]:
        return [_is_null(value[1])]
    return [condition for part in value[1:] for condition in _missing(part)]


def _with_default(name: str, value: Any, default: Any, other: Any, *, turned: bool) -> Element:
    """Compare a field that has a default where it is missing."""
    if not (isinstance(value, list) and value[0] == "get") or isinstance(other, list):
        raise Untranslatable("a default within an expression")
    pair = (other, value) if turned else (value, other)
    defaulted = (other, default) if turned else (default, other)
    element = Element(f"{{{OGC}}}{_COMPARISONS[name]}")
    element.extend(expression_of(side) for side in pair)
    try:
        holds = evaluate([name, *defaulted], {}, 0)
    except NotEvaluable as error:
        raise Untranslatable(str(error)) from error
    return either([element, _is_null(value[1])]) if holds else element


def _is_null(field: str) -> Element:
    element = Element(f"{{{OGC}}}PropertyIsNull")
    SubElement(element, f"{{{OGC}}}PropertyName").text = field
    return element


def _contained(arguments: list[Any]) -> Element:
    value, listed = _listed(arguments)
    return either([_compared("==", value, entry) for entry in listed])


def _listed(arguments: list[Any]) -> tuple[Any, list[Any]]:
    value, listed = arguments
    if not isinstance(listed, list) or listed[:1] != ["literal"] or not listed[1]:
        raise Untranslatable("the operator 'in' without a list")
    return value, listed[1]


def _negated(condition: Element) -> Element:
    element = Element(f"{{{OGC}}}Not")
    element.append(condition)
    return element


def _joined(name: str, conditions: Sequence[Element]) -> Element:
    if len(conditions) == 1:
        return conditions[0]
    element = Element(f"{{{OGC}}}{name}")
    element.extend(conditions)
    return element


_CONDITIONS: Mapping[str, Callable[[list[Any]], Element]] = {
    "all": lambda arguments: both([condition_of(part) for part in arguments]),
    "any": lambda arguments: either([condition_of(part) for part in arguments]),
    "!": lambda arguments: opposite_of(arguments[0]),
    "has": lambda arguments: _negated(_is_null(arguments[0])),
    "in": _contained,
}
