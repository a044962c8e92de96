"""Arithmetic within filters.

Whole numbers are computed exactly (``numeric``), others in 64 bits. What has no result, such as a
division by zero, is unknown, and so fulfils no condition.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Double, Numeric, and_, case, cast, func

from layers.errors import InvalidValue
from layers.filter_values import Kind, Part, Value

_Sql = ColumnElement[Any]


def _quotient(left: _Sql, right: _Sql) -> _Sql:
    return left / func.nullif(right, 0)


def _whole_quotient(left: _Sql, right: _Sql) -> _Sql:
    return func.trunc(_quotient(left, right))


def power(base: _Sql, exponent: _Sql) -> _Sql:
    """Return a power of 64 bits; of what has none, null."""
    impossible = and_(base == 0, exponent < 0) | and_(base < 0, exponent != func.trunc(exponent))
    # Not the other way round: without a base there is no power either.
    return case((~impossible, func.power(base, exponent)), else_=None)


#: Operator → result of numbers of 64 bits, and of whole numbers where that is whole.
_FLOATING: Mapping[str, Callable[[_Sql, _Sql], _Sql]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _quotient,
    "div": _whole_quotient,
    "%": lambda left, right: left - right * _whole_quotient(left, right),
    "^": power,
}
_WHOLE: Mapping[str, Callable[[_Sql, _Sql], _Sql]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "div": lambda left, right: func.div(left, func.nullif(right, 0)),
    "%": lambda left, right: func.mod(left, func.nullif(right, 0)),
}
ARITHMETIC = tuple(_FLOATING)


def computed(operation: str, left: Part, right: Part) -> Value:
    """Return the result of an operation.

    Args:
        operation: One of ``ARITHMETIC``.
        left: A number.
        right: Likewise.

    Raises:
        InvalidValue: If one is none.
    """
    first, second = (_number(operation, part) for part in (left, right))
    name = f"'{operation}'"
    if first.whole and second.whole and operation in _WHOLE:
        sides = (cast(first.sql, Numeric), cast(second.sql, Numeric))
        return Value(Kind.NUMBER, cast(_WHOLE[operation](*sides), Numeric), name, whole=True)
    sides = (cast(first.sql, Double), cast(second.sql, Double))
    return Value(Kind.NUMBER, cast(_FLOATING[operation](*sides), Double), name)


def _number(operation: str, part: Part) -> Value:
    if not isinstance(part, Value) or part.kind is not Kind.NUMBER:
        name = part.shown if isinstance(part, Value) else "what is no value"
        raise InvalidValue(f"filter: '{operation}' is for numbers, and {name} is none")
    return part
