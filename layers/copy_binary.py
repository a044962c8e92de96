"""Pack Arrow columns into PostgreSQL's binary COPY format without touching rows one by one.

Each column becomes a binary Arrow array whose elements are the 4-byte length and the payload of
one field; joining these arrays element by element, which Arrow does in C++, gives the stream.
Format: PostgreSQL documentation, COPY, "Binary Format".
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from layers.definition import FieldType

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

#: Days and microseconds from 1970-01-01, Arrow's epoch, to 2000-01-01, PostgreSQL's.
_EPOCH_DAYS = 10_957
_EPOCH_MICROSECONDS = _EPOCH_DAYS * 86_400_000_000

ARROW_TYPES: dict[FieldType, pa.DataType] = {
    FieldType.TEXT: pa.string(),
    FieldType.INTEGER: pa.int64(),
    FieldType.NUMBER: pa.float64(),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.DATE: pa.date32(),
    FieldType.DATETIME: pa.timestamp("us", tz="UTC"),
}


def pack_rows(columns: list[pa.Array]) -> pa.Buffer:
    """Return the rows of ``columns`` as a COPY BINARY stream, without header and trailer.

    Args:
        columns: Arrays of equal length, each of string, binary, int64, float64, bool, date32 or
            timestamp('us') type; geometry is binary (WKB). Nulls become SQL NULL.

    Returns:
        The bytes of all rows.

    Raises:
        TypeError: If a column has another type.
    """
    count = len(columns[0])
    if count == 0:
        return pa.py_buffer(b"")
    width = np.full(count, len(columns), dtype=">i2")
    pieces = [_fixed(width), *pack_fields(columns)]
    rows = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.binary()))
    offsets = np.frombuffer(rows.buffers()[1], dtype=np.int32, count=count + 1)
    return rows.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0]))


def pack_fields(columns: Sequence[pa.Array]) -> list[pa.Array]:
    """Return the fields of ``columns`` as binary arrays to be joined row by row.

    Raises:
        TypeError: If a column has a type that ``pack_rows`` does not know.
    """
    pieces: list[pa.Array] = []
    for column in columns:
        pieces.extend(_field(column))
    return pieces


def _fixed(values: np.ndarray) -> pa.Array:
    """Return a binary array of the bytes of each row of a numpy array."""
    values = np.ascontiguousarray(values)
    size = values.dtype.itemsize
    offsets = np.arange(len(values) + 1, dtype=np.int32) * np.int32(size)
    return pa.Array.from_buffers(
        pa.binary(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    )


def _field(column: pa.Array) -> list[pa.Array]:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return _variable(column)
    for matches, payload, fill in _FIXED:
        if matches(kind):
            valid = np.asarray(pc.is_valid(column))
            values = payload(column.fill_null(fill) if column.null_count else column)
            return _prefixed(values, valid)
    raise TypeError(f"a column of type {kind} cannot be copied")


def _variable(column: pa.Array) -> list[pa.Array]:
    lengths = pc.binary_length(column)
    prefix = np.asarray(lengths.fill_null(-1)).astype(">i4")
    payload = column.cast(pa.binary())
    return [_fixed(prefix), payload.fill_null(b"") if payload.null_count else payload]


def _prefixed(values: np.ndarray, valid: np.ndarray) -> list[pa.Array]:
    """Return length and payload as one array, or as two where some values are null."""
    size = values.dtype.itemsize
    if valid.all():
        record = np.empty(len(values), dtype=[("length", ">i4"), ("value", values.dtype)])
        record["length"] = size
        record["value"] = values
        return [_fixed(record)]
    prefix = np.where(valid, np.int32(size), np.int32(-1)).astype(">i4")
    raw = values.tobytes()
    lengths = np.where(valid, size, 0)
    offsets = np.zeros(len(values) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    kept = np.frombuffer(raw, dtype=f"V{size}")[valid].tobytes()
    payload = pa.Array.from_buffers(
        pa.binary(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(kept)]
    )
    return [_fixed(prefix), payload]


def _integers(column: pa.Array) -> np.ndarray:
    return np.asarray(column.cast(pa.int64())).astype(">i8")


def _floats(column: pa.Array) -> np.ndarray:
    return np.asarray(column.cast(pa.float64())).astype(">f8")


def _booleans(column: pa.Array) -> np.ndarray:
    return np.asarray(column).astype("u1")


def _dates(column: pa.Array) -> np.ndarray:
    return (np.asarray(column.cast(pa.int32())) - _EPOCH_DAYS).astype(">i4")


def _timestamps(column: pa.Array) -> np.ndarray:
    microseconds = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return (np.asarray(microseconds) - _EPOCH_MICROSECONDS).astype(">i8")


_FIXED: list[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], np.ndarray], object]] = [
    (pa.types.is_integer, _integers, 0),
    (pa.types.is_floating, _floats, 0.0),
    (pa.types.is_boolean, _booleans, False),
    (pa.types.is_date32, _dates, pa.scalar(0, pa.int32()).cast(pa.date32())),
    (
        pa.types.is_timestamp,
        _timestamps,
        pa.scalar(0, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
    ),
]
