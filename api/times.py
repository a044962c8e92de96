"""The ``datetime`` and ``asOf`` parameters."""

import re
from datetime import datetime

from api.errors import InvalidParameter
from gis.times import Interval, parse_instant, parse_time

#: The ``+`` of an offset that stands unescaped in an address arrives as a space.
_LOST_PLUS = re.compile(r"(:\d{2}(?:\.\d+)?) (?=\d{2}:\d{2}(?:/|$))")


def valid_time(text: str | None, name: str = "datetime") -> datetime | Interval | None:
    """Read ``datetime``: an instant or an interval; ``None`` is now.

    Args:
        text: The parameter's value.
        name: The parameter's name, for words about it.

    Raises:
        InvalidParameter: If it is neither.
    """
    if text is None:
        return None
    try:
        return parse_time(_with_plus(text))
    except ValueError as error:
        raise InvalidParameter(f"{name}: {error}") from error


def valid_instant(text: str | None, name: str = "datetime") -> datetime | None:
    """Read ``datetime`` where only an instant will do, as for a tile.

    Args:
        text: The parameter's value.
        name: The parameter's name, for words about it.

    Raises:
        InvalidParameter: If it is none.
    """
    time = valid_time(text, name)
    if isinstance(time, Interval):
        raise InvalidParameter(f"{name}: a map shows one instant, not an interval")
    return time


def record_time(text: str | None) -> datetime | None:
    """Read ``asOf``: an instant; ``None`` is now.

    Raises:
        InvalidParameter: If it is none.
    """
    if text is None:
        return None
    try:
        return parse_instant(_with_plus(text))
    except ValueError as error:
        raise InvalidParameter(f"asOf: {error}") from error


def _with_plus(text: str) -> str:
    return _LOST_PLUS.sub(r"\1+", text)
