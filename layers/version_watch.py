"""Know every layer's data version as soon as a load changes it, by PostgreSQL's LISTEN."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from types import MappingProxyType
from typing import Any

import asyncpg
import structlog
from sqlalchemy import ClauseElement, select

from layers.errors import OneMapError
from layers.load_notices import LoadNotices
from layers.notices import CHANNEL, LOAD_CHANNEL, read_notice
from layers.settings import LayersSettings
from layers.sql import compile_for_asyncpg
from layers.system_tables import layer_table
from layers.tile_news import TileChange, TileNews, read_tile_changes, read_tile_versions

_RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
#: So often the versions are read, besides whenever a notice comes: it shows that the connection
#: still carries notices, and finds what a lost one would have told.
_HEARTBEAT_S = 1.0
#: What was read holds for so long; then changes count as not heard.
LEASE_S = 5.0
_log = structlog.get_logger(__name__)


class VersionWatch:
    """Keeps layer → data version fresh on a connection of its own, reconnecting for ever.

    News of tiles and of loads come over the same connection and are handed on.
    """

    def __init__(self, settings: LayersSettings) -> None:
        self._settings = settings
        self._versions: dict[str, int] = {}
        self._tile_versions: dict[str, int] = {}
        self._followers: list[Callable[[TileNews], None]] = []
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        #: Until when (``time.monotonic``) what was heard counts as all there is.
        self.heard_until = 0.0
        self.loads = LoadNotices()

    @property
    def versions(self) -> MappingProxyType[str, int]:
        """The data versions as last heard."""
        return MappingProxyType(self._versions)

    @property
    def tile_versions(self) -> MappingProxyType[str, int]:
        """The versions of what tiles show, as last read."""
        return MappingProxyType(self._tile_versions)

    @property
    def is_hearing(self) -> bool:
        """Whether every change is heard at once at present."""
        return monotonic() < self.heard_until

    def follow(self, hear: Callable[[TileNews], None]) -> None:
        """Have ``hear`` called with all news of tiles, in the event loop."""
        self._followers.append(hear)

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
                self.heard_until = 0.0
            await asyncio.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
            attempt += 1

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._settings.url(), timeout=5.0)
        try:
            connection.add_termination_listener(lambda _: self._woken.set())
            await connection.add_listener(CHANNEL, self._hear)
            await connection.add_listener(LOAD_CHANNEL, self._hear_load)
            while not connection.is_closed():
                self._woken.clear()
                start = monotonic()
                async with asyncio.timeout(LEASE_S):
                    await self._read_all(connection)
                self.heard_until = start + LEASE_S
                if not self.connected.is_set():
                    self.connected.set()
                    self.loads.hear_all()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), _HEARTBEAT_S)
        finally:
            connection.terminate()

    async def _read_all(self, connection: asyncpg.Connection) -> None:
        async def fetch(statement: ClauseElement) -> list[Any]:
            sql, values = compile_for_asyncpg(statement)
            rows: list[Any] = await connection.fetch(sql, *values)
            return rows

        for name, version in await fetch(select(layer_table.c.name, layer_table.c.data_version)):
            self._versions[name] = max(version, self._versions.get(name, 0))
        versions = await read_tile_versions(fetch)
        changes: list[TileChange] = []
        for name, version in versions.items():
            known = self._tile_versions.get(name, 0)
            # At first nobody holds anything that could have changed.
            if known != version and self._tile_versions:
                changes += await read_tile_changes(fetch, name, known, version)
        self._tile_versions = versions
        news = TileNews(MappingProxyType(versions), tuple(changes))
        for hear in self._followers:
            hear(news)

    def _hear(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        notice = read_notice(str(payload))
        known = self._versions.get(notice.layer, 0)
        self._versions[notice.layer] = max(notice.data_version, known)
        self._woken.set()

    def _hear_load(
        self, _connection: object, _process: int, _channel: str, payload: object
    ) -> None:
        self.loads.hear(int(str(payload)))
