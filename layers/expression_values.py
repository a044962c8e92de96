"""The values of expressions: whole columns with their kind, and the rows that have no answer.

A row *fails* where a function has no answer for values that are there: a division by zero, a text
that is no number, a result too large for a double. It is then null, and told apart from rows that
are null because their values are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layers.expression_syntax import ExpressionError

Mask = NDArray[np.bool_]

#: Beijing time is UTC+8, all year.
_BEIJING_US = 8 * 3_600_000_000
_EXACT = 2**53


class Kind(StrEnum):
    """What the values of an expression are."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    #: A date, or a date and time, of Beijing.
    TIME = "time"
    #: Nothing but null; fits every kind.
    NULL = "null"


_ARTICLES = {
    Kind.NUMBER: "a number",
    Kind.TEXT: "text",
    Kind.BOOLEAN: "true or false",
    Kind.TIME: "a date",
    Kind.NULL: "null",
}
_HINTS = {
    (Kind.TEXT, Kind.NUMBER): "; number(…) reads text as a number",
    (Kind.NUMBER, Kind.TEXT): "; text(…) writes a number as text",
    (Kind.TEXT, Kind.TIME): "; date(…) reads text as a date",
    (Kind.TIME, Kind.TEXT): "; text(…, '%Y-%m-%d') writes a date as text",
    (Kind.BOOLEAN, Kind.TEXT): "; if(…) makes text of it",
}
_ARROW = {
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIME: pa.timestamp("us"),
    Kind.NULL: pa.null(),
}


@dataclass(frozen=True, slots=True)
class Value:
    """A column on its way through an expression."""

    kind: Kind
    #: float64 or int64, string, bool, timestamp (µs, Beijing, without a zone), or null.
    array: pa.Array
    #: The rows that failed; ``None`` if none did.
    failed: Mask | None = None


def nothing(kind: Kind, rows: int) -> pa.Array:
    """Return ``rows`` nulls as values of a kind."""
    return pa.nulls(rows, _ARROW[kind])


def constant(value: str | int | float | bool | None, rows: int) -> Value:
    """Return a constant as a column."""
    if value is None:
        return Value(Kind.NULL, pa.nulls(rows))
    kind = Kind.TEXT if isinstance(value, str) else Kind.NUMBER
    if isinstance(value, bool):
        kind = Kind.BOOLEAN
    return Value(kind, pa.repeat(pa.scalar(value), rows))


def column(array: pa.Array) -> Value | None:
    """Take a column of a source or of a layer; ``None`` if it holds what expressions cannot.

    Numbers that are not finite are null.
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    kind = array.type
    if pa.types.is_dictionary(kind):
        return column(array.dictionary_decode())
    if pa.types.is_null(kind):
        return Value(Kind.NULL, array)
    if pa.types.is_boolean(kind):
        return Value(Kind.BOOLEAN, array)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return Value(Kind.TEXT, array.cast(pa.string()))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Value(Kind.TIME, _in_beijing(array))
    if pa.types.is_integer(kind):
        return Value(Kind.NUMBER, array.cast(pa.int64(), safe=kind != pa.uint64()))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = array.cast(pa.float64())
        return Value(Kind.NUMBER, pc.if_else(pc.is_finite(numbers), numbers, None))
    return None


def _in_beijing(array: pa.Array) -> pa.Array:
    micros = array.cast(_ARROW[Kind.TIME] if not _has_zone(array) else pa.timestamp("us", "UTC"))
    if not _has_zone(array):
        return micros
    return pc.add(micros.cast(pa.int64()), _BEIJING_US).cast(_ARROW[Kind.TIME])


def _has_zone(array: pa.Array) -> bool:
    return pa.types.is_timestamp(array.type) and array.type.tz is not None


def same_kind(values: Sequence[Value], where: str, position: int) -> tuple[Kind, list[pa.Array]]:
    """Bring values to one kind and Arrow type, so that they can be compared or chosen among.

    Raises:
        ExpressionError: If they are of different kinds.
    """
    kinds = [value.kind for value in values if value.kind is not Kind.NULL]
    kind = kinds[0] if kinds else Kind.NULL
    for other in kinds:
        if other is not kind:
            hint = _HINTS.get((other, kind)) or _HINTS.get((kind, other)) or ""
            raise ExpressionError(
                f"{where} mixes {_ARTICLES[kind]} and {_ARTICLES[other]}{hint}", position
            )
    wanted = _ARROW[kind]
    arrays = [value.array for value in values]
    present = [array for array in arrays if not pa.types.is_null(array.type)]
    if kind is Kind.NUMBER and all(pa.types.is_integer(array.type) for array in present):
        wanted = pa.int64()
    return kind, [array.cast(wanted, safe=False) for array in arrays]


def union(masks: Sequence[Mask | None]) -> Mask | None:
    """Return the rows that failed anywhere."""
    given = [mask for mask in masks if mask is not None]
    return np.logical_or.reduce(given) if given else None


def as_mask(array: pa.Array) -> Mask:
    """Return where a boolean column is true."""
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=bool)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call."""

    function: str
    position: int
    values: Sequence[Value]
    #: The constants among them; ``None`` elsewhere.
    literals: Sequence[Any]
    rows: int

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.values)

    def of(self, index: int, kind: Kind) -> pa.Array:
        """Return an argument's column.

        Raises:
            ExpressionError: If it is of another kind.
        """
        value = self.values[index]
        if value.kind is Kind.NULL:
            return nothing(kind, self.rows)
        if value.kind is not kind:
            self.refuse(
                f"{self.name} takes {_ARTICLES[kind]}, not {_ARTICLES[value.kind]}"
                + _HINTS.get((value.kind, kind), "")
            )
        return value.array

    def number(self, index: int) -> pa.Array:
        """Return an argument's numbers as float64."""
        return self.of(index, Kind.NUMBER).cast(pa.float64(), safe=False)

    def text(self, index: int) -> pa.Array:
        """Return an argument's texts."""
        return self.of(index, Kind.TEXT)

    def refuse(self, message: str) -> None:
        """Raise an error that points at the call."""
        raise ExpressionError(message, self.position)

    @property
    def name(self) -> str:
        """The function as people write it."""
        return f"{self.function}()" if self.function.isidentifier() else f"'{self.function}'"

    @property
    def failed(self) -> Mask | None:
        """The rows in which any argument failed."""
        return union([value.failed for value in self.values])

    def answer(self, kind: Kind, array: pa.Array) -> Value:
        """Return the answer of a function that fails only where its arguments do."""
        return Value(kind, array, self.failed)

    def finite(self, numbers: pa.Array) -> Value:
        """Return numbers; a row fails where they are not finite."""
        bad = as_mask(pc.invert(pc.is_finite(numbers)))
        if not bad.any():
            return self.answer(Kind.NUMBER, numbers)
        numbers = pc.if_else(pa.array(bad), None, numbers)
        return Value(Kind.NUMBER, numbers, union([self.failed, bad]))

    def readable(self, kind: Kind, array: pa.Array, source: pa.Array) -> Value:
        """Return what was read from ``source``; a row fails where there was something else."""
        bad = as_mask(pc.and_(pc.is_valid(source), pc.is_null(array)))
        return Value(kind, array, union([self.failed, bad if bad.any() else None]))


def number_text(numbers: pa.Array) -> pa.Array:
    """Write numbers as text, whole ones without a decimal point."""
    if pa.types.is_integer(numbers.type):
        return numbers.cast(pa.string())
    whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), _EXACT))
    integers = pc.if_else(whole, numbers, None).cast(pa.int64())
    return pc.if_else(whole, integers.cast(pa.string()), numbers.cast(pa.string()))
