"""From whatever a file holds to the types of the layer's fields, whole columns at a time.

Each function returns the converted column, null where there is nothing or nothing readable, and a
mask of the values that could not be read.
"""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layers.definition import FieldType

Mask = NDArray[np.bool_]

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INTEGER = r"^[+-]?\d{1,18}(\.0*)?$"
_TRUE = ("true", "t", "yes", "y", "1", "是", "有", "真")
_FALSE = ("false", "f", "no", "n", "0", "否", "无", "假")
#: ISO 8601 and the ways dates are written in Chinese tables; a zone may follow a time.
_TIME = (
    r"^(?P<year>\d{4})(?:[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?"
    r"|(?P<month2>\d{2})(?P<day2>\d{2}))"
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>\.\d+)?)?"
    r" ?(?P<zone>Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?$"
)
#: No character of a text between these bytes is white space or a control character.
_PRINTABLE, _BEYOND_ASCII = 0x21, 0x80
#: Beijing time is UTC+8; a date-time without a zone is meant so.
_BEIJING_MINUTES = 480
_DAY_US = 86_400_000_000
#: The years 1 to 9999, as days and as microseconds of 1970: outside them PostgreSQL still keeps a
#: time, but Python, which reads it back, knows none.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_FIRST_US, _LAST_US = _FIRST_DAY * _DAY_US, (_LAST_DAY + 1) * _DAY_US - 1

ARROW_TYPES = {
    FieldType.TEXT: pa.string(),
    FieldType.INTEGER: pa.int64(),
    FieldType.NUMBER: pa.float64(),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.DATE: pa.date32(),
    FieldType.DATETIME: pa.timestamp("us", tz="UTC"),
}


def convert(values: pa.Array, wanted: FieldType, pattern: str | None) -> tuple[pa.Array, Mask]:
    """Convert a column to a field's type.

    Args:
        values: The column, of any type a file can hold.
        wanted: The field's type.
        pattern: A ``strptime`` pattern for dates and times, where the mapping gives one.

    Returns:
        The column as the Arrow type of ``ARROW_TYPES``, and where a value could not be read.
    """
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), ARROW_TYPES[wanted]), np.zeros(len(values), dtype=bool)
    if wanted is FieldType.TEXT:
        return to_text(values), np.zeros(len(values), dtype=bool)
    if wanted is FieldType.INTEGER:
        return to_integer(values)
    if wanted is FieldType.NUMBER:
        return to_float(values)
    if wanted is FieldType.BOOLEAN:
        return to_boolean(values)
    instants, bad = _to_instants(values, pattern)
    if wanted is FieldType.DATETIME:
        return _within(instants, bad, _FIRST_US, _LAST_US)
    local = pc.fill_null(instants.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    # Whole numbers throughout: microseconds of the year 9999 do not fit a double exactly.
    numbers = (local + _BEIJING_MINUTES * 60_000_000) // _DAY_US
    nothing = pc.is_null(instants).to_numpy(zero_copy_only=False)
    days = pa.array(numbers.astype(np.int32), mask=nothing).cast(pa.date32())
    return _within(days, bad, _FIRST_DAY, _LAST_DAY)


def _within(times: pa.Array, bad: Mask, first: int, last: int) -> tuple[pa.Array, Mask]:
    """Take for unreadable what lies outside the years that every program can tell."""
    counts = times.cast(pa.int64() if pa.types.is_timestamp(times.type) else pa.int32())
    outside = pc.fill_null(pc.or_(pc.less(counts, first), pc.greater(counts, last)), False)
    if not pc.any(outside).as_py():
        return times, bad
    return pc.if_else(outside, None, times), bad | outside.to_numpy(zero_copy_only=False)


def to_text(values: pa.Array) -> pa.Array:
    """Write values as text, trimmed; an empty text is null.

    Whole numbers lose a ``.0`` that only a number column of a table gave them.
    """
    if pa.types.is_floating(values.type):
        finite = pc.if_else(pc.is_finite(values), values, None)
        whole = pc.and_(pc.equal(pc.floor(finite), finite), pc.less(pc.abs(finite), 1e15))
        integers = pc.if_else(whole, finite, None).cast(pa.int64(), safe=False)
        return pc.if_else(whole, integers.cast(pa.string()), finite.cast(pa.string()))
    if pa.types.is_nested(values.type):
        texts = [
            None if value is None else json.dumps(value, ensure_ascii=False, default=str)
            for value in values.to_pylist()
        ]
        return pa.array(texts, pa.string())
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        return pa.nulls(len(values), pa.string())
    return _trimmed(values)


def to_float(values: pa.Array) -> tuple[pa.Array, Mask]:
    """Read numbers; a value that is not finite is null."""
    if _is_numeric(values):
        numbers = values.cast(pa.float64(), safe=False)
        return pc.if_else(pc.is_finite(numbers), numbers, None), _none(values)
    texts = _trimmed(values)
    readable = pc.match_substring_regex(texts, _NUMBER)
    numbers = pc.if_else(readable, texts, None).cast(pa.float64())
    return numbers, _unreadable(texts, readable)


def to_integer(values: pa.Array) -> tuple[pa.Array, Mask]:
    """Read whole numbers; 3.0 is one, 3.5 is not."""
    if pa.types.is_integer(values.type) or pa.types.is_boolean(values.type):
        return values.cast(pa.int64()), _none(values)
    if _is_numeric(values):
        numbers = values.cast(pa.float64(), safe=False)
        numbers = pc.if_else(pc.is_finite(numbers), numbers, None)
        whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), 2.0**53))
        return pc.if_else(whole, numbers, None).cast(pa.int64()), _unreadable(numbers, whole)
    texts = _trimmed(values)
    readable = pc.match_substring_regex(texts, _INTEGER)
    digits = pc.replace_substring_regex(pc.if_else(readable, texts, None), r"^\+|\.0*$", "")
    return digits.cast(pa.int64()), _unreadable(texts, readable)


def to_boolean(values: pa.Array) -> tuple[pa.Array, Mask]:
    """Read true and false, as words or digits, English or Chinese."""
    if pa.types.is_boolean(values.type):
        return values, _none(values)
    texts = pc.utf8_lower(to_text(values))
    is_true = pc.is_in(texts, pa.array(_TRUE))
    readable = pc.or_(is_true, pc.is_in(texts, pa.array(_FALSE)))
    return pc.if_else(readable, is_true, None), _unreadable(texts, readable)


def _to_instants(values: pa.Array, pattern: str | None) -> tuple[pa.Array, Mask]:
    """Read instants as timestamps in UTC; without a zone they are Beijing time."""
    utc = ARROW_TYPES[FieldType.DATETIME]
    if pa.types.is_date(values.type):
        return _from_beijing(values.cast(pa.timestamp("us"))), _none(values)
    if pa.types.is_timestamp(values.type):
        if values.type.tz is not None:
            return values.cast(utc, safe=False), _none(values)
        return _from_beijing(values.cast(pa.timestamp("us"), safe=False)), _none(values)
    texts = to_text(values)
    if pattern is not None:
        read = pc.strptime(texts, format=pattern, unit="us", error_is_null=True)
        return _from_beijing(read), _unreadable(texts, pc.is_valid(read))
    return _parse_times(texts)


def _parse_times(texts: pa.Array) -> tuple[pa.Array, Mask]:
    parts = pc.extract_regex(texts, _TIME)
    readable = parts.is_valid().to_numpy(zero_copy_only=False)

    def number(name: str, factor: float = 1.0) -> NDArray[np.int64]:
        column = pc.struct_field(parts, name)
        filled = pc.if_else(pc.fill_null(pc.not_equal(column, ""), False), column, "0")
        numbers = filled.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.asarray(np.round(numbers * factor), dtype=np.int64)

    month, day = number("month") + number("month2"), number("day") + number("day2")
    hour, minute, second = number("hour"), number("minute"), number("second")
    first = (number("year") - 1970).astype("datetime64[Y]").astype("datetime64[M]")
    begin = first + (month - 1)
    in_month = ((begin + 1).astype("datetime64[D]") - begin.astype("datetime64[D]")).astype(int)
    readable &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= in_month)
    readable &= (hour <= 23) & (minute <= 59) & (second <= 59)
    micros = (begin.astype("datetime64[D]").astype(np.int64) + day - 1) * _DAY_US
    micros += ((hour * 60 + minute) * 60 + second) * 1_000_000 + number("fraction", 1e6)
    micros -= _zone_minutes(pc.struct_field(parts, "zone")) * 60_000_000
    instants = pa.array(micros, mask=~readable).cast(ARROW_TYPES[FieldType.DATETIME])
    return instants, _unreadable(texts, pa.array(readable))


def _zone_minutes(zones: pa.Array) -> NDArray[np.int64]:
    encoded = pc.fill_null(zones, "").dictionary_encode()
    minutes = [_minutes_of(zone) for zone in encoded.dictionary.to_pylist()]
    places: NDArray[np.int32] = encoded.indices.to_numpy(zero_copy_only=False)
    return np.asarray(minutes, dtype=np.int64)[places]


def _minutes_of(zone: str) -> int:
    if not zone:
        return _BEIJING_MINUTES
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return minutes if zone[0] == "+" else -minutes


def _from_beijing(local: pa.Array) -> pa.Array:
    micros = pc.subtract(local.cast(pa.int64()), _BEIJING_MINUTES * 60_000_000)
    return micros.cast(ARROW_TYPES[FieldType.DATETIME])


def _trimmed(values: pa.Array) -> pa.Array:
    texts = values if pa.types.is_string(values.type) else values.cast(pa.string())
    if not len(texts):
        return texts
    # A look at the bytes and lengths is many times as fast as the work that it mostly spares.
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :][: len(texts) + 1]
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    if not data.min(initial=_PRINTABLE):
        # At the end it is padding; elsewhere PostgreSQL keeps none, and it is shown as a gap.
        texts = pc.replace_substring(pc.utf8_rtrim(texts, "\0"), "\0", "\ufffd")
    if data.min(initial=_PRINTABLE) < _PRINTABLE or data.max(initial=0) >= _BEYOND_ASCII:
        texts = pc.utf8_trim_whitespace(texts)
    elif len(offsets) > 1 and np.diff(offsets).all():
        return texts
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _is_numeric(values: Any) -> bool:
    kind = values.type
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _none(values: Any) -> Mask:
    return np.zeros(len(values), dtype=bool)


def _unreadable(values: pa.Array, readable: pa.Array) -> Mask:
    """Tell where there is a value that is not readable."""
    bad = pc.and_(pc.is_valid(values), pc.invert(pc.fill_null(readable, False)))
    return np.asarray(bad.to_numpy(zero_copy_only=False), dtype=bool)
