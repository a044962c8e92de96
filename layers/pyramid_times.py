"""Times as the database counts them: microseconds from 2000-01-01 UTC, in whole numbers.

What the pyramid does with times is comparing them, a million a second, ``infinity`` included.
"""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: ``infinity``.
FOREVER = (1 << 63) - 1


def as_count(moment: datetime) -> int:
    """Return an aware moment as microseconds."""
    return (moment - _EPOCH) // _MICROSECOND


def as_moment(count: int) -> datetime:
    """Return microseconds, which are not infinite, as a moment in UTC."""
    return _EPOCH + count * _MICROSECOND
