"""The relations of arrays in filters; arrays are sets (OGC 21-065r2, 7.8)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from sqlalchemy import BigInteger, ColumnElement, Double, Numeric, Text, and_, cast
from sqlalchemy import literal as bound
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.types import TypeEngine

from layers.errors import InvalidValue
from layers.filter_values import SQL_TYPES, TIMES, Items, Kind, Part, Value, as_instant, shown

_Sql = ColumnElement[Any]


def _contains(left: _Sql, right: _Sql) -> ColumnElement[bool]:
    return left.bool_op("@>")(right)


def _contained(left: _Sql, right: _Sql) -> ColumnElement[bool]:
    return left.bool_op("<@")(right)


#: A field without a value is equal to no element.
ARRAYS: Mapping[str, Callable[[_Sql, _Sql], ColumnElement[bool]]] = {
    "a_containedby": _contained,
    "a_contains": _contains,
    "a_equals": lambda left, right: and_(_contains(left, right), _contained(left, right)),
    "a_overlaps": lambda left, right: left.bool_op("&&")(right),
}
# Arrays within arrays are compared as texts.
_TYPES: Mapping[Kind, TypeEngine[Any]] = {**SQL_TYPES, Kind.ARRAY: Text()}


def array_condition(operation: str, left: Part, right: Part) -> ColumnElement[bool]:
    """Return a relation as a condition.

    Args:
        operation: A key of ``ARRAYS``.
        left: An array.
        right: Likewise.

    Raises:
        InvalidValue: If one is none, or they hold what cannot be compared.
    """
    sides = (_elements(operation, left), _elements(operation, right))
    values = [value for side in sides if side is not None for value in side]
    kinds = {value.kind for value in values} | ({Kind.TEXT} if None in sides else set())
    kind = Kind.INSTANT if kinds == set(TIMES) else next(iter(kinds), Kind.TEXT)
    if kinds - {kind} and kinds != set(TIMES):
        raise InvalidValue(
            f"filter: '{operation}' takes arrays of one kind, not of {' and '.join(sorted(kinds))}"
        )
    if kind not in _TYPES:
        raise InvalidValue(f"filter: '{operation}' takes no arrays of {kind}")
    element = _TYPES[kind]
    if kind is Kind.NUMBER and all(value.whole for value in values):
        element = Numeric()
    return ARRAYS[operation](
        *(
            part.sql
            if elements is None and isinstance(part, Value)
            else _sql(elements or [], kind, element)
            for part, elements in zip((left, right), sides, strict=True)
        )
    )


def _elements(operation: str, part: Part) -> list[Value] | None:
    """Return what an array lists; ``None`` where a function makes it of the feature."""
    if isinstance(part, Value) and part.kind is Kind.ARRAY:
        return None
    if not isinstance(part, Items):
        raise InvalidValue(f"filter: '{operation}' takes arrays, such as ('a', 'b')")
    return [_element(operation, value) for value in part.values]


def _element(operation: str, part: Part) -> Value:
    if isinstance(part, Value):
        return part
    if isinstance(part, Items):
        text = orjson.dumps(_plain(operation, part)).decode()
        return Value(Kind.ARRAY, None, shown(text), text)
    raise InvalidValue(f"filter: '{operation}' takes no arrays of intervals")


def _plain(operation: str, items: Items) -> list[Any]:
    """Return an array within an array as the set that it is, in one order."""

    def entries() -> Iterator[Any]:
        for value in items.values:
            if isinstance(value, Items):
                yield _plain(operation, value)
            elif isinstance(value, Value) and value.constant is not None:
                whole = isinstance(value.constant, float) and value.constant.is_integer()
                yield int(value.constant) if whole else value.constant
            else:
                raise InvalidValue(f"filter: '{operation}': arrays within arrays hold values only")

    found = {orjson.dumps(entry, default=str): entry for entry in entries()}
    return [found[key] for key in sorted(found)]


def _sql(values: list[Value], kind: Kind, element: TypeEngine[Any]) -> _Sql:
    if kind is Kind.INSTANT:
        values = [as_instant(value) for value in values]
    constants = [value.constant for value in values]
    if None in constants:
        return cast(array([value.sql for value in values]), ARRAY(element))
    if isinstance(element, Double):
        constants = [float(number) for number in constants]
    elif isinstance(element, Numeric):
        return cast(bound(constants, ARRAY(BigInteger)), ARRAY(element))
    return bound(constants, ARRAY(element))
