"""How long a load will take, reckoned from how far it has come."""

from dataclasses import dataclass
from datetime import datetime

from layers.load_records import LoadRecord

#: Seconds of a stage before its rate is believed.
_SETTLED_S = 1.0
#: Time to apply a survey over the time to read, check and send it, for an estimate before the
#: first is known: both go over the same rows, and the database sorts and indexes them.
_APPLY_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Pace:
    """How quickly a load goes on."""

    rows_per_second: float | None
    #: Seconds until the load is done; ``None`` where nobody can know yet.
    eta_s: float | None


def pace(stage: str | None, rows: int, total: int | None, before_s: float, in_s: float) -> Pace:
    """Reckon a load's pace.

    Args:
        stage: ``opening``, ``checking``, ``applying`` or another.
        rows: Rows of the source that were read.
        total: Rows of the source, where the format knows.
        before_s: Seconds from the load's start to the start of its stage.
        in_s: Seconds since then.
    """
    if stage == "checking":
        if in_s < _SETTLED_S or rows <= 0:
            return Pace(None, None)
        rate = rows / in_s
        if total is None:
            return Pace(rate, None)
        left = max(total - rows, 0) / rate
        return Pace(rate, left + _APPLY_SHARE * max(total, rows) / rate)
    if stage == "applying":
        left = _APPLY_SHARE * before_s - in_s
        # Longer than expected: better no figure than a wrong one.
        return Pace(None, left if left > 0 else None)
    return Pace(None, None)


def pace_of(record: LoadRecord) -> Pace:
    """Reckon the pace of a load that runs; of any other nothing is known."""
    if record.status != "running" or record.started_at is None:
        return Pace(None, None)
    begun = record.stage_started_at or record.started_at
    told = record.progress_at if record.stage == "checking" else record.now
    found = pace(
        record.stage,
        record.rows,
        record.total,
        _seconds(record.started_at, begun),
        _seconds(begun, told or record.now),
    )
    if found.eta_s is None or record.stage != "checking":
        return found
    # The figures are a moment old.
    aged = max(found.eta_s - _seconds(told or record.now, record.now), 0.0)
    return Pace(found.rows_per_second, aged)


def _seconds(start: datetime, end: datetime) -> float:
    return max((end - start).total_seconds(), 0.0)
