"""The job queue (PgQueuer): handing loads in, and working them off."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries, SyncQueries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import PgqException, RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.ports.driver import SyncDriver
from sqlalchemy import Connection

from layers.errors import DatabaseUnavailable
from layers.job_schema import QUEUE_SETTINGS
from layers.job_types import Again, JobOfLoad

#: The kind of job that a load is.
LOAD = "load"
_PLACEHOLDER = re.compile(r"\$(\d+)")
_RECONNECT_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, PgqException, RuntimeError)
_log = structlog.get_logger(__name__)


def enqueue_load(connection: Connection, load_id: int) -> int:
    """Hand a load to the queue within the connection's transaction.

    Returns:
        The id of its job.
    """
    queries = SyncQueries(_Driver(connection), QueryQueueBuilder(QUEUE_SETTINGS))
    job_ids = queries.enqueue(LOAD, str(load_id).encode(), dedupe_key=f"load {load_id}")
    return int(job_ids[0])


class _Driver(SyncDriver):
    """Runs the library's statements on our connection: job and record are made or undone as one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Run a statement with ``$n`` placeholders and return its rows."""
        statement = _PLACEHOLDER.sub(r"%(p\1)s", query.replace("%", "%%"))
        values = {f"p{number}": value for number, value in enumerate(args, 1)}
        rows = self._connection.exec_driver_sql(statement, values).mappings()
        return [dict(row) for row in rows]


#: Works a job off: ``None`` once there is nothing more to do.
Handler = Callable[[JobOfLoad], Awaitable[Again | None]]


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """How jobs are worked off."""

    #: Most loads at once.
    concurrency: int
    #: Seconds without a sign of life after which a worker's jobs go to another.
    heartbeat_s: float


class _Manager(QueueManager):
    """Takes no more jobs than there are hands; the library would take two at least."""

    hands: int = 1

    async def fetch_jobs(
        self,
        batch_size: int,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> AsyncGenerator[Job, None]:
        """Yield jobs, one at a time, as long as a hand is free."""
        async for job in super().fetch_jobs(batch_size, self.hands, heartbeat_timeout):
            yield job


async def work(
    database_url: str, settings: WorkSettings, handler: Handler, stop: asyncio.Event
) -> None:
    """Work jobs off until ``stop`` is set; then those under way are waited for.

    A lost connection is made again, for ever; jobs under way are not disturbed by it.

    Raises:
        DatabaseUnavailable: If the address is not one of PostgreSQL.
    """
    failures = 0
    while not stop.is_set():
        try:
            await _work_connected(database_url, settings, handler, stop)
            failures = 0
        except ValueError as error:
            raise DatabaseUnavailable("ONEMAP_DATABASE_URL is no usable address") from error
        except _LOST as error:
            _log.warning("worker.connection_lost", reason=f"{type(error).__name__}: {error}")
            pause = _RECONNECT_S[min(failures, len(_RECONNECT_S) - 1)]
            failures += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)


async def _work_connected(
    database_url: str, settings: WorkSettings, handler: Handler, stop: asyncio.Event
) -> None:
    connection = await asyncpg.connect(
        database_url, timeout=10.0, server_settings={"application_name": "onemap worker"}
    )
    try:
        manager = _Manager(_queries(connection), QUEUE_SETTINGS.channel)
        manager.hands = settings.concurrency
        manager.min_dequeue_poll_interval = timedelta(seconds=1)
        connection.add_termination_listener(lambda _: manager.shutdown.set())

        @manager.entrypoint(LOAD)
        async def run(job: Job) -> None:
            load_id = int((job.payload or b"").decode())
            again = await handler(JobOfLoad(int(job.id), load_id))
            if again is not None:
                raise RetryRequested(timedelta(seconds=again.delay_s), again.reason)

        async def stopped() -> None:
            await stop.wait()
            manager.shutdown.set()

        stopping = asyncio.create_task(stopped())
        try:
            await manager.run(
                dequeue_timeout=timedelta(seconds=settings.heartbeat_s / 2),
                batch_size=1,
                heartbeat_timeout=timedelta(seconds=settings.heartbeat_s),
                shutdown_on_listener_failure=True,
            )
        finally:
            stopping.cancel()
            with suppress(asyncio.CancelledError):
                await stopping
        if not stop.is_set():
            raise ConnectionError("the connection was closed")
    finally:
        connection.terminate()


def _queries(connection: asyncpg.Connection) -> Queries:
    return Queries(
        AsyncpgDriver(connection),
        QueryBuilderEnvironment(QUEUE_SETTINGS),
        QueryQueueBuilder(QUEUE_SETTINGS),
        QuerySchedulerBuilder(QUEUE_SETTINGS),
    )
