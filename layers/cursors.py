"""Where a page of features ended: a place in the order of its query, as text for an address."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson

from layers.definition import FieldType
from layers.errors import InvalidValue
from layers.feature_query import FeatureQuery

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BIGGEST = 2**63
#: Values of sort keys → JSON, and back. JSON has no NaN.
_WRITERS: Mapping[FieldType, Callable[[Any], Any]] = {
    FieldType.NUMBER: repr,
    FieldType.DATE: lambda value: value.isoformat(),
    FieldType.DATETIME: lambda value: value.isoformat(),
}
_READERS: Mapping[FieldType, tuple[type, Callable[[Any], Any]]] = {
    FieldType.TEXT: (str, str),
    FieldType.INTEGER: (int, int),
    FieldType.NUMBER: (str, float),
    FieldType.BOOLEAN: (bool, bool),
    FieldType.DATE: (str, date.fromisoformat),
    FieldType.DATETIME: (str, datetime.fromisoformat),
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order of the sort keys, feature id and start of validity."""

    feature_id: int
    valid_from: datetime
    #: The values of the sort keys there.
    values: tuple[Any, ...] = ()
    #: Whether the page wanted ends before this place, rather than beginning behind it.
    backwards: bool = False


def write_cursor(query: FeatureQuery, cursor: Cursor) -> str:
    """Return a place in the order of ``query`` as opaque text, good for queries like it."""
    types = _types(query)
    values = [
        value if value is None or kind not in _WRITERS else _WRITERS[kind](value)
        for kind, value in zip(types, cursor.values, strict=True)
    ]
    microseconds = (cursor.valid_from - _EPOCH) // _MICROSECOND
    parts = [_mark(query), cursor.backwards, cursor.feature_id, microseconds, *values]
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def read_cursor(query: FeatureQuery, text: str) -> Cursor:
    """Return the place that ``text`` stands for.

    Raises:
        InvalidValue: If no page ever ended with this text, or one of another query did.
    """
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        mark, backwards, feature_id, microseconds, *values = orjson.loads(plain)
        if mark != _mark(query):
            raise InvalidValue(
                "cursor: it is of another query; take it from a link of a page of this one"
            )
        if not isinstance(backwards, bool) or not -_BIGGEST <= _integer(feature_id) < _BIGGEST:
            raise ValueError
        moment = _EPOCH + timedelta(microseconds=_integer(microseconds))
        types = _types(query)
        read = tuple(_value(kind, value) for kind, value in zip(types, values, strict=True))
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise InvalidValue("cursor: not one that a page of this server ended with") from error
    return Cursor(feature_id, moment, read, backwards)


def _types(query: FeatureQuery) -> list[FieldType]:
    return [query.layer.field(key.field).type for key in query.sort]


def _value(kind: FieldType, value: Any) -> Any:
    if value is None:
        return None
    wanted, read = _READERS[kind]
    if type(value) is not wanted:
        raise ValueError
    return read(value)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ValueError
    return value


def _mark(query: FeatureQuery) -> str:
    """Return a mark of what decides which features a query has, and in which order."""
    told = (
        query.layer.name,
        query.bbox,
        query.outline,
        query.heights,
        query.at,
        query.as_of,
        sorted(query.equals),
        query.filter and query.filter.text,
        query.sort,
    )
    return blake2b(repr(told).encode(), digest_size=6).hexdigest()
