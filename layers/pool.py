"""A bounded pool of asyncpg connections whose failures are said in domain words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import ClauseElement

from layers.errors import DatabaseBusy, DatabaseUnavailable, QueryTimeout, SchemaConflict
from layers.settings import LayersSettings
from layers.sql import compile_for_asyncpg

_CONNECT_TIMEOUT_S = 5.0
_UNREACHABLE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
)
#: A table or a column is missing, or has another type than the definition (then the comparison
#: with a value has no operator).
_UNFIT = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)


class ReadingPool:
    """Connections for reading, made when they are first needed.

    A request waits for a free one as long as the settings say; every query has the settings'
    time limit, and is cancelled when the task that waits for it is.
    """

    def __init__(self, settings: LayersSettings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Close every connection; queries still running are cancelled."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def fetch(self, statement: ClauseElement) -> list[asyncpg.Record]:
        """Run a statement and return its rows.

        Raises:
            DatabaseUnavailable: If the database cannot be reached.
            DatabaseBusy: If no connection became free in time.
            QueryTimeout: If the query ran into its time limit.
            SchemaConflict: If the database lacks a table or a column.
        """
        sql, values = compile_for_asyncpg(statement)
        return await self.fetch_text(sql, values)

    async def fetch_text(
        self, sql: str, values: list[Any], limit_s: float | None = None
    ) -> list[asyncpg.Record]:
        """Run compiled SQL; errors as in ``fetch``.

        Args:
            sql: The statement.
            values: Its values.
            limit_s: Seconds after which it is cancelled, where that is sooner than usual.
        """
        limit = self._settings.statement_timeout_s
        limit = limit if limit_s is None else min(limit, limit_s)
        async with self.connection() as connection:
            try:
                rows: list[asyncpg.Record] = await connection.fetch(sql, *values, timeout=limit_s)
            except (asyncpg.QueryCanceledError, TimeoutError) as error:
                raise QueryTimeout(
                    f"the query took longer than {limit:g} s: ask for less at a time"
                ) from error
            except _UNFIT as error:
                raise SchemaConflict(
                    "the database is not of the form that the definitions need: run onemap migrate"
                ) from error
            return rows

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection."""
        try:
            pool = await self._open()
            try:
                connection = await pool.acquire(timeout=self._settings.pool_wait_s)
            except TimeoutError as error:
                raise DatabaseBusy("all database connections are in use: try again soon") from error
            try:
                yield connection
            finally:
                await pool.release(connection)
        except _UNREACHABLE as error:
            raise DatabaseUnavailable("the database cannot be reached") from error

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._settings.url(),
                    min_size=0,
                    max_size=self._settings.pool_size,
                    timeout=_CONNECT_TIMEOUT_S,
                    server_settings=self.server_settings(),
                )
            return self._pool

    def server_settings(self) -> dict[str, str]:
        """Return the session settings of every reading connection."""
        milliseconds = round(self._settings.statement_timeout_s * 1000)
        return {
            "application_name": "onemap",
            "default_transaction_read_only": "on",
            "jit": "off",
            "statement_timeout": str(milliseconds),
        }
