"""Know every layer's data version as soon as a load changes it, by PostgreSQL's LISTEN."""

import asyncio
from contextlib import suppress
from types import MappingProxyType

import asyncpg
import structlog
from sqlalchemy import select

from layers.errors import OneMapError
from layers.load_notices import LoadNotices
from layers.notices import CHANNEL, LOAD_CHANNEL, read_notice
from layers.settings import LayersSettings
from layers.sql import compile_for_asyncpg
from layers.system_tables import layer_table

_RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
#: Now and then the versions are read anew, should a notice ever be lost.
_REFRESH_S = 30.0
_log = structlog.get_logger(__name__)


class VersionWatch:
    """Keeps layer → data version fresh on a connection of its own, reconnecting for ever.

    News of loads come over the same connection and are handed on.
    """

    def __init__(self, settings: LayersSettings) -> None:
        self._settings = settings
        self._versions: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        self.loads = LoadNotices()

    @property
    def versions(self) -> MappingProxyType[str, int]:
        """The data versions as last heard."""
        return MappingProxyType(self._versions)

    def start(self) -> None:
        """Begin to listen, in a task of the running event loop."""
        self._task = asyncio.create_task(self._run(), name="onemap-version-watch")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                await self._listen()
                attempt = 0
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, OneMapError) as error:
                if attempt == 0:
                    _log.warning("version_watch.lost", reason=type(error).__name__)
            finally:
                self.connected.clear()
            await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
            attempt += 1

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._settings.url(), timeout=5.0)
        try:
            closed = asyncio.Event()
            connection.add_termination_listener(lambda _: closed.set())
            await connection.add_listener(CHANNEL, self._hear)
            await connection.add_listener(LOAD_CHANNEL, self._hear_load)
            while not closed.is_set():
                await self._read_all(connection)
                self.connected.set()
                self.loads.hear_all()
                with suppress(TimeoutError):
                    await asyncio.wait_for(closed.wait(), _REFRESH_S)
        finally:
            connection.terminate()

    async def _read_all(self, connection: asyncpg.Connection) -> None:
        sql, values = compile_for_asyncpg(select(layer_table.c.name, layer_table.c.data_version))
        for name, version in await connection.fetch(sql, *values):
            self._versions[name] = max(version, self._versions.get(name, 0))

    def _hear(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        notice = read_notice(str(payload))
        known = self._versions.get(notice.layer, 0)
        self._versions[notice.layer] = max(notice.data_version, known)

    def _hear_load(
        self, _connection: object, _process: int, _channel: str, payload: object
    ) -> None:
        self.loads.hear(int(str(payload)))
