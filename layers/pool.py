"""A bounded pool of asyncpg connections whose failures are said in domain words."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import asyncpg
from sqlalchemy import ClauseElement, func, select

from layers.connections_at_hand import CONNECT_TIMEOUT_S, ConnectionsAtHand
from layers.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    InvalidValue,
    QueryTimeout,
    SchemaConflict,
)
from layers.settings import LayersSettings
from layers.sql import (
    compile_for_asyncpg,
    local_setting,
    local_time_limit,
    plan_mode_statement,
    share_snapshot_statement,
)
from layers.turns import Turns

#: A query that the database should have given up, and a connection that is given back, get so much
#: longer before the connection is given up.
_GRACE_S = 5.0
#: Statements that a connection keeps prepared, however long their text is.
_STATEMENTS = 64
_UNREACHABLE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    # Shut down, crashed, starting up, dropped.
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
#: A table or a column is missing, or has another type than the definition (then the comparison
#: with a value has no operator).
_UNFIT = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)
#: A filter's numbers and times go beyond what can be computed, or a geometry is no figure.
_UNCOMPUTABLE = (asyncpg.DataError, asyncpg.InternalServerError)
_BEYOND = "filter: what it computes goes beyond the numbers and times of 64 bits"
_NO_FIGURE = "filter: relates a geometry that is invalid: ask for fewer features"
_RUN_MIGRATE = "the database is not of the form that the definitions need: run onemap migrate"

#: Work that is nobody's in particular, and that of exports.
COMMON = "common"
EXPORTS = "exports"


def _told(error: asyncpg.PostgresError) -> Exception:
    if isinstance(error, asyncpg.DataError):
        return InvalidValue(_BEYOND)
    return InvalidValue(_NO_FIGURE) if "GEOS" in str(error) else error


@contextmanager
def _understood() -> Iterator[None]:
    """Say in our own words what a statement of ours may meet."""
    try:
        yield
    except _UNFIT as error:
        raise SchemaConflict(_RUN_MIGRATE) from error
    except _UNCOMPUTABLE as error:
        raise _told(error) from error


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """How a pool fares: the first three are of now, the others count from its beginning."""

    size: int
    in_use: int
    waiting: int
    #: Sent away because too many waited.
    refused: int
    #: Sent away because they waited too long.
    expired: int
    #: Given up because nobody wanted the answer any more.
    cancelled: int
    #: Given up because they took too long.
    timed_out: int


class _ReadingConnection(asyncpg.Connection):  # type: ignore[misc]  # it has no types
    """A connection that sets its session as each reading wants it, and nothing back after it."""

    def get_reset_query(self) -> str:
        """Return nothing: a query here would cost every reading a round trip."""
        return ""

    #: Whether the session plans a statement once for all values.
    _plans_once = False

    async def plan_once(self, wanted: bool) -> None:
        """Have the session plan each statement once for all values, or as it finds fitting."""
        if wanted != self._plans_once:
            await self.execute(plan_mode_statement(once=wanted))
            self._plans_once = wanted


class ReadingPool:
    """Connections for reading, made when they are first needed.

    A request waits for a free one as long as the settings say, in a line of bounded length in
    which shares (``layers.turns``) take turns; every query has the settings' time limit, and is
    cancelled when the task that waits for it is.
    """

    def __init__(self, settings: LayersSettings) -> None:
        self._settings = settings
        self._connections: ConnectionsAtHand | None = None
        self._opening = asyncio.Lock()
        self._turns = Turns(settings.pool_size, settings.pool_queue, settings.pool_wait_s)
        # Exports are long: however many are wanted, connections are left for the rest.
        places = min(settings.export_connections, max(1, settings.pool_size - 1))
        self._exports = Turns(places, settings.pool_queue, settings.pool_wait_s)
        self._cancelled = 0
        self._timed_out = 0

    async def close(self) -> None:
        """Close every connection; queries still running are cancelled."""
        if self._connections is not None:
            self._connections.close()
            self._connections = None

    def figures(self) -> PoolFigures:
        """Return how the pool fares."""
        turns = self._turns
        return PoolFigures(
            self._settings.pool_size,
            turns.in_use,
            turns.waiting,
            turns.refused,
            turns.expired,
            self._cancelled,
            self._timed_out,
        )

    async def fetch(self, statement: ClauseElement, share: str = COMMON) -> list[asyncpg.Record]:
        """Run a statement and return its rows.

        Args:
            statement: What to run.
            share: Whose work it is.

        Raises:
            DatabaseUnavailable: If the database cannot be reached.
            DatabaseBusy: If no connection became free in time, or too many wait for one.
            QueryTimeout: If the query ran into its time limit.
            SchemaConflict: If the database lacks a table or a column.
            InvalidValue: If a filter computes what is beyond 64 bits.
        """
        sql, values = compile_for_asyncpg(statement)
        return await self.fetch_text(sql, values, share)

    async def fetch_text(
        self,
        sql: str,
        values: list[Any],
        share: str = COMMON,
        limit_s: float | None = None,
        *,
        plan_once: bool = False,
    ) -> list[asyncpg.Record]:
        """Run compiled SQL; errors as in ``fetch``.

        Args:
            sql: What to run.
            values: Its values.
            share: Whose work it is.
            limit_s: Seconds it may take, where that is less than usual.
            plan_once: Whether one plan suits all values. PostgreSQL would plan a statement of
                thirty layers anew each time, which takes longer than most tiles.
        """
        async with self.connection(share) as connection:
            await connection.plan_once(plan_once)
            return await self.fetch_on(connection, sql, values, limit_s)

    async def fetch_on(
        self,
        connection: asyncpg.Connection,
        sql: str,
        values: list[Any],
        limit_s: float | None = None,
    ) -> list[asyncpg.Record]:
        """Run compiled SQL on a connection that was lent; errors as in ``fetch``."""
        usual = self._settings.statement_timeout_s
        # The database keeps the usual limit itself; one that went silent does not.
        patience = usual + _GRACE_S if limit_s is None or limit_s >= usual else limit_s
        try:
            with _understood():
                rows: list[asyncpg.Record] = await connection.fetch(sql, *values, timeout=patience)
        except (asyncpg.QueryCanceledError, TimeoutError) as error:
            self._timed_out += 1
            raise QueryTimeout(
                f"the query took longer than {min(usual, limit_s or usual):g} s: "
                "ask for less at a time"
            ) from error
        except asyncio.CancelledError:
            self._cancelled += 1
            raise
        return rows

    @asynccontextmanager
    async def one_state(
        self, share: str, most: int, *, plan_once: bool, by_blocks: bool = False
    ) -> AsyncIterator[list[asyncpg.Connection]]:
        """Lend connections that all see the same state of the database.

        Args:
            share: Whose work it is.
            most: How many are wanted at most: one is lent, and further ones only while half of all
                are free.
            plan_once: As in ``fetch_text``.
            by_blocks: Whether statements are planned to visit each block of a table once, in place
                of each row when an index comes to it: faster where an index finds many rows of
                which most are of no use, which the planner does not know when it plans once.

        Raises:
            DatabaseUnavailable: If the database cannot be reached.
            DatabaseBusy: If no connection became free in time, or too many wait for one.
        """
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(self.connection(share))
            lent = [first]
            while len(lent) < most:
                further = await stack.enter_async_context(self._spare_connection(share))
                if further is None:
                    break
                lent.append(further)
            for connection in lent:
                await connection.plan_once(plan_once)
                await stack.enter_async_context(
                    connection.transaction(isolation="repeatable_read", readonly=True)
                )
            if len(lent) > 1:
                sql, _ = compile_for_asyncpg(select(func.pg_export_snapshot()))
                shared = share_snapshot_statement(await first.fetchval(sql))
                for connection in lent[1:]:
                    await connection.execute(shared)
            if by_blocks:
                sql, values = compile_for_asyncpg(local_setting("enable_indexscan", "off"))
                for connection in lent:
                    await connection.execute(sql, *values)
            yield lent

    @asynccontextmanager
    async def _spare_connection(self, share: str) -> AsyncIterator[asyncpg.Connection | None]:
        async with self._turns.spare_turn(share) as held:
            if not held:
                yield None
                return
            async with self._acquired() as connection:
                yield connection

    async def stream(self, statement: ClauseElement, size: int) -> AsyncGenerator[list[Any]]:
        """Yield the rows of a statement as one state of the database has them, some at a time.

        The query ends with the iterator: close it (``contextlib.aclosing``) where it is left early.

        Args:
            statement: What to run.
            size: The most rows at once.

        Raises:
            DatabaseUnavailable, SchemaConflict, InvalidValue: As in ``fetch``.
            DatabaseBusy: If no connection became free in time, or as many exports run as may.
            QueryTimeout: If it took longer than an export may, waiting for whom it is for included.
        """
        sql, values = compile_for_asyncpg(statement)
        limit_s = self._settings.export_timeout_s
        deadline = perf_counter() + limit_s
        async with self._long_reading() as connection:
            cursor = await connection.cursor(sql, *values)
            while rows := await cursor.fetch(size, timeout=limit_s + _GRACE_S):
                yield rows
                if perf_counter() > deadline:
                    raise TimeoutError

    async def copy(
        self, statement: ClauseElement, take: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Hand the rows of a statement to ``take`` as CSV, some whole rows at a time.

        Nulls are empty, empty texts are quoted. ``take`` may wait; what it raises ends the query.
        It must raise no ``OSError``, which would be taken for one of the database's connection.
        Errors as in ``stream``.
        """
        sql, values = compile_for_asyncpg(statement)
        patience = self._settings.export_timeout_s + _GRACE_S
        async with self._long_reading() as connection:
            await connection.copy_from_query(
                sql, *values, output=take, format="csv", timeout=patience
            )

    @asynccontextmanager
    async def _long_reading(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection to an export: one state of the database, and an export's time limit."""
        limit_s = self._settings.export_timeout_s
        async with self._exports.turn(COMMON), self.connection(EXPORTS) as connection:
            try:
                with _understood():
                    async with connection.transaction(readonly=True):
                        await connection.plan_once(False)
                        limit_sql, limit_values = compile_for_asyncpg(local_time_limit(limit_s))
                        await connection.execute(limit_sql, *limit_values)
                        yield connection
            except (asyncpg.QueryCanceledError, TimeoutError) as error:
                self._timed_out += 1
                raise QueryTimeout(
                    f"the export took longer than {limit_s:g} s: ask for less at a time"
                ) from error
            except (asyncio.CancelledError, GeneratorExit):
                self._cancelled += 1
                raise

    @asynccontextmanager
    async def connection(self, share: str = COMMON) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection for work of a share."""
        try:
            async with self._turns.turn(share), self._acquired() as connection:
                yield connection
        except asyncpg.InsufficientResourcesError as error:
            raise DatabaseBusy("the database is short of room: try again soon") from error
        except _UNREACHABLE as error:
            raise DatabaseUnavailable("the database cannot be reached") from error

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[asyncpg.Connection]:
        connections = self._connections or await self._open()
        async with connections.lent() as connection:
            yield connection

    async def _open(self) -> ConnectionsAtHand:
        async with self._opening:
            if self._connections is None:
                pool = await asyncpg.create_pool(
                    self._settings.url(),
                    min_size=0,
                    max_size=self._settings.pool_size,
                    timeout=CONNECT_TIMEOUT_S,
                    connection_class=_ReadingConnection,
                    statement_cache_size=_STATEMENTS,
                    max_cached_statement_lifetime=0,
                    max_cacheable_statement_size=0,
                    server_settings=self.server_settings(),
                )
                self._connections = ConnectionsAtHand(pool)
            return self._connections

    def server_settings(self) -> dict[str, str]:
        """Return the session settings of every reading connection."""
        milliseconds = round(self._settings.statement_timeout_s * 1000)
        return {
            "application_name": "onemap",
            "default_transaction_read_only": "on",
            "jit": "off",
            "statement_timeout": str(milliseconds),
        }
