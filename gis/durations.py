"""ISO 8601 durations, as intervals of time may be given with one (``2014-05-01/P2M``)."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta

_DURATION = re.compile(
    r"P(?=.)(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,6})W)?(?:(\d{1,7})D)?"
    r"(?:T(?=.)(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,10})S)?)?"
)


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of the calendar: months, and what has the same length always."""

    months: int
    rest: timedelta

    def after(self, instant: datetime) -> datetime:
        """Return the instant so much later.

        Raises:
            OverflowError, ValueError: If that is beyond the calendar.
        """
        return _by_months(instant, self.months) + self.rest

    def before(self, instant: datetime) -> datetime:
        """Return the instant so much earlier; errors as in ``after``."""
        return _by_months(instant - self.rest, -self.months)


def parse_duration(text: str) -> Duration | None:
    """Read an ISO 8601 duration of whole numbers; nothing where the text is none."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    years, months, weeks, days, hours, minutes, seconds = (
        int(part or 0) for part in match.groups()
    )
    rest = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return Duration(12 * years + months, rest)


def _by_months(instant: datetime, months: int) -> datetime:
    """Move by months of the calendar; the 31st becomes the last day of a shorter month."""
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return instant.replace(year=year, month=month + 1, day=min(instant.day, last))
