"""The desk where loads are handed in, watched, cancelled and tried again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from layers.aside_tables import drop_leftovers
from layers.catalogue import Catalogue
from layers.database import translated_errors, writing_engine
from layers.errors import (
    LayerBusy,
    LoadNotFound,
    LoadStateConflict,
    SchemaConflict,
)
from layers.load_attendance import Attendance, begin_progress, take_lock
from layers.load_line import (
    IdempotencyKey,
    NewLoad,
    Submitted,
    end_load,
    here,
    locked_state,
    promote,
    release,
    state_of,
    submitted_before,
    values_of,
)
from layers.load_locks import cancel_statements, is_alive
from layers.load_records import (
    ENDED,
    INTERRUPTED,
    SURVEY,
    LoadRecord,
    LoadSelection,
    job_log_table,
    job_table,
    load_query,
    loads_query,
    read_record,
    unattended,
)
from layers.notices import announce_load
from layers.schema import shortcomings
from layers.system_tables import load_progress_table, load_table

_LOAD = load_table.c
#: Days for which the queue's own log is kept; what matters is in the records.
_LOG_DAYS = 30


class LoadDesk:
    """The records of loads and their place in the queue. Thread-safe; one a process is enough.

    Loads of one layer run in the order in which they were handed in: a load gets its job when those
    before it have ended. What raises ``DatabaseUnavailable`` does so when the database cannot be
    reached.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = writing_engine(database_url)

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    def refuse_unfit(self, catalogue: Catalogue) -> None:
        """See to it that loads can be kept.

        Raises:
            SchemaConflict: If the database must be migrated first.
        """
        with translated_errors(self._engine), self._engine.connect() as connection:
            missing = shortcomings(connection, catalogue)
        if missing:
            raise SchemaConflict("; ".join(missing))

    def submit(self, new: NewLoad, idempotency: IdempotencyKey | None = None) -> Submitted:
        """Put a load at the end of its layer's line.

        Raises:
            IdempotencyConflict: If the key came before, with another request.
        """
        values = values_of(new) | {"status": "queued", "queued_at": func.clock_timestamp()}
        if idempotency is not None:
            values |= {"idempotency_key": idempotency.key, "request_digest": idempotency.digest}
        with self._transaction() as connection:
            statement = upsert(load_table).values(values)
            if idempotency is not None:
                statement = statement.on_conflict_do_nothing(index_elements=["idempotency_key"])
            made = connection.execute(statement.returning(_LOAD.load_id)).scalar()
            if made is None and idempotency is not None:
                return submitted_before(connection, idempotency)
            assert made is not None  # noqa: S101 -- without a key nothing conflicts
            promote(connection, new.layer)
            announce_load(connection, made)
            return Submitted(int(made), fresh=True)

    def record(self, load_id: int) -> LoadRecord:
        """Return a load.

        Raises:
            LoadNotFound: If there is none of that number.
        """
        with self._transaction() as connection:
            row = connection.execute(load_query(load_id)).mappings().first()
        if row is None:
            raise LoadNotFound(f"there is no load {load_id}")
        return read_record(row)

    def records(self, selection: LoadSelection | None = None) -> list[LoadRecord]:
        """Return loads, the youngest first."""
        statement = loads_query(selection or LoadSelection())
        with self._transaction() as connection:
            return [read_record(row) for row in connection.execute(statement).mappings()]

    def cancel(self, load_id: int) -> None:
        """Cancel a load: at once if it waits, else as soon as it looks or its statement can end.

        Raises:
            LoadNotFound: If there is none of that number.
            LoadStateConflict: If it has ended.
        """
        with self._transaction() as connection:
            # A load that is about to commit holds its row: nobody is to wait for that.
            row = connection.execute(state_of(load_id)).first()
            if row is None or row.status != "running" or not row.alive:
                row = locked_state(connection, load_id)
            if row.status == "running" and row.alive:
                self._ask_to_stop(connection, load_id)
            elif row.status in ("queued", "running"):
                end_load(connection, row, "cancelled", None)
            elif row.status != "cancelled":
                raise LoadStateConflict(f"load {load_id} is {row.status}: it cannot be cancelled")
            announce_load(connection, load_id)

    def retry(self, load_id: int) -> None:
        """Put a load that failed or was cancelled at the end of its layer's line again.

        Raises:
            LoadNotFound: If there is none of that number.
            LoadStateConflict: If it has not failed, or cannot be run again.
        """
        with self._transaction() as connection:
            row = locked_state(connection, load_id)
            dead = row.status == "running" and not row.alive
            if row.status not in ("failed", "cancelled") and not dead:
                raise LoadStateConflict(
                    f"load {load_id} is {row.status}: only one that failed or was cancelled can "
                    "be tried again"
                )
            if row.request is None or row.kind != SURVEY:
                raise LoadStateConflict(
                    f"load {load_id} cannot be tried again: it did not come from a survey's file "
                    "by way of the queue or the command line"
                )
            connection.execute(
                update(load_table)
                .where(_LOAD.load_id == load_id)
                .values(
                    status="queued",
                    queued_at=func.clock_timestamp(),
                    attempts=0,
                    failure=None,
                    finished_at=None,
                    report=None,
                    job_id=None,
                )
            )
            promote(connection, row.layer)
            announce_load(connection, load_id)

    def tend(self) -> list[int]:
        """Put in order what dead processes left behind.

        Returns:
            The loads that were found to be interrupted and that no job will run again.
        """
        with self._transaction() as connection:
            jobless = ~select(job_table.c.id).where(job_table.c.id == _LOAD.job_id).exists()
            lost = connection.execute(
                update(load_table)
                .where(unattended(), jobless)
                .values(
                    status="failed",
                    failure=INTERRUPTED,
                    finished_at=func.clock_timestamp(),
                    job_id=None,
                )
                .returning(_LOAD.load_id)
            )
            interrupted = [int(row[0]) for row in lost]
            ended = and_(_LOAD.status.in_(ENDED), ~is_alive(_LOAD.load_id))
            astray = or_(ended, and_(_LOAD.status == "queued", jobless))
            connection.execute(
                update(load_table).where(_LOAD.job_id.is_not(None), astray).values(job_id=None)
            )
            old = func.clock_timestamp() - func.make_interval(0, 0, 0, _LOG_DAYS)
            connection.execute(delete(job_log_table).where(job_log_table.c.created < old))
            waiting = select(_LOAD.layer).where(_LOAD.status == "queued").distinct()
            for layer in sorted(connection.execute(waiting).scalars().all()):
                promote(connection, layer)
            for load_id in interrupted:
                announce_load(connection, load_id)
        with translated_errors(self._engine):
            drop_leftovers(self._engine)
        return interrupted

    def look_at_job(self, load_id: int, job_id: int, max_attempts: int) -> str:
        """Say what is to be done about a job: ``run``, ``wait`` or ``drop``.

        A load that was interrupted as often as it may be tried is ended.
        """
        with self._transaction() as connection:
            row = connection.execute(state_of(load_id)).first()
            if row is None or row.job_id != job_id:
                return "drop"
            if row.alive:
                return "wait"
            if row.status in ENDED:
                # It ended, and what ran it died before it said so.
                release(connection, load_id, row.layer)
                return "drop"
            if row.status == "running" and row.attempts >= max_attempts:
                reason = f"{INTERRUPTED} (after {row.attempts} attempts)"
                end_load(connection, row, "failed", reason)
                return "drop"
        return "run"

    @contextmanager
    def attend_new(self, new: NewLoad) -> Iterator[Attendance]:
        """Record a load that starts now, and attend to it: progress, cancelling, its end."""
        with self._attending() as connection:
            with connection.begin():
                values = values_of(new) | {
                    "status": "running",
                    "attempts": 1,
                    "started_at": func.clock_timestamp(),
                    "worker": here(),
                }
                made = insert(load_table).values(values).returning(_LOAD.load_id)
                load_id = int(connection.execute(made).scalar_one())
                take_lock(connection, load_id)
                begin_progress(connection, load_id)
                announce_load(connection, load_id)
            with Attendance(self._engine, connection, load_id, 1).watching() as attendance:
                yield attendance

    @contextmanager
    def attend(self, load_id: int, job_id: int) -> Iterator[tuple[Attendance, Mapping[str, Any]]]:
        """Start a load that waits, or whose process died, and attend to it.

        Yields:
            The attendance and what was asked for.

        Raises:
            LayerBusy: If somebody else runs it.
            LoadStateConflict: If it is not to be run.
        """
        with self._attending() as connection:
            with connection.begin():
                row = locked_state(connection, load_id)
                # Alive before anybody here took the lock: its former process's transaction.
                if row.alive or not take_lock(connection, load_id):
                    raise LayerBusy(f"load {load_id} is running elsewhere")
                if row.status not in ("queued", "running") or row.job_id != job_id:
                    raise LoadStateConflict(f"load {load_id} is {row.status}: it is not to be run")
                attempts = row.attempts + 1
                connection.execute(
                    update(load_table)
                    .where(_LOAD.load_id == load_id)
                    .values(
                        status="running",
                        attempts=attempts,
                        started_at=func.clock_timestamp(),
                        finished_at=None,
                        worker=here(),
                    )
                )
                begin_progress(connection, load_id)
                announce_load(connection, load_id)
            with Attendance(self._engine, connection, load_id, attempts).watching() as attendance:
                yield attendance, row.request or {}

    def end(
        self, load_id: int, status: str, failure: str | None, report: Any | None = None
    ) -> None:
        """Record how a load ended, and let the next of its layer go on.

        Args:
            load_id: The load.
            status: ``done``, ``failed`` or ``cancelled``.
            failure: Why it failed.
            report: The report of a load that was refused.
        """
        with self._transaction() as connection:
            end_load(connection, locked_state(connection, load_id), status, failure, report)
            announce_load(connection, load_id)

    def postpone(self, load_id: int, reason: str, *, counts: bool) -> None:
        """Put a load back into its place in the line; its job stays.

        Args:
            load_id: The load.
            reason: Why it did not come to an end.
            counts: Whether this was one of the attempts that it has.
        """
        with self._transaction() as connection:
            connection.execute(
                update(load_table)
                .where(
                    _LOAD.load_id == load_id,
                    _LOAD.status.in_(("running", "failed")),
                    _LOAD.job_id.is_not(None),
                )
                .values(
                    status="queued",
                    failure=reason,
                    finished_at=None,
                    attempts=_LOAD.attempts - (0 if counts else 1),
                )
            )
            announce_load(connection, load_id)

    def interrupt(self, load_id: int) -> None:
        """End the statement that a load waits for, if it does; what then is for the load to say."""
        with self._transaction() as connection:
            connection.execute(cancel_statements(load_id))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with translated_errors(self._engine), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _attending(self) -> Iterator[Connection]:
        # A session of its own: its lock goes with it, and must not come back into the pool.
        with translated_errors(self._engine):
            connection = self._engine.connect()
        try:
            yield connection
        finally:
            connection.invalidate()
            connection.close()

    def _ask_to_stop(self, connection: Connection, load_id: int) -> None:
        wish = upsert(load_progress_table).values(
            load_id=load_id,
            stage="opening",
            updated_at=func.clock_timestamp(),
            cancel_requested=True,
        )
        connection.execute(
            wish.on_conflict_do_update(index_elements=["load_id"], set_={"cancel_requested": True})
        )
