"""Keeps a tile store in step with the map: opens it, clears it after changes, makes room in it."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import ParamSpec, TypeVar

import structlog

from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.errors import OneMapError
from layers.tile_news import TileChange, TileNews
from tiles.families import TileFamily, tile_family
from tiles.file_locks import try_file_lock
from tiles.front import Front
from tiles.generation import generation
from tiles.heard import Heard
from tiles.memory import TileKey, is_touched
from tiles.store_usage import make_room
from tiles.tile_store import TileStore, UnfitStore
from tiles.tileset import map_tiles

_log = structlog.get_logger(__name__)
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
#: Threads that wait for the disk.
_THREADS = 4
#: So often the store's keeper looks whether changes are still heard.
_TICK_S = 0.25
#: After a failure of the disk what failed is not tried for so long.
_PAUSE_S = 5.0
#: So often trash is removed, and the limit looked at.
_TIDY_S = 2.0


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where tiles are stored and how many."""

    root: Path
    max_bytes: int


def public_families(catalogue: Catalogue) -> list[TileFamily]:
    """Return the families of what anybody may see, which a store has folders for by name."""
    tilesets = [map_tiles(catalogue, entry, ANONYMOUS) for entry in catalogue.maps.values()]
    return [tile_family(tileset, ANONYMOUS) for tileset in tilesets]


class StoreKeeper:
    """One process's care for the store."""

    def __init__(
        self,
        place: StorePlace,
        heard: Heard,
        catalogue: Catalogue,
        public: Iterable[TileFamily],
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; the store is opened once the database is heard.

        Args:
            place: Where, and how much.
            heard: The reading side.
            catalogue: The definitions that tiles are drawn by.
            public: Families of ``public``.
            count: Told the name of each failure of the disk.
        """
        self._place = place
        self._heard = heard
        self._catalogue = catalogue
        self._public = tuple(public)
        self._count = count
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tile-store")
        self._opened: TileStore | None = None
        self._front: Front | None = None
        self._in_step = False
        #: Changes that the store may not have been cleared of yet.
        self._pending: list[TileChange] = []
        self._versions: Mapping[str, int] = {}
        self._set_back: set[str] = set()
        self._woken = asyncio.Event()
        #: Name of a kind of work → until when it is left alone.
        self._paused: dict[str, float] = {}
        self._tidied = 0.0
        self._tidier: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._tidying: asyncio.Task[None] | None = None

    @property
    def store(self) -> TileStore | None:
        """The store, while it can be used."""
        return self._opened if self._in_step else None

    @property
    def is_clear(self) -> bool:
        """Whether the store is clear of all changes that were heard."""
        return self._in_step and not self._pending

    @property
    def is_full(self) -> bool:
        """Whether the store holds as much as it may, so that tiles go as others come."""
        return self._opened is not None and self._opened.usage.bytes >= self._place.max_bytes

    def may_read(self, key: TileKey) -> bool:
        """Tell whether the store's tile would be one of today."""
        return self._in_step and not any(is_touched(key, change) for change in self._pending)

    def start(self) -> None:
        """Begin, in a task of the running event loop."""
        self._task = asyncio.create_task(self._run(), name="onemap-tile-store")

    async def stop(self) -> None:
        """Stop, and close the store."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._in_step = False
        if self._tidying is not None:
            await self._tidying
        await asyncio.to_thread(self._threads.shutdown)
        if self._tidier is not None:
            os.close(self._tidier)
        if self._front is not None:
            await asyncio.to_thread(self._front.close)
        if self._opened is not None:
            self._opened.close()

    def hear(self, news: TileNews) -> None:
        """Note what changed, in the event loop."""
        for layer, version in news.versions.items():
            if version < self._versions.get(layer, 0):
                self._set_back.add(layer)
        self._versions = news.versions
        if news.changes:
            self._pending = [*self._pending, *news.changes]
            self._woken.set()

    async def attempt(
        self, work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
    ) -> _Result | None:
        """Do something with the disk in a thread; nothing comes of it if the disk fails.

        After a failure the same is not tried for some seconds: a full disk can still be read.
        """
        if monotonic() < self._paused.get(work.__name__, 0.0):
            return None
        try:
            return await self._threaded(work, *given, **named)
        except OSError as error:
            self._paused[work.__name__] = monotonic() + _PAUSE_S
            self._failed(error)
            return None

    async def _threaded(
        self, work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
    ) -> _Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*given, **named))

    def _failed(self, error: OSError) -> None:
        self._count(type(error).__name__)
        _log.warning("tile_store.failed", reason=error.strerror or type(error).__name__)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _TICK_S)
            self._woken.clear()
            if monotonic() >= self._heard.heard_until:
                self._fall_behind()
                continue
            try:
                await self._keep()
            except UnfitStore as error:
                _log.error("tile_store.unfit", reason=str(error))
                await asyncio.sleep(_PAUSE_S)
            except OSError as error:
                self._fall_behind()
                self._failed(error)
                await asyncio.sleep(1.0)
            except OneMapError as error:
                self._fall_behind()
                _log.warning("tile_store.behind", reason=str(error))

    def _fall_behind(self) -> None:
        if self._in_step:
            self._in_step = False
            if self._front is not None:
                self._front.withdraw()

    async def _keep(self) -> None:
        if self._opened is None:
            identity = await self._heard.database_identity()
            name = generation(self._catalogue, identity)
            versions = dict(self._heard.tile_versions())
            self._opened = await self._threaded(
                TileStore, self._place.root / name, self._public, versions
            )
            self._front = await self._threaded(Front, self._place.root, name)
        if self._pending or not self._in_step or self._set_back:
            await self._catch_up(self._opened)
        self._in_step = True
        if self._front is not None and monotonic() < self._heard.heard_until:
            await self._threaded(self._front.renew)
        if monotonic() > self._tidied + _TIDY_S and (self._tidying is None or self._tidying.done()):
            self._tidied = monotonic()
            # Apart: it may take long, and changes do not wait.
            self._tidying = asyncio.create_task(self._tidy_apart(self._opened))

    async def _catch_up(self, store: TileStore) -> None:
        pending, versions = self._pending, dict(self._heard.tile_versions())
        set_back = frozenset(self._set_back)
        swept = await self._threaded(store.swept)
        changes: list[TileChange] = []
        behind = {
            layer: version
            for layer, version in versions.items()
            if swept.get(layer, 0) < version or layer in set_back
        }
        for layer, version in behind.items():
            heard = [change for change in pending if change.layer == layer]
            since = swept.get(layer, 0)
            if _covers(heard, since, version):
                changes += heard
            else:
                changes += await self._heard.tile_changes(layer, since, version)
        if behind:
            await self._threaded(store.sweep, behind, changes, set_back)
        self._pending = self._pending[len(pending) :]
        self._set_back -= set_back

    async def _tidy_apart(self, store: TileStore) -> None:
        try:
            await self._threaded(self._tidy, store)
        except OSError as error:
            self._failed(error)

    def _tidy(self, store: TileStore) -> None:
        """Remove trash and make room, in the one process that is elected for it."""
        if self._tidier is None:
            # The first look after the election.
            self._tidier = try_file_lock(store.root / "tidy.lock")
            if self._tidier is None:
                return
            store.discard_others(self._place.root)
        store.empty_trash()
        if store.usage.bytes > self._place.max_bytes:
            removed = make_room(store.root, store.usage, self._place.max_bytes)
            _log.info("tile_store.made_room", removed=removed)


def _covers(changes: list[TileChange], since: int, upto: int) -> bool:
    """Tell whether some changes of a layer are all of those after ``since`` up to ``upto``."""
    if any(change.zoom is None and change.version == upto for change in changes):
        return True
    return {*range(since + 1, upto + 1)} <= {change.version for change in changes}
