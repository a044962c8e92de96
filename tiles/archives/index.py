"""Where tiles lie before they are written to an archive."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiles.archives.directories import Entries, Numbers


@dataclass(frozen=True)
class TileIndex:
    """Tiles in some files, as arrays of one row a tile (37 bytes)."""

    #: Numbers of the tiles (``tile_ids``), each once, ascending.
    ids: Numbers
    #: Which file: a place in a list that goes with the index.
    sources: NDArray[np.uint8]
    offsets: Numbers
    #: Bytes of the packed tile; 0 where the tile is empty.
    lengths: Numbers
    #: Digest of the tile, shape (n, 2).
    digests: NDArray[np.uint64]

    def __len__(self) -> int:
        """Return how many tiles there are."""
        return len(self.ids)

    def where(self, wanted: NDArray[np.bool_] | Numbers) -> "TileIndex":
        """Return some of the tiles."""
        return TileIndex(
            self.ids[wanted], self.sources[wanted], self.offsets[wanted], self.lengths[wanted],
            self.digests[wanted],
        )  # fmt: skip


def empty_index() -> TileIndex:
    """Return an index of no tiles."""
    nothing = np.empty(0, np.int64)
    return TileIndex(nothing, np.empty(0, np.uint8), nothing, nothing, np.empty((0, 2), np.uint64))


def overlaid(indexes: Sequence[TileIndex]) -> TileIndex:
    """Return the tiles of several indexes, which may have tiles twice: the last one counts."""
    if not indexes:
        return empty_index()
    ids = np.concatenate([index.ids for index in indexes])
    # Stable, so that of equal numbers the last in the list comes last.
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    chosen = order[last]
    everything = TileIndex(
        ids,
        np.concatenate([index.sources for index in indexes]),
        np.concatenate([index.offsets for index in indexes]),
        np.concatenate([index.lengths for index in indexes]),
        np.concatenate([index.digests for index in indexes]),
    )
    return everything.where(chosen)


def laid_out(index: TileIndex) -> tuple[Entries, TileIndex, int]:
    """Return how tiles are laid out in an archive: equal ones once, neighbours as runs.

    Args:
        index: The tiles, without empty ones.

    Returns:
        The archive's entries; the different tiles in the order they are written in; and the
        number of bytes of all of them.
    """
    count = len(index)
    if count == 0:
        nothing = np.empty(0, np.int64)
        return Entries(nothing, nothing, nothing, nothing), index, 0
    digests = np.ascontiguousarray(index.digests).view(np.dtype([("a", "u8"), ("b", "u8")]))
    _, firsts, which = np.unique(digests.ravel(), return_index=True, return_inverse=True)
    is_first = np.zeros(count, bool)
    is_first[firsts] = True
    ends = np.cumsum(np.where(is_first, index.lengths, 0))
    place_of = (ends - index.lengths)[firsts]
    offsets, lengths = place_of[which], index.lengths[firsts][which]
    begins = np.ones(count, bool)
    begins[1:] = (np.diff(index.ids) != 1) | (which[1:] != which[:-1])
    starts = np.flatnonzero(begins)
    runs = np.diff(np.append(starts, count))
    entries = Entries(index.ids[starts], runs, lengths[starts], offsets[starts])
    return entries, index.where(is_first), int(ends[-1])
