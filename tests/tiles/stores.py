"""What tests of tile caches share: families, and a map that is heard of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from layers.tile_news import TileChange, TileNews, tile_code
from tiles.families import TileFamily
from tiles.packing import PackedTile, pack
from tiles.tile_store import TileStore

TOWN = TileFamily("public/town", {z: ("plot", "lamp") if z > 9 else ("lamp",) for z in range(21)})
STAFF = TileFamily("other/abc", {z: ("plot", "secret") for z in range(21)})
EPOCH = datetime(1, 1, 2, tzinfo=UTC)


def change(layer: str, version: int, zoom: int, tiles: list[tuple[int, int]] | None) -> TileChange:
    codes = None if tiles is None else frozenset(tile_code(*tile) for tile in tiles)
    return TileChange(layer, version, zoom, EPOCH, codes)


def packed(family: TileFamily, zoom: int, x: int, y: int, data: bytes = b"tile") -> PackedTile:
    return pack(data, TileStore.name(family, zoom, tile_code(x, y)))


def put(
    store: TileStore,
    family: TileFamily,
    zoom: int,
    x: int,
    y: int,
    data: bytes = b"tile",
    versions: Mapping[str, int] | None = None,
) -> bool:
    tile = packed(family, zoom, x, y, data)
    shown = versions or dict.fromkeys(family.layers[zoom], 1)
    return store.write(family, zoom, tile_code(x, y), tile, shown)


def held(store: TileStore, family: TileFamily, zoom: int, x: int, y: int) -> bytes | None:
    tile = store.read(family, zoom, tile_code(x, y))
    return None if tile is None else tile.unpacked()


def file_of(store: TileStore, family: TileFamily, zoom: int, x: int, y: int) -> Path:
    return store.root / TileStore.name(family, zoom, tile_code(x, y))


class Heard:
    """A reading side that hears what a test tells it."""

    def __init__(self, versions: dict[str, int]) -> None:
        self.versions = versions
        self.deaf = False
        self.log: list[TileChange] = []

    @property
    def heard_until(self) -> float:
        return 0.0 if self.deaf else monotonic() + 60

    def tile_versions(self) -> Mapping[str, int]:
        return self.versions

    async def tile_changes(self, layer: str, since: int, upto: int) -> list[TileChange]:
        return [entry for entry in self.log if entry.layer == layer and since < entry.version]

    async def database_identity(self) -> str:
        return "test"

    def news(self, *changes: TileChange) -> TileNews:
        self.log += changes
        self.versions = self.versions | {entry.layer: entry.version for entry in changes}
        return TileNews(self.versions, changes)
