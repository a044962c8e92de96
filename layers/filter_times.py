"""The temporal values and relations of filters."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, not_, true

from layers.definition import FieldDefinition, FieldType
from layers.errors import InvalidValue
from layers.field_values import read_value
from layers.tables import column_type

_Bound = ColumnElement[Any] | None
_OPEN = ("..", "")


def _after(column: ColumnElement[Any], _start: _Bound, end: _Bound) -> ColumnElement[bool]:
    return column > end if end is not None else ~true()


def _before(column: ColumnElement[Any], start: _Bound, _end: _Bound) -> ColumnElement[bool]:
    return column < start if start is not None else ~true()


def _during(column: ColumnElement[Any], start: _Bound, end: _Bound) -> ColumnElement[bool]:
    return and_(
        column > start if start is not None else true(),
        column < end if end is not None else true(),
    )


def _meets(column: ColumnElement[Any], start: _Bound, end: _Bound) -> ColumnElement[bool]:
    return and_(
        column >= start if start is not None else true(),
        column <= end if end is not None else true(),
    )


def _apart(column: ColumnElement[Any], start: _Bound, end: _Bound) -> ColumnElement[bool]:
    return not_(_meets(column, start, end))


#: Relations of an instant with an instant or an interval (OGC 21-065r2, 7.8).
TEMPORAL: Mapping[str, Callable[[ColumnElement[Any], _Bound, _Bound], ColumnElement[bool]]] = {
    "t_after": _after,
    "t_before": _before,
    "t_disjoint": _apart,
    "t_during": _during,
    "t_equals": _meets,
    "t_intersects": _meets,
}


def temporal_condition(
    operation: str, entry: FieldDefinition, column: ColumnElement[Any], tree: Any
) -> ColumnElement[bool]:
    """Return a relation as a condition.

    Args:
        operation: A key of ``TEMPORAL``.
        entry: The field on the left.
        column: Its column.
        tree: ``{"date": …}``, ``{"timestamp": …}``, a text, or ``{"interval": [start, end]}``.

    Raises:
        InvalidValue: If the field holds no times, or the right side is none.
    """
    if entry.type not in (FieldType.DATE, FieldType.DATETIME):
        raise InvalidValue(f"filter: '{operation}' takes a field of times, not '{entry.name}'")
    if not isinstance(tree, dict) or "interval" not in tree:
        moment = time_value(entry, tree)
        if operation == "t_during":
            raise InvalidValue("filter: 't_during' takes an INTERVAL on the right")
        return TEMPORAL[operation](column, moment, moment)
    ends = tree["interval"]
    if not isinstance(ends, list) or len(ends) != 2:
        raise InvalidValue("filter: an INTERVAL has a start and an end, of which one may be '..'")
    if operation == "t_equals":
        raise InvalidValue("filter: 't_equals' takes an instant on the right")
    start, end = (None if part in _OPEN else time_value(entry, part) for part in ends)
    return TEMPORAL[operation](column, start, end)


def time_value(entry: FieldDefinition, tree: Any) -> ColumnElement[Any]:
    """Return a date or an instant as a value to compare a field with.

    Raises:
        InvalidValue: If it is not of the field's type.
    """
    text = tree
    if isinstance(tree, dict) and len(tree) == 1:
        text = tree.get("date", tree.get("timestamp"))
    if not isinstance(text, str):
        raise InvalidValue(f"filter: '{entry.name}' is {entry.type}, and is compared with a text")
    return literal(read_value(entry, text), column_type(entry.type))
