"""Rendered tiles in memory: bounded in bytes, and rendered once however many ask."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from isal import igzip

#: isal's level 2 costs a fifth of zlib's level 1 at the same size.
_GZIP_LEVEL = 2
#: What an entry costs beside its bytes: key, dictionary slot, object (measured, rounded up).
_ENTRY_OVERHEAD = 600


@dataclass(frozen=True, slots=True)
class StoredTile:
    """A tile as it is kept: compressed once."""

    #: The tile gzipped; empty for an empty tile.
    packed: bytes
    #: A digest of the bytes before compression, in hexadecimal.
    digest: str
    #: Bytes before compression.
    size: int

    def unpacked(self) -> bytes:
        """Return the tile's bytes before compression."""
        return bytes(igzip.decompress(self.packed)) if self.packed else b""


def store(tile: bytes) -> StoredTile:
    """Return ``tile`` as it is kept; the same bytes always give the same."""
    digest = blake2b(tile, digest_size=12).hexdigest()
    packed = igzip.compress(tile, _GZIP_LEVEL, mtime=0) if tile else b""
    return StoredTile(packed, digest, len(tile))


class TileCache:
    """Least recently used tiles go first; a render that fails is never kept."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._tiles: OrderedDict[Hashable, StoredTile] = OrderedDict()
        self._flights: dict[Hashable, asyncio.Task[StoredTile]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        """Return how many tiles are kept."""
        return len(self._tiles)

    def peek(self, key: Hashable) -> StoredTile | None:
        """Return the tile kept under ``key``, which counts as a use of it."""
        tile = self._tiles.get(key)
        if tile is not None:
            self._tiles.move_to_end(key)
        return tile

    async def get(
        self, key: Hashable, render: Callable[[], Awaitable[bytes]]
    ) -> tuple[StoredTile, Literal["memory", "shared", "rendered"]]:
        """Return the tile of ``key``, rendered if need be, and where it came from.

        Those who ask while it is being rendered wait for the one rendering (``shared``).
        """
        kept = self.peek(key)
        if kept is not None:
            return kept, "memory"
        flight = self._flights.get(key)
        if flight is not None:
            return await asyncio.shield(flight), "shared"
        flight = asyncio.create_task(self._fly(key, render))
        self._flights[key] = flight
        return await asyncio.shield(flight), "rendered"

    async def _fly(self, key: Hashable, render: Callable[[], Awaitable[bytes]]) -> StoredTile:
        try:
            tile = store(await render())
            self._keep(key, tile)
            return tile
        finally:
            del self._flights[key]

    def _keep(self, key: Hashable, tile: StoredTile) -> None:
        cost = len(tile.packed) + _ENTRY_OVERHEAD
        if cost > self._max_bytes:
            return
        self._tiles[key] = tile
        self.bytes += cost
        while self.bytes > self._max_bytes:
            _, dropped = self._tiles.popitem(last=False)
            self.bytes -= len(dropped.packed) + _ENTRY_OVERHEAD
