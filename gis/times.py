"""Instants and intervals of time, as people and OGC clients write them.

The city's clock is Beijing time (UTC+8, no daylight saving): a date alone means 00:00 of that day
there. Instants are always timezone-aware.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from gis.durations import parse_duration

BEIJING = ZoneInfo("Asia/Shanghai")

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
#: RFC 3339, section 5.6; a missing offset is read as Beijing time, a space for ``T`` is allowed.
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2})?)(\.\d+)?([Zz]|[+-]\d{2}:\d{2})?"
)
_OPEN = ("", "..")


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time with both ends included; ``None`` is an open end.

    Both ends are timezone-aware, and ``start`` is not after ``end``.
    """

    start: datetime | None
    end: datetime | None

    def __post_init__(self) -> None:
        """Refuse an interval that runs backwards."""
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(
                f"the interval ends ({self.end.isoformat()}) before it starts "
                f"({self.start.isoformat()})"
            )


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 date-time, or a date, as an instant.

    Args:
        text: Such as ``2014-05-01T08:00:00Z``, ``2014-05-01T16:00:00+08:00`` or ``2014-05-01``
            (00:00 Beijing time).

    Returns:
        The instant, timezone-aware, with microseconds at most (further digits are dropped).

    Raises:
        ValueError: If the text is neither, names no real date, or lies outside the years 1 to
            9999 of UTC, which is as far as databases and programs agree on time.
    """
    text = text.strip()
    try:
        if _DATE.fullmatch(text):
            return _within_years(datetime.fromisoformat(text).replace(tzinfo=BEIJING))
        match = _INSTANT.fullmatch(text)
        if match is None:
            raise ValueError
        day, clock, fraction, offset = match.groups()
        iso = f"{day}T{clock if clock.count(':') == 2 else clock + ':00'}{(fraction or '')[:7]}"
        zone = "+00:00" if offset in ("Z", "z") else offset or ""
        instant = datetime.fromisoformat(iso + zone)
        return _within_years(instant if instant.tzinfo else instant.replace(tzinfo=BEIJING))
    except (ValueError, OverflowError):
        raise ValueError(
            f"'{text}' is not a time: write 2014-05-01 or 2014-05-01T08:00:00+08:00"
        ) from None


def _within_years(instant: datetime) -> datetime:
    """Return ``instant``; an OverflowError if UTC has it outside the years 1 to 9999."""
    instant.astimezone(UTC)
    return instant


def parse_time(text: str) -> datetime | Interval:
    """Read the ``datetime`` parameter of OGC API Features (OGC 17-069r4, 7.15.4).

    Args:
        text: An instant, or an interval ``start/end`` of which an end may be ``..`` or empty, or
            one of them an ISO 8601 duration, such as ``P2M``.

    Returns:
        The instant, or the interval.

    Raises:
        ValueError: If the text is neither, or the interval ends before it starts.
    """
    if "/" not in text:
        if text.strip() in _OPEN:
            raise ValueError(
                "the time is empty: write 2014-05-01, or 2014-05-01/.. for an interval"
            )
        return parse_instant(text)
    parts = [part.strip() for part in text.split("/")]
    if len(parts) != 2:
        raise ValueError(
            f"'{text}' is not an interval: write 2014-05-01/2016-05-01, or 2014-05-01/.."
        )
    start, end = parts
    length = parse_duration(end)
    if length is not None:
        first = parse_instant(start)
        return Interval(first, _moved(first, length.after, text))
    length = parse_duration(start)
    if length is not None:
        last = parse_instant(end)
        return Interval(_moved(last, length.before, text), last)
    return Interval(*(None if part in _OPEN else parse_instant(part) for part in parts))


def _moved(instant: datetime, move: Callable[[datetime], datetime], text: str) -> datetime:
    try:
        return _within_years(move(instant))
    except (ValueError, OverflowError):
        raise ValueError(f"'{text}' reaches beyond the years 1 to 9999") from None
