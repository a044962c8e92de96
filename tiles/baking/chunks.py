"""Chunks of a bake: some tiles of a zoom, rendered together; and what comes of one, as bytes."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from tiles.archives.index import TileIndex
from tiles.archives.tile_ids import Ids
from tiles.packing import PackedTile

_MAGIC = b"OMTC"
#: Magic, zoom, tiles, layers, bytes of tiles.
_HEAD = struct.Struct("<4sIIIQ")
_ROW = np.dtype([("id", "<i8"), ("length", "<u4"), ("digest", "<u8", (2,))])
_CHECKSUM = 16


class DamagedChunk(ValueError):
    """What was read is no whole chunk."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tiles of one zoom, by their numbers (``tile_ids``), ascending."""

    zoom: int
    ids: tuple[int, ...]


@dataclass(frozen=True)
class MadeChunk:
    """A chunk's tiles, as they lie in a file."""

    zoom: int
    #: Where it begins, and where the next one does.
    start: int
    end: int
    #: The tile versions of the layers of that zoom that its oldest tile shows.
    versions: tuple[int, ...]
    ids: Ids
    #: All its tiles.
    index: TileIndex

    def moved(self, start: int) -> "MadeChunk":
        """Return the chunk as it lies when it begins elsewhere."""
        index = replace(self.index, offsets=self.index.offsets + (start - self.start))
        return replace(self, start=start, end=start + self.end - self.start, index=index)


def write_chunk(chunk: Chunk, versions: Sequence[int], tiles: Sequence[PackedTile]) -> bytes:
    """Return what was made of a chunk as bytes that say whether they are whole.

    Args:
        chunk: The chunk.
        versions: Of the layers of its zoom, those that every tile of it shows.
        tiles: Its tiles, packed for no place.
    """
    rows = np.empty(len(tiles), _ROW)
    rows["id"] = chunk.ids
    rows["length"] = [len(tile.packed) for tile in tiles]
    rows["digest"] = np.frombuffer(b"".join(tile.digest for tile in tiles), "<u8").reshape(-1, 2)
    body = b"".join(tile.packed for tile in tiles)
    head = _HEAD.pack(_MAGIC, chunk.zoom, len(tiles), len(versions), len(body))
    shown = np.array(versions, "<i8")
    whole = b"".join((head, shown.tobytes(), rows.tobytes(), body))
    return whole + blake2b(whole, digest_size=_CHECKSUM).digest()


def read_chunk(view: memoryview, start: int = 0, source: int = 0) -> MadeChunk:
    """Return the chunk that begins at a place of a file.

    Args:
        view: The file.
        start: The place.
        source: What the chunk's index calls the file.

    Raises:
        DamagedChunk: If no whole chunk begins there.
    """
    try:
        magic, zoom, count, layers, size = _HEAD.unpack_from(view, start)
    except struct.error as error:
        raise DamagedChunk(start) from error
    shown_at = start + _HEAD.size
    rows_at = shown_at + 8 * layers
    body = rows_at + _ROW.itemsize * count
    end = body + size + _CHECKSUM
    if magic != _MAGIC or end > len(view):
        raise DamagedChunk(start)
    check = blake2b(view[start : body + size], digest_size=_CHECKSUM).digest()
    if check != view[body + size : end]:
        raise DamagedChunk(start)
    rows = np.frombuffer(view[rows_at:body], _ROW)
    lengths = rows["length"].astype(np.int64)
    index = TileIndex(
        rows["id"].astype(np.int64),
        np.full(count, source, np.uint8),
        body + np.cumsum(lengths) - lengths,
        lengths,
        rows["digest"].astype(np.uint64),
    )
    versions = tuple(np.frombuffer(view[shown_at:rows_at], "<i8").tolist())
    return MadeChunk(zoom, start, end, versions, index.ids, index)


def chunks_of(zoom: int, ids: Ids, most: int) -> Iterator[Chunk]:
    """Yield chunks of at most ``most`` of some tiles, such as lie in one quarter of their zoom.

    Args:
        zoom: The zoom of all of them.
        ids: Their numbers, ascending, each once.
        most: A power of four.
    """
    if len(ids) == 0:
        return
    first = (4**zoom - 1) // 3
    quarters = (ids - first) // most
    breaks = np.flatnonzero(np.diff(quarters)) + 1
    for part in np.split(ids, breaks):
        yield Chunk(zoom, tuple(part.tolist()))
