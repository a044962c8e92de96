"""Baking an archive: what has to be rendered is found out, rendered, and written in order."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np

from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.errors import OneMapError
from layers.reading import CityReader
from layers.tile_news import TileChange, read_tile_versions
from tiles.archives.facts import ArchiveFacts
from tiles.archives.index import overlaid
from tiles.archives.reading import ArchiveFile, open_archive
from tiles.archives.tile_ids import Ids
from tiles.archives.writing import write_archive
from tiles.baking.chunks import Chunk
from tiles.baking.hands import Hands
from tiles.baking.journal import Journal, JournalHead
from tiles.baking.planning import chunks, occupied_tiles, touched_tiles
from tiles.baking.work import BakeTask, renderer_of
from tiles.generation import generation
from tiles.tilejson import tilejson

#: So often tiles that changed while the rest was baked are baked again.
_ROUNDS = 5
_JOURNAL, _BASE = 0, 1


@dataclass(frozen=True)
class BakeProgress:
    """How far a bake has come."""

    #: Tiles rendered in this run, to render, and found rendered before.
    done: int
    total: int
    kept: int
    #: Bytes of those rendered in this run.
    bytes: int


@dataclass(frozen=True)
class Baked:
    """What a bake has made."""

    target: Path
    #: Tiles rendered in this run, and found rendered before.
    rendered: int
    kept: int
    #: Tiles in the archive (those that are not empty), and its bytes.
    tiles: int
    bytes: int
    seconds: float
    #: Whether an archive was brought up to date instead of being made.
    refreshed: bool


Tell = Callable[[BakeProgress], None]


@dataclass
class _State:
    """What is known while a bake runs."""

    journal: Journal
    base: ArchiveFile | None
    #: Layer → tile version that every tile has seen, but those that are to be rendered.
    versions: dict[str, int]
    progress: BakeProgress
    tell: Tell


class Bake:
    """One bake of a scope to a file."""

    def __init__(
        self, task: BakeTask, catalogue: Catalogue, reader: CityReader, hands: Hands
    ) -> None:
        self._catalogue = catalogue
        self._scope = task.scope
        self._reader = reader
        self._hands = hands
        self._renderer = renderer_of(task, reader)
        self._tileset = task.tileset
        self._layers = [entry.definition.name for entry in self._tileset.layers]

    async def run(self, target: Path, tell: Tell = lambda _: None, *, refresh: bool) -> Baked:
        """Bake.

        Args:
            target: The archive; until it is whole, what is there stays.
            tell: Told after each chunk how far it has come.
            refresh: Keep the tiles of the archive that is there, but for those that changed.

        Raises:
            BakeBusy: If another process bakes the same file.
            BadArchive: If there is nothing to refresh, or it is damaged.
            OneMapError: If a tile cannot be rendered; what was made so far is kept.
            OSError: If a file cannot be written.
        """
        started = monotonic()
        identity = await self._reader.database_identity()
        name = generation(self._catalogue, identity)
        now = await self._versions()
        with ExitStack() as stack:
            base = self._base(target, name, now) if refresh else None
            since = now if base is None else base.contents.facts.tile_versions
            checksum = "" if base is None else base.contents.facts.directories
            head = JournalHead(scope=self._scope, generation=name, tile_versions=now, base=checksum)
            journal = Journal(_part(target), head)
            stack.callback(journal.close)
            if base is not None:
                stack.callback(base.close)
            kept = sum(len(made.ids) for made in journal.made)
            state = _State(journal, base, since, BakeProgress(0, 0, kept, 0), tell)
            await self._bake(state, now)
            tiles, size = self._write(target, state, name)
            journal.remove()
        return Baked(
            target,
            state.progress.done,
            kept,
            tiles,
            size,
            monotonic() - started,
            base is not None,
        )

    async def _versions(self) -> dict[str, int]:
        read = await read_tile_versions(self._reader.fetch)
        return {layer: read.get(layer, 0) for layer in self._layers}

    def _base(self, target: Path, name: str, now: dict[str, int]) -> ArchiveFile | None:
        """Return the archive to refresh; nothing where all of it must be baked anew."""
        base = open_archive(target)
        facts = base.contents.facts
        known = facts.tile_versions
        grown = all(known.get(layer, 0) <= version for layer, version in now.items())
        if facts.scope == self._scope and facts.generation == name and grown:
            return base
        base.close()
        return None

    async def _bake(self, state: _State, now: dict[str, int]) -> None:
        if state.base is None:
            state.versions = dict(state.journal.head.tile_versions)
            await self._render(state, await self._everything(state))
        else:
            await self._catch_up(state, now, skip_made=True)
        for _ in range(_ROUNDS):
            now = await self._versions()
            if now == state.versions:
                break
            await self._catch_up(state, now, skip_made=False)

    async def _everything(self, state: _State) -> list[Chunk]:
        """Return all occupied tiles that are not in the journal, the low zooms first."""
        low, high = self._scope.zooms
        plan: list[Chunk] = []
        for zoom in range(low, high + 1):
            ids = await occupied_tiles(self._renderer, self._scope, zoom)
            plan += chunks(zoom, np.setdiff1d(ids, _made_at(state.journal, zoom)))
        return plan

    async def _catch_up(self, state: _State, now: dict[str, int], *, skip_made: bool) -> None:
        """Render what changed since the versions that are known to be seen.

        Args:
            state: The bake.
            now: The versions of now.
            skip_made: Whether what is in the journal was rendered after those changes.
        """
        changes: list[TileChange] = []
        for layer, version in now.items():
            since = state.versions.get(layer, 0)
            changes += await self._reader.tile_changes(layer, since, version)
        low, high = self._scope.zooms
        plan: list[Chunk] = []
        for zoom in range(low, high + 1):
            names = [layer.name for layer in self._tileset.layers_at(zoom)]
            ids = touched_tiles(changes, names, self._scope, zoom)
            made = _made_at(state.journal, zoom)
            if ids is None:
                ids = await occupied_tiles(self._renderer, self._scope, zoom)
                ids = np.union1d(ids, np.union1d(made, _held_at(state.base, zoom)))
            plan += chunks(zoom, np.setdiff1d(ids, made) if skip_made else ids)
        await self._render(state, plan)
        # A journal that was begun earlier may hold tiles older than these versions.
        state.versions = dict(state.journal.head.tile_versions) if skip_made else now

    async def _render(self, state: _State, plan: Sequence[Chunk]) -> None:
        progress = state.progress
        total = progress.total + sum(len(chunk.ids) for chunk in plan)
        state.progress = BakeProgress(progress.done, total, progress.kept, progress.bytes)
        state.tell(state.progress)
        waiting = iter(plan)

        async def work() -> None:
            for chunk in waiting:
                made = await self._hands.make(chunk)
                state.journal.append(made)
                before = state.progress
                state.progress = BakeProgress(
                    before.done + len(chunk.ids), total, before.kept, before.bytes + len(made)
                )
                state.tell(state.progress)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._hands.at_once):
                    group.create_task(work())
        except* OneMapError as failed:
            raise failed.exceptions[0] from None

    def _write(self, target: Path, state: _State, name: str) -> tuple[int, int]:
        facts = ArchiveFacts(scope=self._scope, generation=name, tile_versions=state.versions)
        with ExitStack() as stack:
            sources = [stack.enter_context(state.journal.mapped())]
            indexes = [made.index for made in state.journal.made]
            if state.base is not None:
                sources.append(stack.enter_context(state.base.mapped()))
                indexes.insert(0, state.base.index(_BASE))
            index = overlaid(indexes)
            index = index.where(index.lengths > 0)
            center = self._center()
            size = write_archive(target, index, sources, facts, self._metadata(state), center)
        return len(index), size

    def _center(self) -> tuple[int, float, float]:
        low, high = self._scope.zooms
        west, south, east, north = self._scope.bbox
        lon, lat = self._tileset.center or ((west + east) / 2, (south + north) / 2)
        zoom = low if self._tileset.zoom is None else int(self._tileset.zoom)
        return (max(low, min(zoom, high)), min(max(lon, west), east), min(max(lat, south), north))

    def _metadata(self, state: _State) -> dict[str, object]:
        version = sum(state.versions.values())
        document = tilejson(self._tileset, "", ANONYMOUS, version=version)
        wanted = ("name", "description", "version", "vector_layers")
        return {key: document[key] for key in wanted} | {"type": "overlay", "format": "pbf"}


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _made_at(journal: Journal, zoom: int) -> Ids:
    made = [chunk.ids for chunk in journal.made if chunk.zoom == zoom]
    return np.unique(np.concatenate([np.empty(0, np.int64), *made]))


def _held_at(base: ArchiveFile | None, zoom: int) -> Ids:
    return np.empty(0, np.int64) if base is None else base.ids_at(zoom)
