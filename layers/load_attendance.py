"""Attending to one load while it runs: it is seen to live, says how far it is, can be cancelled."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError

from layers.database import translated_errors
from layers.errors import LoadCancelled
from layers.load_locks import ATTENDED, cancel_statements, lock_key
from layers.notices import announce_load
from layers.system_tables import load_progress_table

#: Seconds between two statements about the progress, and between two looks for a cancellation.
_PAUSE_S = 0.5


def take_lock(connection: Connection, load_id: int) -> bool:
    """Let the connection's session hold the lock of who attends to a load; tell whether it does."""
    lock = func.pg_try_advisory_lock(ATTENDED, lock_key(load_id))
    return bool(connection.execute(select(lock)).scalar_one())


def begin_progress(connection: Connection, load_id: int) -> None:
    """Record that a load begins, and that nobody wants it to stop."""
    now = func.clock_timestamp()
    values = {
        "stage": "opening",
        "rows": 0,
        "total": None,
        "updated_at": now,
        "stage_started_at": now,
        "cancel_requested": False,
    }
    _keep(connection, load_id, values)


def _keep(connection: Connection, load_id: int, values: dict[str, Any]) -> bool:
    statement = (
        upsert(load_progress_table)
        .values(values | {"load_id": load_id})
        .on_conflict_do_update(index_elements=["load_id"], set_=values)
        .returning(load_progress_table.c.cancel_requested)
    )
    return bool(connection.execute(statement).scalar_one())


class Attendance:
    """Keeps the progress of a load on a session of its own. Made by ``LoadDesk``."""

    def __init__(self, engine: Engine, connection: Connection, load_id: int, attempts: int) -> None:
        self.load_id = load_id
        #: How often the load was started, this time included.
        self.attempts = attempts
        self._engine = engine
        self._connection = connection
        self._using = threading.Lock()
        self._ended = threading.Event()
        self._cancelled = threading.Event()
        self._stage = ""
        self._told_at = 0.0

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants the load to stop."""
        return self._cancelled.is_set()

    def tell(self, stage: str, rows: int, total: int | None) -> None:
        """Say how far the load is; written at most twice a second, a new stage at once.

        Raises:
            LoadCancelled: If somebody wants the load to stop.
            DatabaseUnavailable: If the session was lost.
        """
        if self.cancelled:
            raise LoadCancelled("the load was cancelled; nothing was changed")
        now = time.monotonic()
        if stage == self._stage and now - self._told_at < _PAUSE_S:
            return
        fresh = stage != self._stage
        self._stage, self._told_at = stage, now
        with self._using, translated_errors(self._engine), self._connection.begin():
            self._write(stage, rows, total, fresh=fresh)
        if self.cancelled:
            raise LoadCancelled("the load was cancelled; nothing was changed")

    @contextmanager
    def watching(self) -> Iterator["Attendance"]:
        """In the ``with`` block a cancellation also ends a statement that takes long."""
        watch = threading.Thread(target=self._watch, name=f"load-{self.load_id}", daemon=True)
        watch.start()
        try:
            yield self
        finally:
            self._ended.set()
            watch.join()

    def _write(self, stage: str, rows: int, total: int | None, *, fresh: bool) -> None:
        now = func.clock_timestamp()
        values = {"stage": stage, "rows": rows, "total": total, "updated_at": now}
        if fresh:
            values["stage_started_at"] = now
        # How far a load was is worth nothing after a crash: no need to wait for the disk.
        self._connection.execute(select(func.set_config("synchronous_commit", "off", True)))
        wished = _keep(self._connection, self.load_id, values)
        if wished:
            self._cancelled.set()
        announce_load(self._connection, self.load_id)

    def _watch(self) -> None:
        wish = select(load_progress_table.c.cancel_requested).where(
            load_progress_table.c.load_id == self.load_id
        )
        while not self._ended.wait(_PAUSE_S):
            try:
                with self._using, self._connection.begin():
                    if self._connection.execute(wish).scalar():
                        self._cancelled.set()
                    if self.cancelled:
                        self._connection.execute(cancel_statements(self.load_id))
            except DBAPIError:
                # The session is lost; the next ``tell`` says so.
                return
