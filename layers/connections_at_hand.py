"""Connections that stay with those who read, so that the next reading has one at once.

Giving a connection back to asyncpg's pool and taking it again costs a tenth of a small tile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

#: Seconds that may pass while a connection is made, and while one is given back.
CONNECT_TIMEOUT_S = 5.0
GRACE_S = 5.0
#: How long a connection that nobody uses stays at hand, and how often one is used before the pool
#: has a look at it.
_REST_S = 30.0
_MOST_USES = 5000


class ConnectionsAtHand:
    """The connections of a pool; as many at most as are lent at once."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._free: list[asyncpg.Connection] = []
        self._uses: dict[asyncpg.Connection, int] = {}
        self._resting: asyncio.TimerHandle | None = None
        self._returns: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def free(self) -> int:
        """How many are at hand."""
        return len(self._free)

    def close(self) -> None:
        """Close every connection; queries still running are cancelled."""
        self._is_closed = True
        if self._resting is not None:
            self._resting.cancel()
        for task in self._returns:
            task.cancel()
        self._free.clear()
        self._pool.terminate()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection; one whose use failed goes back to the pool, which looks at it."""
        connection = await self._taken()
        try:
            yield connection
        except BaseException:
            await self._give_back(connection)
            raise
        uses = self._uses.get(connection, 0) + 1
        if self._is_closed or uses >= _MOST_USES or not _is_open(connection):
            await self._give_back(connection)
            return
        self._uses[connection] = uses
        self._free.append(connection)
        if self._resting is None:
            self._resting = asyncio.get_running_loop().call_later(_REST_S, self._rest)

    async def _taken(self) -> asyncpg.Connection:
        while self._free:
            connection = self._free.pop()
            if _is_open(connection):
                return connection
            await self._return(connection)
        return await self._pool.acquire(timeout=CONNECT_TIMEOUT_S + GRACE_S)

    def _rest(self) -> None:
        """Give back what is at hand: the pool closes connections that rest for long."""
        self._resting = None
        left, self._free = self._free, []
        for connection in left:
            task = asyncio.create_task(self._return(connection))
            self._returns.add(task)
            task.add_done_callback(self._returns.discard)

    async def _return(self, connection: asyncpg.Connection) -> None:
        # One that cannot be given back has ended.
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._give_back(connection)

    async def _give_back(self, connection: asyncpg.Connection) -> None:
        self._uses.pop(connection, None)
        await self._pool.release(connection, timeout=GRACE_S)


def _is_open(connection: asyncpg.Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        # It ended while nobody used it, and went back to the pool by itself.
        return False
