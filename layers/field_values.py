"""Read the text of a value, as an address or a filter gives it, as the type of a field."""

import math
from collections.abc import Callable
from datetime import date
from typing import Any

from gis.times import parse_instant
from layers.definition import FieldDefinition, FieldType
from layers.errors import InvalidValue

_BOOLEANS = {"true": True, "false": False}


def _integer(text: str) -> int:
    value = int(_plain(text))
    if not -(2**63) <= value < 2**63:
        raise ValueError
    return value


def _number(text: str) -> float:
    value = float(_plain(text))
    if not math.isfinite(value):
        raise ValueError
    return value


def _plain(text: str) -> str:
    """Refuse what only Python takes for a number: ``1_000``, and digits of other scripts."""
    if not text.isascii() or "_" in text:
        raise ValueError
    return text


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError
    return text


_READERS: dict[FieldType, Callable[[str], Any]] = {
    FieldType.TEXT: _text,
    FieldType.INTEGER: _integer,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: lambda text: _BOOLEANS[text.casefold()],
    FieldType.DATE: date.fromisoformat,
    FieldType.DATETIME: parse_instant,
}


def read_value(field: FieldDefinition, text: str) -> Any:
    """Return ``text`` as a value of ``field``.

    Raises:
        InvalidValue: If it is none; the message names the field and the type wanted.
    """
    try:
        return _READERS[field.type](text)
    except (ValueError, KeyError) as error:
        raise InvalidValue(f"{field.name}: '{text}' is not of type {field.type}") from error
