"""Rendering into the tile store what it lacks, so that the first visitor waits for nothing."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from layers.access import ANONYMOUS
from layers.errors import OneMapError
from layers.reading import CityReader
from layers.tile_news import TileNews, tile_code
from tiles.archives.facts import BakeScope
from tiles.archives.tile_ids import Ids, tile_places
from tiles.baking.chunks import Chunk
from tiles.baking.planning import chunks, occupied_tiles
from tiles.baking.work import BakeTask, render_chunk, renderer_of
from tiles.families import TileFamily, tile_family
from tiles.packing import pack
from tiles.request import RenderedTile
from tiles.store_keeper import StoreKeeper
from tiles.tile_store import TileStore

#: The store opens once the database is heard.
_OPENING_S = 60.0
_LOOK_S = 0.1
#: What changed while it was rendered is rendered again so often.
_ROUNDS = 5


class StoreUnready(OneMapError):
    """The tile store cannot be opened, or has no room."""


@dataclass(frozen=True)
class Filled:
    """What was put into a store."""

    rendered: int
    seconds: float


class StoreFiller:
    """Keeps a map's tiles in a store complete."""

    def __init__(
        self, task: BakeTask, reader: CityReader, keeper: StoreKeeper, workers: int
    ) -> None:
        """Prepare.

        Args:
            task: What to render: a map of now.
            reader: The reading side, which is started, and whose news the keeper hears.
            keeper: The keeper of the store, which is started.
            workers: How many statements run at once.
        """
        self._scope: BakeScope = task.scope
        self._tileset = task.tileset
        self._family: TileFamily = tile_family(task.tileset, ANONYMOUS)
        self._renderer = renderer_of(task, reader)
        self._keeper = keeper
        self._workers = workers
        self._changed = asyncio.Event()
        reader.follow_tiles(self._hear)

    def _hear(self, news: TileNews) -> None:
        if news.changes:
            self._changed.set()

    async def changed(self) -> None:
        """Wait until the map changed since the last filling began."""
        await self._changed.wait()

    async def fill(self, tell: Callable[[int, int], None] = lambda _done, _total: None) -> Filled:
        """Render all tiles that may show something and are not in the store.

        Args:
            tell: Told how many tiles are rendered, and of how many.

        Raises:
            StoreUnready: If the store cannot be opened, or is full.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        started = monotonic()
        rendered = 0
        for _ in range(_ROUNDS):
            store = await self._store()
            self._changed.clear()
            plan = await self._lacking(store)
            if not plan:
                break
            rendered = await self._render(store, plan, rendered, tell)
        return Filled(rendered, monotonic() - started)

    async def _render(
        self,
        store: TileStore,
        plan: Sequence[Chunk],
        rendered: int,
        tell: Callable[[int, int], None],
    ) -> int:
        total = rendered + sum(len(chunk.ids) for chunk in plan)
        waiting = iter(plan)

        async def work() -> None:
            nonlocal rendered
            for chunk in waiting:
                await self._put(store, chunk)
                rendered += len(chunk.ids)
                tell(rendered, total)

        await asyncio.gather(*(work() for _ in range(self._workers)))
        return rendered

    async def _store(self) -> TileStore:
        deadline = monotonic() + _OPENING_S
        while self._keeper.store is None:
            if monotonic() > deadline:
                raise StoreUnready(
                    "the tile store cannot be opened, or the database does not tell of changes: "
                    "the log says why"
                )
            await asyncio.sleep(_LOOK_S)
        return self._keeper.store

    async def _lacking(self, store: TileStore) -> list[Chunk]:
        low, high = self._scope.zooms
        plan: list[Chunk] = []
        for zoom in range(low, high + 1):
            ids = await occupied_tiles(self._renderer, self._scope, zoom)
            plan += chunks(zoom, await asyncio.to_thread(self._not_in, store, zoom, ids))
        return plan

    def _not_in(self, store: TileStore, zoom: int, ids: Ids) -> Ids:
        columns, rows = tile_places(zoom, ids)
        lacking = [
            not store.holds(self._family, zoom, tile_code(x, y))
            for x, y in zip(columns.tolist(), rows.tolist(), strict=True)
        ]
        found: Ids = ids[np.array(lacking, bool)]
        return found

    async def _put(self, store: TileStore, chunk: Chunk) -> None:
        if self._keeper.is_full:
            raise StoreUnready(
                "the tile store is full: raise ONEMAP_TILE_STORE_MB, or fill fewer zooms"
            )
        tiles = await render_chunk(self._renderer, chunk)
        names = [layer.name for layer in self._tileset.layers_at(chunk.zoom)]
        try:
            await asyncio.to_thread(self._write, store, chunk, tiles, names)
        except OSError as error:
            raise StoreUnready(f"the tile store cannot be written: {error.strerror}") from error

    def _write(
        self, store: TileStore, chunk: Chunk, tiles: list[RenderedTile], names: list[str]
    ) -> None:
        columns, rows = tile_places(chunk.zoom, np.array(chunk.ids, np.int64))
        for x, y, tile in zip(columns.tolist(), rows.tolist(), tiles, strict=True):
            code = tile_code(x, y)
            packed = pack(tile.data, store.name(self._family, chunk.zoom, code), tile.truncated)
            seen: Mapping[str, int] = dict(zip(names, tile.versions, strict=True))
            store.write(self._family, chunk.zoom, code, packed, seen)
