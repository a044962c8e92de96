"""Checks of values against the layer's definition, whole columns at a time."""

import re
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.columns import Column
from etl.convert import to_text
from etl.faults import Fault, Mask
from layers.code_list import CodeList
from layers.definition import FieldDefinition, LayerDefinition

_SHOWN = 60
_FIRST_PRINTABLE, _DELETE = 0x20, 0x7F
#: Control characters that no text has; tabs and line breaks are for long texts only.
_CONTROLS = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]"
_KEY_CONTROLS = r"[\x00-\x1F\x7F\x{FFFD}]"
#: First byte of U+FFFD, which stands where something could not be read.
_GAP_BYTE = 0xEF


def check_columns(
    layer: LayerDefinition, columns: list[Column], codes: Mapping[str, CodeList], rows: int
) -> list[Fault]:
    """Check a batch against the layer's definition.

    The rules, each named ``field: rule``: ``type``, ``required``, ``length``, ``codes``,
    ``pattern``, ``min``, ``max``; and ``characters``: no text has control characters, and a
    business key no line breaks, tabs or gaps (U+FFFD) either.

    Args:
        layer: The layer.
        columns: The fields that the source fills; the others count as empty.
        codes: All code lists by name.
        rows: The number of rows of the batch.
    """
    by_name = {column.field.name: column for column in columns}
    faults: list[Fault] = []
    for field in layer.fields:
        column = by_name.get(field.name)
        if column is None:
            if field.required:
                everywhere = np.ones(rows, dtype=bool)
                faults.append(Fault(f"{field.name}: required", everywhere, _empty(field)))
            continue
        faults.extend(fault for fault in _check(column, codes) if fault.rows.any())
        faults.extend(_check_characters(column, key=field.name in layer.key))
    return faults


def _check(column: Column, codes: Mapping[str, CodeList]) -> Iterator[Fault]:
    field = column.field
    if column.unreadable.any():
        yield Fault(
            f"{field.name}: type",
            column.unreadable,
            lambda row: (
                f"{field.name} = '{_shown(column.source, row)}' is not of type {field.type}"
            ),
        )
    if field.required:
        empty = _mask(pc.is_null(column.values)) & ~column.refused
        yield Fault(f"{field.name}: required", empty, _empty(field))
    if field.length is not None:
        yield _fault(
            column,
            "length",
            pc.greater(pc.utf8_length(column.values), field.length),
            f"is longer than {field.length} characters",
        )
    if field.codes is not None:
        yield _check_codes(column, codes[field.codes])
    if field.pattern is not None:
        yield _fault(
            column,
            "pattern",
            pc.invert(_matches(column.values, field.pattern)),
            f"does not have the form {field.pattern}",
        )
    if field.min is not None:
        yield _fault(column, "min", pc.less(column.values, field.min), f"is below {field.min:g}")
    if field.max is not None:
        yield _fault(column, "max", pc.greater(column.values, field.max), f"is above {field.max:g}")


def _check_characters(column: Column, *, key: bool) -> Iterator[Fault]:
    values = column.values
    if not pa.types.is_string(values.type) or not len(values):
        return
    start, end = values.offset, values.offset + len(values)
    offsets = np.frombuffer(values.buffers()[1], np.int32)
    text = np.frombuffer(values.buffers()[2] or b"", np.uint8)[offsets[start] : offsets[end]]
    # Nearly always there are none, which a look at the bytes shows sooner than an expression.
    suspicious = (text < _FIRST_PRINTABLE) | (text == _DELETE) | (key & (text == _GAP_BYTE))
    if not suspicious.any():
        return
    odd = _mask(pc.match_substring_regex(values, _KEY_CONTROLS if key else _CONTROLS))
    if odd.any():
        name = column.field.name
        yield Fault(
            f"{name}: characters",
            odd,
            lambda row: f"{name} = {_shown(values, row)!r} has control characters",
        )


def _check_codes(column: Column, codes: CodeList) -> Fault:
    texts = to_text(column.values)
    unknown = pc.invert(pc.is_in(texts, pa.array(list(codes.codes), pa.string())))
    return _fault(
        column,
        "codes",
        pc.if_else(pc.is_valid(texts), unknown, None),
        f"is not a code of {codes.name} ({codes.scheme}, {codes.edition})",
    )


def _fault(column: Column, rule: str, broken: pa.Array, says: str) -> Fault:
    name = column.field.name
    return Fault(
        f"{name}: {rule}",
        _mask(broken),
        lambda row: f"{name} = '{_shown(column.values, row)}' {says}",
    )


def _empty(field: FieldDefinition) -> Callable[[int], str]:
    return lambda row: f"{field.name} is empty, but every feature must have it"


def _matches(values: pa.Array, pattern: str) -> pa.Array:
    """Match whole texts: with RE2, or Python's engine for what RE2 does not know."""
    try:
        return pc.match_substring_regex(values, f"^(?:{pattern})$")
    except pa.ArrowInvalid:
        expression = re.compile(pattern)
        encoded = values.dictionary_encode()
        verdicts = [bool(expression.fullmatch(text)) for text in encoded.dictionary.to_pylist()]
        return pa.array(verdicts, pa.bool_()).take(encoded.indices)


def _mask(broken: pa.Array) -> Mask:
    filled = pc.fill_null(broken, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=bool)


def _shown(values: pa.Array, row: int) -> str:
    text = str(values[row].as_py())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
