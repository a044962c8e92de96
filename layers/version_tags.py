"""Short texts that name one recorded version of a feature, for optimistic locking."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def version_tag(feature_id: int, version: int, recorded_from: datetime) -> str:
    """Return a text that is another one as soon as anything of the version is recorded anew.

    The version's number alone would not do: its end may be recorded later, with the same number.
    """
    return f"{feature_id}.{version}.{(recorded_from - _EPOCH) // _MICROSECOND:x}"
