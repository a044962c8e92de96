"""Tiles in the memory of one process: bounded in bytes, the least recently used go first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from layers.tile_news import TileChange
from tiles.families import TileFamily
from tiles.packing import PackedTile

#: What an entry costs beside its bytes: key, dictionary slots, object (measured, rounded up).
_ENTRY_OVERHEAD = 1200
#: Levels at which a second of one core packs 100 MB or more.
_LEVELS = {"zstd": 3, "brotli": 4}
#: In place of the zoom of tiles that exact changes say nothing of.
_OTHERWISE = -1
_CODECS = {b"zstd": "zstd", b"br": "brotli"}


@dataclass(frozen=True, slots=True)
class TileKey:
    """What a kept tile is the tile of."""

    family: TileFamily
    #: Zoom, and column and row as one number (``layers.tile_news.tile_code``).
    zoom: int
    code: int
    #: Valid and record time; ``None`` is now.
    at: datetime | None = None
    as_of: datetime | None = None
    #: All else that it depends on; tiles with something here are forgotten with each change.
    rest: Hashable = None


@dataclass(slots=True, eq=False)
class KeptTile:
    """A tile in memory, in every form it was asked for."""

    key: TileKey
    tile: PackedTile
    #: Sum of the tile versions that were read for it; 0 if it was not rendered here.
    version: int = 0
    #: Content coding → the tile in that coding, beside gzip.
    others: dict[bytes, bytes] = field(default_factory=dict)
    #: What a door keeps with the tile, such as prebuilt answers; called when the tile goes.
    on_drop: Callable[[], None] | None = None
    cost: int = 0

    def coded(self, coding: bytes) -> bytes:
        """Return the tile in a content coding, made if it is not there yet.

        Args:
            coding: ``gzip``, ``br``, ``zstd`` or ``identity``.
        """
        if coding == b"gzip" or not self.tile.packed:
            return self.tile.packed
        made = self.others.get(coding)
        return made if made is not None else recode(self.tile, coding)


def recode(tile: PackedTile, coding: bytes) -> bytes:
    """Return a tile in a content coding other than gzip."""
    plain = tile.unpacked()
    if coding == b"identity":
        return plain
    name = _CODECS[coding]
    return bytes(pa.Codec(name, compression_level=_LEVELS[name]).compress(plain, asbytes=True))


class TileMemory:
    """The tiles that one process keeps."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._tiles: OrderedDict[TileKey, KeptTile] = OrderedDict()
        #: Family and zoom → code → the keys of the tiles of that place.
        self._places: dict[tuple[TileFamily, int], dict[int, tuple[TileKey, ...]]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        """Return how many tiles are kept."""
        return len(self._tiles)

    def get(self, key: TileKey) -> KeptTile | None:
        """Return a tile, which counts as a use of it."""
        kept = self._tiles.get(key)
        if kept is not None:
            self._tiles.move_to_end(key)
        return kept

    def holds(self, kept: KeptTile) -> bool:
        """Tell whether a tile is still kept: nothing was heard that made it old."""
        return self._tiles.get(kept.key) is kept

    def touch(self, kept: KeptTile) -> None:
        """Count a use of a tile that is kept."""
        self._tiles.move_to_end(kept.key)

    def put(self, key: TileKey, tile: PackedTile, version: int = 0) -> KeptTile:
        """Keep a tile, in place of the one that was kept under the key."""
        self.drop(key)
        kept = KeptTile(key, tile, version, cost=len(tile.packed) + _ENTRY_OVERHEAD)
        if kept.cost > self._max_bytes:
            return kept
        self._tiles[key] = kept
        places = self._places.setdefault(_shelf(key), {})
        places[key.code] = (*places.get(key.code, ()), key)
        self._grow(kept.cost)
        return kept

    def add_form(self, kept: KeptTile, coding: bytes, body: bytes) -> None:
        """Keep a tile in a further coding, as long as the tile itself is kept."""
        if self._tiles.get(kept.key) is not kept or coding in kept.others:
            return
        kept.others[coding] = body
        kept.cost += len(body)
        self._grow(len(body))

    def drop(self, key: TileKey) -> None:
        """Forget a tile, if it is kept."""
        kept = self._tiles.pop(key, None)
        if kept is None:
            return
        self.bytes -= kept.cost
        shelf = _shelf(key)
        places = self._places[shelf]
        there = places[key.code]
        if len(there) > 1:
            places[key.code] = tuple(other for other in there if other != key)
        else:
            del places[key.code]
            if not places:
                del self._places[shelf]
        if kept.on_drop is not None:
            kept.on_drop()

    def clear(self) -> None:
        """Forget everything."""
        for key in list(self._tiles):
            self.drop(key)

    def apply(self, change: TileChange) -> int:
        """Forget the tiles that a change may have made old, and return how many there were."""
        doomed = [
            key
            for (_, zoom), places in self._places.items()
            for code in _touched(change, zoom, places)
            for key in places[code]
            if _is_touched_there(key, change)
        ]
        for key in doomed:
            self.drop(key)
        return len(doomed)

    def _grow(self, cost: int) -> None:
        self.bytes += cost
        while self.bytes > self._max_bytes:
            self.drop(next(iter(self._tiles)))


def is_touched(key: TileKey, change: TileChange) -> bool:
    """Tell whether a change may have made the tile of ``key`` another."""
    is_there = key.rest is not None or change.concerns(key.zoom, key.code)
    return is_there and _is_touched_there(key, change)


def _is_touched_there(key: TileKey, change: TileChange) -> bool:
    """Tell the same of a tile in a place that the change concerns."""
    if key.rest is not None:
        # What is known of changes says nothing of such tiles.
        return any(change.layer in layers for layers in key.family.layers.values())
    if not key.family.shows(change.layer, key.zoom):
        return False
    if key.as_of is not None:
        # A change of everything may be one of how the map is drawn, which the past shares.
        return change.tiles is None
    return change.concerns_time(key.at)


def _shelf(key: TileKey) -> tuple[TileFamily, int]:
    return key.family, key.zoom if key.rest is None else _OTHERWISE


def _touched(
    change: TileChange, zoom: int, places: dict[int, tuple[TileKey, ...]]
) -> Iterable[int]:
    """Return the kept codes of a zoom that a change may concern."""
    if zoom == _OTHERWISE:
        return places
    if not change.concerns_some(zoom):
        return ()
    if change.tiles is None:
        return places
    if change.zoom == zoom:
        return places.keys() & change.tiles
    return [code for code in places if change.concerns(zoom, code)]
