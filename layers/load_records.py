"""The records of loads as they are read: what was asked, how far it has come, how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    and_,
    case,
    column,
    func,
    literal,
    or_,
    select,
    table,
)

from layers.load_locks import is_alive
from layers.system_tables import (
    QUEUE_LOG_TABLE,
    QUEUE_TABLE,
    SYSTEM_SCHEMA,
    load_progress_table,
    load_table,
)

#: A load with one of these has ended, unless a job is still at it.
ENDED = ("done", "failed", "cancelled")
STATUSES = ("queued", "running", *ENDED)
#: The kind of load that reads a survey; others repair one or take one back.
SURVEY = "survey"
#: What is said of a load whose process died.
INTERRUPTED = "the load was interrupted: what ran it has died; nothing was changed"
#: Seconds that a load made outside the queue may take from its record to its lock.
_GRACE_S = 3.0

job_table = table(
    QUEUE_TABLE,
    column("id", BigInteger),
    column("execute_after", DateTime(timezone=True)),
    schema=SYSTEM_SCHEMA,
)
job_log_table = table(
    QUEUE_LOG_TABLE,
    column("created", DateTime(timezone=True)),
    schema=SYSTEM_SCHEMA,
)


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One load."""

    load_id: int
    layer: str
    kind: str
    #: Name of the survey's file or service.
    source: str
    request: Mapping[str, Any] | None
    checksum: str | None
    crs: str | None
    mapping_name: str | None
    operator: str
    valid_from: datetime | None
    full_survey: bool
    #: One of ``STATUSES``; a load whose process died is failed.
    status: str
    failure: str | None
    attempts: int
    #: Whether the load is over: nothing will run it again by itself.
    final: bool
    worker: str | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    #: When a load that waits will be tried, where that is in the future.
    next_attempt_at: datetime | None
    #: Loads of the same layer that come first.
    ahead: int
    #: ``opening``, ``checking``, ``applying`` …; ``None`` before the first.
    stage: str | None
    rows: int
    total: int | None
    stage_started_at: datetime | None
    #: When the load last said how far it is.
    progress_at: datetime | None
    cancel_requested: bool
    #: The database's clock when the record was read.
    now: datetime
    recorded_at: datetime | None
    data_version: int | None
    added: int | None
    changed: int | None
    unchanged: int | None
    closed: int | None
    quarantined: int | None
    reverts: int | None
    reverted_by: int | None
    has_report: bool


@dataclass(frozen=True, slots=True)
class LoadSelection:
    """Which loads to read."""

    #: Only these layers'; of all if ``None``.
    layers: tuple[str, ...] | None = None
    #: Only those with this status.
    status: str | None = None
    #: Only those with smaller numbers.
    before: int | None = None
    #: At most so many.
    limit: int = 100


def unattended() -> ColumnElement[bool]:
    """Return whether a load is said to run although nobody runs it."""
    begun = func.coalesce(load_table.c.started_at, load_table.c.queued_at)
    grace = func.make_interval(0, 0, 0, 0, 0, 0, _GRACE_S)
    return and_(
        load_table.c.status == "running",
        or_(begun.is_(None), begun < func.clock_timestamp() - grace),
        ~is_alive(load_table.c.load_id),
    )


def load_query(load_id: int) -> Select[Any]:
    """Return the statement that reads one load."""
    return _loads().where(load_table.c.load_id == load_id)


def loads_query(selection: LoadSelection) -> Select[Any]:
    """Return the statement that reads loads, the youngest first."""
    statement = _loads().order_by(load_table.c.load_id.desc()).limit(selection.limit)
    if selection.layers is not None:
        statement = statement.where(load_table.c.layer.in_(selection.layers))
    if selection.before is not None:
        statement = statement.where(load_table.c.load_id < selection.before)
    if selection.status is not None:
        statement = statement.where(_status() == selection.status)
    return statement


def harvests_query(layer: str, source: str, limit: int) -> Select[Any]:
    """Return the statement that reads the watermarks of loads from an address, youngest first.

    Args:
        layer: The layer loaded into.
        source: The address.
        limit: At most so many.
    """
    return (
        select(load_table.c.report["watermark"].label("watermark"), load_table.c.reverted_by)
        .where(
            load_table.c.layer == layer,
            load_table.c.source == source,
            load_table.c.status == "done",
        )
        .order_by(load_table.c.load_id.desc())
        .limit(limit)
    )


def read_record(row: Mapping[Any, Any], request: Any = None) -> LoadRecord:
    """Return the record of a row of ``load_query`` or ``loads_query``.

    Args:
        row: Its columns by name.
        request: What the load was asked for, decoded, where the driver does not do it.
    """
    values = {name: row[name] for name in LoadRecord.__slots__}
    if request is not None:
        values["request"] = request
    return LoadRecord(**values)


def _status() -> ColumnElement[str]:
    return case((unattended(), literal("failed")), else_=load_table.c.status)


def _loads() -> Select[Any]:
    load, progress = load_table.c, load_progress_table.c
    dead = unattended()
    own = (
        "load_id", "layer", "kind", "source", "request", "checksum", "crs", "mapping_name",
        "operator", "valid_from", "full_survey", "attempts", "worker", "queued_at", "started_at",
        "finished_at", "recorded_at", "data_version", "added", "changed", "unchanged", "closed",
        "quarantined", "reverts", "reverted_by",
    )  # fmt: skip
    before = load_table.alias("before")
    ahead = (
        select(func.count())
        .where(
            before.c.layer == load.layer,
            before.c.status.in_(("queued", "running")),
            before.c.queued_at.is_not(None),
            before.c.load_id != load.load_id,
            or_(
                before.c.queued_at < load.queued_at,
                and_(before.c.queued_at == load.queued_at, before.c.load_id < load.load_id),
            ),
        )
        .scalar_subquery()
    )
    later = job_table.c.execute_after > func.clock_timestamp()
    return (
        select(
            *(load_table.c[name] for name in own),
            _status().label("status"),
            case((dead, literal(INTERRUPTED)), else_=load.failure).label("failure"),
            and_(_status().in_(ENDED), load.job_id.is_(None)).label("final"),
            case((later, job_table.c.execute_after)).label("next_attempt_at"),
            case((load.status == "queued", ahead), else_=0).label("ahead"),
            progress.stage,
            func.coalesce(progress.rows, 0).label("rows"),
            progress.total,
            progress.stage_started_at,
            progress.updated_at.label("progress_at"),
            func.coalesce(progress.cancel_requested, False).label("cancel_requested"),
            func.clock_timestamp(type_=DateTime(timezone=True)).label("now"),
            load.report.is_not(None).label("has_report"),
        )
        .select_from(load_table)
        .outerjoin(load_progress_table, progress.load_id == load.load_id)
        .outerjoin(job_table, job_table.c.id == load.job_id)
    )
