"""The temporal relations of filters."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, DateTime, and_, literal_column, or_

from gis.times import BEIJING
from layers.errors import InvalidValue
from layers.filter_values import Kind, Part, Span, Value, as_instant, as_time

_Sql = ColumnElement[Any]
_Relation = Callable[[_Sql, _Sql, _Sql, _Sql], ColumnElement[bool]]

#: Relations of two intervals a to b and c to d, both ends included (OGC 21-065r2, 7.7); an instant
#: is an interval that ends as it starts.
TEMPORAL: Mapping[str, _Relation] = {
    "t_after": lambda a, b, c, d: a > d,
    "t_before": lambda a, b, c, d: b < c,
    "t_contains": lambda a, b, c, d: and_(a < c, b > d),
    "t_disjoint": lambda a, b, c, d: or_(a > d, b < c),
    "t_during": lambda a, b, c, d: and_(a > c, b < d),
    "t_equals": lambda a, b, c, d: and_(a == c, b == d),
    "t_finishedby": lambda a, b, c, d: and_(a < c, b == d),
    "t_finishes": lambda a, b, c, d: and_(a > c, b == d),
    "t_intersects": lambda a, b, c, d: and_(a <= d, b >= c),
    "t_meets": lambda a, b, c, d: b == c,
    "t_metby": lambda a, b, c, d: a == d,
    "t_overlappedby": lambda a, b, c, d: and_(a > c, a < d, b > d),
    "t_overlaps": lambda a, b, c, d: and_(a < c, b > c, b < d),
    "t_startedby": lambda a, b, c, d: and_(a == c, b > d),
    "t_starts": lambda a, b, c, d: and_(a == c, b < d),
}
#: Those that two instants can have to each other.
_OF_INSTANTS = ("t_after", "t_before", "t_disjoint", "t_equals", "t_intersects")
_OPEN = ("..", "")
_MOMENT = DateTime(timezone=True)
_EVER: Mapping[Kind, tuple[_Sql, _Sql]] = {
    Kind.DATE: (
        literal_column("'-infinity'::date", Date()),
        literal_column("'infinity'::date", Date()),
    ),
    Kind.INSTANT: (
        literal_column("'-infinity'::timestamptz", _MOMENT),
        literal_column("'infinity'::timestamptz", _MOMENT),
    ),
}


def read_span(tree: Any, read: Callable[[Any], Part]) -> Span:
    """Return an interval.

    Args:
        tree: Its two ends: times, fields or functions of times, or ``..``.
        read: Reads a part of the filter.

    Raises:
        InvalidValue: If it is none, or ends before it starts.
    """
    if not isinstance(tree, list) or len(tree) != 2:
        raise InvalidValue("filter: an INTERVAL has a start and an end, of which one may be '..'")
    start, end = (None if end in _OPEN else _end(read(end)) for end in tree)
    if start is not None and end is not None and _moment(start) > _moment(end):
        raise InvalidValue(f"filter: the INTERVAL from {start.shown} ends before, {end.shown}")
    return Span(start, end)


def _end(part: Part) -> Value:
    if not isinstance(part, Value):
        raise InvalidValue("filter: an INTERVAL's ends are times")
    return as_time(part)


def _moment(value: Value) -> float:
    """Return a constant as a number to compare; of others nothing is known yet."""
    if not isinstance(value.constant, datetime):
        if value.constant is None:
            return float("nan")
        return datetime.combine(value.constant, datetime.min.time(), BEIJING).timestamp()
    return value.constant.timestamp()


def temporal_condition(operation: str, left: Part, right: Part) -> ColumnElement[bool]:
    """Return a relation as a condition.

    Args:
        operation: A key of ``TEMPORAL``.
        left: A time or an interval.
        right: Likewise.

    Raises:
        InvalidValue: If one is neither.
    """
    spans = (_span(operation, left), _span(operation, right))
    if operation not in _OF_INSTANTS and not isinstance(left, Span) and not isinstance(right, Span):
        raise InvalidValue(f"filter: '{operation}' takes an INTERVAL")
    ends = [end for span in spans for end in (span.start, span.end) if end is not None]
    kind = Kind.INSTANT if any(end.kind is Kind.INSTANT for end in ends) else Kind.DATE
    sides = [_sql(end, kind, last) for span in spans for end, last in _both(span)]
    return TEMPORAL[operation](*sides)


def _both(span: Span) -> tuple[tuple[Value | None, bool], tuple[Value | None, bool]]:
    return (span.start, False), (span.end, True)


def _span(operation: str, part: Part) -> Span:
    if isinstance(part, Span):
        return part
    if not isinstance(part, Value):
        raise InvalidValue(f"filter: '{operation}' takes times, not an array")
    moment = as_time(part)
    return Span(moment, moment)


def _sql(end: Value | None, kind: Kind, last: bool) -> _Sql:
    if end is None:
        return _EVER[kind][last]
    return as_instant(end).sql if kind is Kind.INSTANT else end.sql
