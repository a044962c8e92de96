"""The line of loads before each layer: who is in it, and whose turn it is.

All functions work within the connection's transaction.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, func, select, update

from gis.late import LateModule
from layers.errors import IdempotencyConflict, LoadNotFound
from layers.load_locks import LINE, is_alive
from layers.system_tables import load_table

if TYPE_CHECKING:
    from layers import job_queue
else:
    job_queue = LateModule("layers.job_queue")

_LOAD = load_table.c


@dataclass(frozen=True, slots=True)
class NewLoad:
    """A load that somebody asks for."""

    layer: str
    #: Name of the survey's file or service.
    source: str
    #: All that is needed to run it, as JSON can hold it.
    request: Mapping[str, Any]
    operator: str
    valid_from: datetime | None = None
    full: bool = False


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a client calls a request that it may send twice."""

    key: str
    #: Digest of what is asked for: the same key with another one is an error.
    digest: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to a request for a load."""

    load_id: int
    #: Whether it was made now; else the same request came before.
    fresh: bool


def here() -> str:
    """Return the name of this process among all workers."""
    return f"{socket.gethostname()}:{os.getpid()}"


def values_of(new: NewLoad) -> dict[str, Any]:
    """Return the columns that a new load fills."""
    return {
        "layer": new.layer,
        "source": new.source,
        "request": dict(new.request),
        "operator": new.operator,
        "valid_from": new.valid_from,
        "full_survey": new.full,
    }


def submitted_before(connection: Connection, idempotency: IdempotencyKey) -> Submitted:
    """Return the load that came with the key before.

    Raises:
        IdempotencyConflict: If it was asked for otherwise.
    """
    row = connection.execute(
        select(_LOAD.load_id, _LOAD.request_digest).where(_LOAD.idempotency_key == idempotency.key)
    ).one()
    if row.request_digest != idempotency.digest:
        raise IdempotencyConflict(
            f"the idempotency key of load {row.load_id} came with another request: "
            "choose another key"
        )
    return Submitted(int(row.load_id), fresh=False)


def state_of(load_id: int) -> Select[Any]:
    """Return the statement that reads what decides over a load."""
    return select(
        _LOAD.load_id,
        _LOAD.layer,
        _LOAD.kind,
        _LOAD.status,
        _LOAD.attempts,
        _LOAD.job_id,
        _LOAD.request,
        is_alive(_LOAD.load_id).label("alive"),
    ).where(_LOAD.load_id == load_id)


def locked_state(connection: Connection, load_id: int) -> Row[Any]:
    """Return what decides over a load, and keep others from changing it.

    Raises:
        LoadNotFound: If there is none of that number.
    """
    row = connection.execute(state_of(load_id).with_for_update()).first()
    if row is None:
        raise LoadNotFound(f"there is no load {load_id}")
    return row


def end_load(
    connection: Connection,
    row: Row[Any],
    status: str,
    failure: str | None,
    report: Any | None = None,
) -> None:
    """Record how a load ended, and let the next of the layer go on."""
    values: dict[str, Any] = {"status": status, "failure": failure}
    if status != "done":
        values["finished_at"] = func.clock_timestamp()
    if report is not None:
        values["report"] = report
    mine = update(load_table).where(_LOAD.load_id == row.load_id)
    if status != "done":
        # What is done stays done, whatever is said later.
        mine = mine.where(_LOAD.status != "done")
    connection.execute(mine.values(values))
    release(connection, row.load_id, row.layer)


def release(connection: Connection, load_id: int, layer: str) -> None:
    """Part a load from its job, and let the next of the layer go on."""
    connection.execute(update(load_table).where(_LOAD.load_id == load_id).values(job_id=None))
    promote(connection, layer)


def promote(connection: Connection, layer: str) -> None:
    """Give the first load of a layer's line its job, unless one has it."""
    connection.execute(select(func.pg_advisory_xact_lock(LINE, func.hashtext(layer))))
    mine = _LOAD.layer == layer
    taken = select(_LOAD.load_id).where(mine, _LOAD.job_id.is_not(None)).limit(1)
    if connection.execute(taken).first() is not None:
        return
    first = (
        select(_LOAD.load_id)
        .where(mine, _LOAD.status == "queued")
        .order_by(_LOAD.queued_at, _LOAD.load_id)
        .limit(1)
    )
    load_id = connection.execute(first).scalar()
    if load_id is not None:
        job_id = job_queue.enqueue_load(connection, load_id)
        connection.execute(update(load_table).where(_LOAD.load_id == load_id).values(job_id=job_id))
