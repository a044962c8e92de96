"""Where tiles come from: memory, the store on disk, or the renderer; never an outdated one.

A tile is kept only if no change was heard that it has not seen: rendering tells the versions of
the layers it read, in the same snapshot. While a tile is being made, the changes that touch it
are noted with it, and a result that is older than they are is made anew. While changes are not
heard, nothing kept is trusted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal, Protocol

from layers.tile_news import TileNews, tile_code
from tiles.archives.shelf import ArchiveShelf
from tiles.families import TileFamily
from tiles.memory import KeptTile, TileKey, TileMemory, is_touched
from tiles.packing import PackedTile, pack
from tiles.request import RenderedTile, TileRequest
from tiles.store_keeper import StoreKeeper
from tiles.tile_store import TileStore

Level = Literal["memory", "disk", "archive", "shared", "rendered"]
Render = Callable[[TileRequest], Awaitable[RenderedTile]]
#: Loads that were recorded before may still become known.
_SETTLED = timedelta(days=1)
#: How often a tile is made anew because it became old while it was made.
_ATTEMPTS = 3
#: Tiles below this are packed without the way to another thread.
_SMALL = 32 * 1024


class Hearing(Protocol):
    """What the keeper needs of the reading side (``layers.reading.CityReader`` has it)."""

    @property
    def heard_until(self) -> float:
        """Until when (``time.monotonic``) changes count as heard."""
        ...

    def tile_versions(self) -> Mapping[str, int]:
        """Return layer → tile version, as last read."""
        ...


@dataclass(slots=True, eq=False)
class _Flight:
    """A tile being made."""

    key: TileKey
    #: Layer → the tile version that what is made must have seen, as changes are heard.
    needs: dict[str, int] = field(default_factory=dict)
    task: "asyncio.Task[tuple[KeptTile, Level]] | None" = None
    #: How many wait for it.
    waiting: int = 0


class TileKeeper:
    """The tiles of one process."""

    def __init__(
        self,
        hearing: Hearing,
        memory: TileMemory,
        store: StoreKeeper | None,
        archives: ArchiveShelf | None = None,
    ) -> None:
        self._hearing = hearing
        self._memory = memory
        self._store = store
        self._archives = archives
        self._flights: dict[TileKey, _Flight] = {}
        self._under_way: set[_Flight] = set()

    @property
    def is_trusted(self) -> bool:
        """Whether what is kept may be served."""
        return monotonic() < self._hearing.heard_until

    def hear(self, news: TileNews) -> None:
        """Forget what changed, in the event loop."""
        for change in news.changes:
            self._memory.apply(change)
            for flight in list(self._under_way):
                if is_touched(flight.key, change):
                    known = flight.needs.get(change.layer, 0)
                    flight.needs[change.layer] = max(known, change.version)
                    # Who asks from now on does not get what those before may.
                    if self._flights.get(flight.key) is flight:
                        del self._flights[flight.key]
        if self._store is not None:
            self._store.hear(news)
        if self._archives is not None:
            self._archives.hear(news)

    async def get(
        self, family: TileFamily, request: TileRequest, render: Render
    ) -> tuple[KeptTile, Level]:
        """Return a tile, and where it came from.

        Those who ask while it is being made wait for the one who makes it (``shared``), in this
        process and in the others of the store.

        Args:
            family: The family of the tile set for the request's viewer.
            request: Which tile.
            render: Makes it.

        Raises:
            OneMapError: If it cannot be rendered; then nothing is kept.
        """
        key = tile_key(family, request)
        if not self.is_trusted:
            rendered = await render(request)
            return KeptTile(key, _packed(key, rendered), rendered.version), "rendered"
        kept = self._memory.get(key)
        if kept is not None:
            return kept, "memory"
        flight = self._flights.get(key)
        if flight is not None and flight.task is not None:
            return (await self._wait(flight, flight.task))[0], "shared"
        flight = self._flights[key] = _Flight(key)
        flight.task = asyncio.create_task(self._fly(flight, request, render))
        # Should everybody have gone, a failure is told to nobody.
        flight.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await self._wait(flight, flight.task)

    async def _wait(
        self, flight: _Flight, task: "asyncio.Task[tuple[KeptTile, Level]]"
    ) -> tuple[KeptTile, Level]:
        """Wait for a tile; it is given up when the last one who waits has gone."""
        flight.waiting += 1
        try:
            return await asyncio.shield(task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not task.done():
                if self._flights.get(flight.key) is flight:
                    del self._flights[flight.key]
                task.cancel()

    async def _fly(
        self, flight: _Flight, request: TileRequest, render: Render
    ) -> tuple[KeptTile, Level]:
        self._under_way.add(flight)
        try:
            for _ in range(_ATTEMPTS):
                flight.needs.clear()
                found = await self._attempt(flight, request, render)
                if found is not None:
                    return found
            # The map changes faster than it can be drawn here: as it was when it was asked for.
            rendered = await render(request)
            tile = _packed(flight.key, rendered)
            return KeptTile(flight.key, tile, rendered.version), "rendered"
        finally:
            self._under_way.discard(flight)
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]

    async def _attempt(
        self, flight: _Flight, request: TileRequest, render: Render
    ) -> tuple[KeptTile, Level] | None:
        """Make the tile; nothing if it became old meanwhile."""
        store = self._store.store if self._store is not None else None
        key = flight.key
        if not is_stored(key):
            return await self._rendered(flight, request, render, None)
        if store is not None:
            tile = await self._from_disk(flight, store)
            if tile is not None:
                return self._memory.put(key, tile), "disk"
        if self._archives is not None:
            tile = await self._archives.tile(key, _place(key))
            if tile is not None and not flight.needs:
                return self._memory.put(key, tile), "archive"
        if store is None:
            return await self._rendered(flight, request, render, None)
        async with store.keys.held(_place(key)) as waited:
            if waited:
                tile = await self._from_disk(flight, store)
                if tile is not None:
                    return self._memory.put(key, tile), "shared"
            return await self._rendered(flight, request, render, store)

    async def _from_disk(self, flight: _Flight, store: TileStore) -> PackedTile | None:
        assert self._store is not None  # noqa: S101 -- only asked where there is one
        key = flight.key
        if not self._store.may_read(key):
            return None
        tile = await self._store.attempt(store.read, key.family, key.zoom, key.code)
        return None if flight.needs else tile

    async def _rendered(
        self,
        flight: _Flight,
        request: TileRequest,
        render: Render,
        store: TileStore | None,
    ) -> tuple[KeptTile, Level] | None:
        key = flight.key
        names = [layer.name for layer in request.layers]
        known = {name: self._hearing.tile_versions().get(name, 0) for name in names}
        rendered = await render(request)
        seen = dict(zip(names, rendered.versions, strict=False))
        if not (_has_seen(seen, known) and _has_seen(seen, flight.needs)):
            return None
        if len(rendered.data) < _SMALL and store is None:
            tile = _packed(key, rendered)
        else:
            tile = await asyncio.to_thread(_packed, key, rendered)
        if store is not None and self._store is not None:
            await self._store.attempt(store.write, key.family, key.zoom, key.code, tile, seen)
        if not _has_seen(seen, flight.needs):
            return None
        return self._memory.put(key, tile, rendered.version), "rendered"


def tile_key(family: TileFamily, request: TileRequest) -> TileKey:
    """Return what a tile is kept under."""
    _, x, y = request.place
    rest: object = None
    if not request.is_plain:
        rest = (request.grid, request.filter, request.properties, request.since, request.datum)
    elif request.as_of is not None and request.as_of > datetime.now(UTC) - _SETTLED:
        rest = "recent"
    return TileKey(family, request.zoom, tile_code(x, y), request.at, request.as_of, rest)


def is_stored(key: TileKey) -> bool:
    """Tell whether such tiles are kept on disk: those of now."""
    return key.at is None and key.as_of is None and key.rest is None


def _place(key: TileKey) -> str:
    return TileStore.name(key.family, key.zoom, key.code)


def _packed(key: TileKey, rendered: RenderedTile) -> PackedTile:
    return pack(rendered.data, _place(key), rendered.truncated)


def _has_seen(seen: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    return all(seen.get(layer, 0) >= version for layer, version in wanted.items())
