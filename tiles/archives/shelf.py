"""The archives that a server serves from, as long as they are true.

A tile of an archive is served only if no change since the archive's versions touched it. While it
is being opened, changes are heard already, so none is missed between.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import httpx
import structlog

from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.errors import OneMapError
from layers.tile_news import TileChange, TileNews, tile_code, tile_of_code
from tiles.archives.errors import BadArchive
from tiles.archives.sources import ArchiveGone, FileSource, Source, is_remote, open_source
from tiles.families import TileFamily, tile_family
from tiles.generation import generation
from tiles.heard import Heard
from tiles.memory import TileKey
from tiles.packing import DamagedTile, PackedTile, repacked
from tiles.tileset import map_tiles

_ENDING = ".pmtiles"
#: So often it is looked whether an archive is there, or another: in a folder, and elsewhere.
_LOOK_S = 1.0
_LOOK_FAR_S = 15.0
#: With more touched tiles than so many in a zoom, all of it counts as touched.
_MOST_TOUCHED = 200_000
#: What changed is told down to this zoom.
_DEEPEST_TOLD = 18
_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Held:
    """An archive, and which of its tiles are not true any more."""

    source: Source
    family: TileFamily
    #: Zoom → codes of touched tiles; ``None`` is all.
    touched: dict[int, set[int] | None] = field(default_factory=dict)

    def apply(self, change: TileChange) -> None:
        low, high = self.source.contents.facts.scope.zooms
        for zoom in range(low, high + 1):
            if not self.family.shows(change.layer, zoom) or not change.concerns_some(zoom):
                continue
            known = self.touched.setdefault(zoom, set())
            if change.tiles is None or known is None:
                self.touched[zoom] = None
                continue
            known |= change.tiles
            if len(known) > _MOST_TOUCHED:
                self.touched[zoom] = None

    def is_true(self, zoom: int, code: int) -> bool:
        touched = self.touched.get(zoom, set())
        if touched is None:
            return False
        deeper = max(0, zoom - _DEEPEST_TOLD)
        x, y = tile_of_code(code)
        return tile_code(x >> deeper, y >> deeper) not in touched


class ArchiveShelf:
    """One process's archives, by map."""

    def __init__(
        self,
        place: str,
        catalogue: Catalogue,
        heard: Heard | None,
        count: Callable[[str], None] = lambda _: None,
        replaced: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            place: A folder or the HTTP(S) address of one, with ``MAP.pmtiles`` in it, or one
                archive.
            catalogue: The definitions.
            heard: The reading side; without one, archives are taken for true as they are.
            count: Told the name of each failure.
            replaced: Told, where nothing is heard, that what was served is not true any more.
        """
        self._place = place
        self._catalogue = catalogue
        self._heard = heard
        self._count = count
        self._replaced = replaced
        self._client = httpx.AsyncClient() if is_remote(place) else None
        self._families: dict[str, TileFamily] = {}
        self._held: dict[str, _Held] = {}
        #: Those that are being opened, which hear changes already.
        self._coming: list[list[TileChange]] = []
        #: Address → what was last said of it.
        self._told: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for archives, in a task of the running event loop."""
        self._task = asyncio.create_task(self._run(), name="onemap-archives")

    async def stop(self) -> None:
        """Stop, and close what is open."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._held.clear()
        if self._client is not None:
            await self._client.aclose()

    def hear(self, news: TileNews) -> None:
        """Note what changed, in the event loop."""
        for change in news.changes:
            for held in self._held.values():
                held.apply(change)
            for changes in self._coming:
                changes.append(change)

    async def tile(self, key: TileKey, place: str) -> PackedTile | None:
        """Return a tile of now as it is kept under ``place``, if an archive has it and it is true.

        A tile that the archive knows to be empty is an empty one.
        """
        held = self._held.get(key.family.folder)
        if held is None or not held.is_true(key.zoom, key.code):
            return None
        x, y = tile_of_code(key.code)
        if not held.source.contents.covers(key.zoom, x, y):
            return None
        try:
            packed = await held.source.packed(key.zoom, x, y)
            tile = repacked(packed, place)
        except (ArchiveGone, DamagedTile, OSError) as error:
            self._failed(key.family.folder, held, error)
            return None
        is_here = self._held.get(key.family.folder) is held
        return tile if is_here and held.is_true(key.zoom, key.code) else None

    def _failed(self, folder: str, held: _Held, error: Exception) -> None:
        """Do without an archive until it was looked at again."""
        self._count(type(error).__name__)
        if not isinstance(error, ArchiveGone):
            _log.warning("archive.failed", folder=folder, reason=type(error).__name__)
        if not isinstance(error, DamagedTile) and self._held.get(folder) is held:
            self._let_go(folder)

    def _let_go(self, folder: str) -> None:
        del self._held[folder]
        if self._heard is None:
            self._replaced()

    def file_of(self, name: str) -> FileSource | None:
        """Return the archive of a map, if it is a file that is served from at present."""
        held = self._held.get(self._family(name).folder) if name in self._catalogue.maps else None
        return held.source if held is not None and isinstance(held.source, FileSource) else None

    def sources(self) -> list[Source]:
        """Return the archives that are served from at present."""
        return [held.source for held in self._held.values()]

    async def look(self) -> None:
        """Open archives that are new, and let go of those that are gone."""
        if self._heard is not None and monotonic() >= self._heard.heard_until:
            return
        for folder, held in list(self._held.items()):
            if await held.source.is_gone() and self._held.get(folder) is held:
                self._let_go(folder)
        for name, address in self._addresses():
            if name is None or self._family(name).folder not in self._held:
                await self._open(name, address)

    async def _run(self) -> None:
        pause = _LOOK_FAR_S if is_remote(self._place) else _LOOK_S
        while True:
            with suppress(OneMapError):
                await self.look()
            await asyncio.sleep(pause if self._held else _LOOK_S)

    def _addresses(self) -> Iterable[tuple[str | None, str]]:
        """Yield maps and where their archives would be; the map of a single one is not known."""
        if self._place.endswith(_ENDING):
            if not self._held:
                yield None, self._place
            return
        for name in self._catalogue.maps:
            yield name, f"{self._place.rstrip('/')}/{name}{_ENDING}"

    def _family(self, name: str) -> TileFamily:
        family = self._families.get(name)
        if family is None:
            tileset = map_tiles(self._catalogue, self._catalogue.map(name), ANONYMOUS)
            family = self._families[name] = tile_family(tileset, ANONYMOUS)
        return family

    async def _open(self, name: str | None, address: str) -> None:
        try:
            source = await open_source(address, self._client)
            if source is None:
                self._told.pop(address, None)
                return
            await self._refuse_unfit(source, name)
            await self._put(source)
            self._told.pop(address, None)
            _log.info("archive.opened", map=source.contents.facts.scope.map)
        except (OneMapError, OSError) as error:
            self._tell(address, str(error))

    def _tell(self, address: str, reason: str) -> None:
        if self._told.get(address) != reason:
            self._told[address] = reason
            self._count("BadArchive")
            _log.warning("archive.refused", archive=Path(address).name, reason=reason)

    async def _refuse_unfit(self, source: Source, name: str | None) -> None:
        facts = source.contents.facts
        self._catalogue.map(facts.scope.map)
        if name is not None and facts.scope.map != name:
            raise BadArchive(f"it holds the map '{facts.scope.map}' instead of '{name}'")
        if self._heard is None:
            return
        if facts.scope.at is not None or facts.scope.as_of is not None:
            raise BadArchive("it holds the map of a past time")
        identity = await self._heard.database_identity()
        if facts.generation != generation(self._catalogue, identity):
            raise BadArchive(
                "it was baked from another database, or by other definitions or another version "
                "of One Map: bake it anew"
            )

    async def _put(self, source: Source) -> None:
        facts = source.contents.facts
        held = _Held(source, self._family(facts.scope.map))
        if self._heard is not None:
            now = dict(self._heard.tile_versions())
            heard: list[TileChange] = []
            self._coming.append(heard)
            try:
                for layer in {name for names in held.family.layers.values() for name in names}:
                    since, upto = facts.tile_versions.get(layer, 0), now.get(layer, 0)
                    for change in await self._heard.tile_changes(layer, since, upto):
                        held.apply(change)
                for change in heard:
                    held.apply(change)
            finally:
                self._coming = [changes for changes in self._coming if changes is not heard]
        self._held[held.family.folder] = held
