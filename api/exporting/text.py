"""Columns as text, escaped for the format they go into, without a Python object for each value."""

import re
from collections.abc import Callable, Sequence
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Characters that XML 1.0 cannot hold at all, escaped or not.
_NO_XML = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\ufffe\uffff]"
_CONTROL = re.compile("[\\x00-\\x1f]")
_JSON_SHORT = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_XML = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"))
_SECONDS = 1_000_000


def joined(parts: Sequence[pa.Array | str], length: int) -> pa.StringArray:
    """Return row by row the parts put together; a part that is no column is the same in each row.

    A row of which a part is null is null.
    """
    if not any(isinstance(part, pa.Array) for part in parts):
        return pa.array(["".join(str(part) for part in parts)] * length, pa.string())
    return pc.binary_join_element_wise(*parts, "")


def replaced(column: pa.StringArray, pairs: Sequence[tuple[str, str]]) -> pa.StringArray:
    """Return a column with texts replaced, one after another."""
    for old, new in pairs:
        if pc.any(pc.match_substring(column, old)).as_py():
            column = pc.replace_substring(column, old, new)
    return column


def each_changed(
    column: pa.StringArray, pattern: str, change: Callable[[str], str]
) -> pa.StringArray:
    """Return a column in which the few values that hold ``pattern`` are changed one by one."""
    odd = pc.match_substring_regex(column, pattern)
    if not pc.any(odd).as_py():
        return column
    changed = [change(text) for text in column.filter(odd).to_pylist()]
    return pc.replace_with_mask(column, pc.fill_null(odd, False), pa.array(changed, pa.string()))


def json_text(column: pa.Array) -> pa.StringArray:
    """Return values as JSON; ``null`` for null and for what is no number."""
    if pa.types.is_string(column.type):
        column = replaced(column, _JSON_SHORT)
        column = each_changed(
            column,
            "[\\x00-\\x1f]",
            lambda text: _CONTROL.sub(lambda m: f"\\u{ord(m[0]):04x}", text),
        )
        found = joined(['"', column, '"'], len(column))
    elif pa.types.is_floating(column.type):
        found = plain_text(pc.if_else(pc.is_finite(column), column, pa.scalar(None, pa.float64())))
    elif pa.types.is_temporal(column.type):
        found = joined(['"', plain_text(column), '"'], len(column))
    else:
        found = plain_text(column)
    return pc.fill_null(found, "null")


def xml_text(column: pa.Array) -> pa.StringArray:
    """Return values as text for XML elements and attributes; null stays null."""
    found = plain_text(column)
    if pa.types.is_string(column.type):
        found = replaced(found, _XML)
        found = each_changed(found, _NO_XML, lambda text: re.sub(_NO_XML, "\ufffd", text))
    return found


def plain_text(column: pa.Array) -> pa.StringArray:
    """Return values as people and programs write them: ISO dates, times in UTC, true and false."""
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_timestamp(column.type):
        whole = pc.all(pc.equal(pc.microsecond(column), 0)).as_py() is not False
        whole = whole and pc.all(pc.equal(pc.millisecond(column), 0)).as_py() is not False
        seconds = column.cast(pa.timestamp("s", "UTC")) if whole else column
        return pc.strftime(seconds, "%Y-%m-%dT%H:%M:%SZ")
    return column.cast(pa.string())


def number_text(values: np.ndarray, decimals: int) -> pa.StringArray:
    """Return numbers as text with at most so many decimals, without an exponent."""
    rounded = np.round(values, decimals) + 0.0
    found = pa.array(rounded).cast(pa.string())
    return each_changed(found, "e", lambda text: f"{float(text):.{decimals}f}")


def write_text(target: IO[bytes], column: pa.StringArray) -> None:
    """Write all texts of a column, one after another as they lie in memory."""
    _, offsets, data = column.buffers()
    if data is not None and len(column):
        places = np.frombuffer(offsets, np.int32)
        target.write(memoryview(data)[places[column.offset] : places[column.offset + len(column)]])
