"""The values within filters: their kinds, literals, and what may stand beside what."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Text,
    cast,
    collate,
    func,
    literal,
)
from sqlalchemy.types import TypeEngine

from gis.times import BEIJING, parse_instant
from layers.definition import FieldType
from layers.errors import InvalidValue

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Characters of a value that messages show.
_MOST_SHOWN = 60
#: Letters that Unicode does not decompose, though they are others with a stroke, a hook, …
_MARKED = {
    letter: found[1] if "CAPITAL" in name else found[1].lower()
    for letter in map(chr, range(0xC0, 0x250))
    if (found := re.search(r"LETTER ([A-Z]) WITH", name := unicodedata.name(letter)))
    and not unicodedata.decomposition(letter)
}
#: Combining marks of Latin, Greek and Cyrillic letters; those of Japanese make other letters.
_MARKS = "[\u0300-\u036f]"
#: Unicode's rules for letters, whatever the database's own.
_LETTERS = "und-x-icu"
#: Code points alone: the same order and the same texts on every server.
_CODE_POINTS = "C"


class Kind(StrEnum):
    """What a part of a filter stands for."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    INSTANT = "datetime"
    INTERVAL = "interval"
    GEOMETRY = "geometry"
    ARRAY = "array"


KINDS: Mapping[FieldType, Kind] = {
    FieldType.TEXT: Kind.TEXT,
    FieldType.INTEGER: Kind.NUMBER,
    FieldType.NUMBER: Kind.NUMBER,
    FieldType.BOOLEAN: Kind.BOOLEAN,
    FieldType.DATE: Kind.DATE,
    FieldType.DATETIME: Kind.INSTANT,
}
TIMES = (Kind.DATE, Kind.INSTANT)
SQL_TYPES: Mapping[Kind, TypeEngine[Any]] = {
    Kind.TEXT: Text(),
    Kind.NUMBER: Double(),
    Kind.BOOLEAN: Boolean(),
    Kind.DATE: Date(),
    Kind.INSTANT: DateTime(timezone=True),
}


@dataclass(frozen=True, slots=True)
class Value:
    """A part of a filter as SQL."""

    kind: Kind
    #: As SQL; ``None``: the constant is.
    given: ColumnElement[Any] | None
    #: What messages call it.
    shown: str
    #: What it is, where it does not depend on the feature.
    constant: Any = None
    #: Whether a number is a whole one, and computed exactly.
    whole: bool = False

    @property
    def sql(self) -> ColumnElement[Any]:
        """The value as SQL."""
        if self.given is not None:
            return self.given
        return literal(self.constant, BigInteger() if self.whole else SQL_TYPES[self.kind])


@dataclass(frozen=True, slots=True)
class Span:
    """An interval of time, both ends included; ``None`` is an open end."""

    start: Value | None
    end: Value | None


@dataclass(frozen=True, slots=True)
class Items:
    """An array that a filter lists."""

    values: tuple["Part", ...]


#: What a part of a filter can be.
Part = Value | Span | Items


def shown(value: Any) -> str:
    """Return a value as messages show it."""
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return f"'{text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + '…'}'"


def text_value(text: str) -> Value:
    """Return a text."""
    return Value(Kind.TEXT, None, shown(text), text)


def boolean_value(given: bool) -> Value:
    """Return a truth value."""
    return Value(Kind.BOOLEAN, None, str(given).upper(), given)


def number_value(number: int | float) -> Value:
    """Return a number.

    Raises:
        InvalidValue: If it is none of 64 bits.
    """
    if isinstance(number, int):
        if not -(2**63) <= number < 2**63:
            raise InvalidValue("filter: holds a number of more than 64 bits")
        return Value(Kind.NUMBER, None, str(number), number, whole=True)
    if not math.isfinite(number):
        raise InvalidValue("filter: holds a number beyond the largest of 64 bits")
    return Value(Kind.NUMBER, None, str(number), number)


def date_value(text: Any) -> Value:
    """Return a date.

    Raises:
        InvalidValue: If it is none.
    """
    try:
        if not isinstance(text, str) or not _DAY.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidValue(f"filter: {shown(text)} is no date such as 2024-05-01") from None
    return Value(Kind.DATE, None, shown(text), day)


def instant_value(text: Any) -> Value:
    """Return an instant; a date is 00:00 in Beijing.

    Raises:
        InvalidValue: If it is none.
    """
    try:
        if not isinstance(text, str):
            raise ValueError
        moment = parse_instant(text)
    except ValueError:
        raise InvalidValue(
            f"filter: {shown(text)} is no time such as 2024-05-01T08:00:00Z"
        ) from None
    return Value(Kind.INSTANT, None, shown(text), moment)


def time_value(text: Any) -> Value:
    """Return a text as a date or an instant, as it is written; errors as in ``instant_value``."""
    is_day = isinstance(text, str) and _DAY.fullmatch(text)
    return date_value(text) if is_day else instant_value(text)


def as_instant(value: Value) -> Value:
    """Return a date as the instant at which it begins in Beijing.

    Raises:
        InvalidValue: If that is before the year 1.
    """
    if value.kind is Kind.INSTANT:
        return value
    if value.constant is not None:
        return instant_value(value.constant.isoformat())
    midnight = cast(value.sql, DateTime())
    return Value(Kind.INSTANT, func.timezone(str(BEIJING), midnight), value.shown)


def as_time(value: Value) -> Value:
    """Return a value as a time: a text that a filter gives is read as one.

    Raises:
        InvalidValue: If it is none.
    """
    if value.kind is Kind.TEXT and value.constant is not None:
        return time_value(value.constant)
    if value.kind not in TIMES:
        raise InvalidValue(f"filter: {value.shown} is {value.kind}, where a time is expected")
    return value


def side_by_side(left: Value, right: Value) -> tuple[Value, Value]:
    """Return two values as ones that can be compared.

    Raises:
        InvalidValue: If they are of different kinds.
    """
    if left.kind in TIMES or right.kind in TIMES:
        if {left.kind, right.kind} <= {*TIMES, Kind.TEXT}:
            left, right = as_time(left), as_time(right)
            if left.kind is not right.kind:
                left, right = as_instant(left), as_instant(right)
            return left, right
    if left.kind is not right.kind:
        raise InvalidValue(
            f"filter: {left.shown} is {left.kind} and {right.shown} is {right.kind}: they cannot "
            "be compared"
        )
    return left, right


#: Operator → condition of two values that can be compared.
COMPARISONS: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_UNORDERED = (Kind.GEOMETRY, Kind.ARRAY, Kind.INTERVAL)


def compare(operation: str, left: Value, right: Value) -> ColumnElement[bool]:
    """Return a comparison; texts are ordered by their code points.

    Raises:
        InvalidValue: If the two cannot be compared.
    """
    left, right = side_by_side(left, right)
    if left.kind in _UNORDERED:
        raise InvalidValue(f"filter: '{operation}' compares no {left.kind}")
    first = left.sql
    if left.kind is Kind.TEXT and operation not in ("=", "<>"):
        first = collate(first, _CODE_POINTS)
    return COMPARISONS[operation](first, right.sql)


def folded_case(value: Value) -> Value:
    """Return a text with its letters in one case: equal for texts that differ in case alone.

    Twice, as ``ß`` and ``SS`` only meet as capitals, and ``K`` (kelvin) and ``k`` as small letters.
    The sigma at the end of a word becomes the other one: a pattern may end where a word does not.

    Raises:
        InvalidValue: If it is no text.
    """
    _check_text("casei", value)
    capitals = func.upper(collate(value.sql, _LETTERS))
    return _text_of(value, func.translate(func.lower(capitals), "ς", "σ"))


def folded_accents(value: Value) -> Value:
    """Return a text without accents: decomposed, the marks left out, and composed again.

    Letters such as ``ø`` become those that they are written over.

    Raises:
        InvalidValue: If it is no text.
    """
    _check_text("accenti", value)
    decomposed = func.pg_catalog.normalize(value.sql, "NFD")
    bare = func.regexp_replace(decomposed, _MARKS, "", "g")
    bare = func.translate(bare, "".join(_MARKED), "".join(_MARKED.values()))
    return _text_of(value, func.pg_catalog.normalize(bare, "NFC"))


def lowered(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a text in small letters."""
    return collate(func.lower(collate(text, _LETTERS)), _CODE_POINTS)


def raised(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a text in capitals."""
    return collate(func.upper(collate(text, _LETTERS)), _CODE_POINTS)


def _text_of(value: Value, sql: ColumnElement[Any]) -> Value:
    return replace(value, given=collate(sql, _CODE_POINTS), constant=None)


def _check_text(name: str, value: Value) -> None:
    if value.kind is not Kind.TEXT:
        raise InvalidValue(f"filter: {name} is for text, and {value.shown} is {value.kind}")
