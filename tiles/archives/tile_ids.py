"""The numbers of tiles in an archive: zoom by zoom, and along a Hilbert curve within a zoom.

All tiles below a tile have consecutive numbers at each zoom (PMTiles spec v3, §4.2.1).
"""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
#: Numbers of deeper tiles do not fit 64 bits with a sign.
DEEPEST = 26


def first_id(z: int) -> int:
    """Return the lowest number of zoom ``z``."""
    return ((1 << (2 * z)) - 1) // 3


def tile_ids(z: int, x: Ids, y: Ids) -> Ids:
    """Return the numbers of tiles.

    Args:
        z: Their zoom, 0 to ``DEEPEST``.
        x: Columns, shape (n).
        y: Rows, shape (n), counted from north.
    """
    x, y = x.astype(np.int64), y.astype(np.int64)
    along = np.zeros(x.shape, np.int64)
    for level in range(z - 1, -1, -1):
        right, below = (x >> level) & 1, (y >> level) & 1
        along += ((3 * right) ^ below) << (2 * level)
        x, y = _turned(x, y, right, below, (1 << level) - 1)
    return along + first_id(z)


def tile_id(z: int, x: int, y: int) -> int:
    """Return the number of one tile."""
    along = 0
    for level in range(z - 1, -1, -1):
        right, below = (x >> level) & 1, (y >> level) & 1
        along += ((3 * right) ^ below) << (2 * level)
        if not below:
            if right:
                x, y = ~x, ~y
            x, y = y, x
    return along + first_id(z)


def tile_places(z: int, ids: Ids) -> tuple[Ids, Ids]:
    """Return columns and rows of the tiles of zoom ``z`` with some numbers; shapes (n)."""
    left = ids - first_id(z)
    x, y = np.zeros(left.shape, np.int64), np.zeros(left.shape, np.int64)
    for level in range(z):
        right = (left >> 1) & 1
        below = (left ^ right) & 1
        x, y = _turned(x, y, right, below, (1 << level) - 1)
        x += right << level
        y += below << level
        left >>= 2
    return x, y


def zoom_of(tile: int) -> int:
    """Return the zoom of the tile with a number."""
    return ((3 * tile + 1).bit_length() - 1) // 2


def _turned(x: Ids, y: Ids, right: Ids, below: Ids, mask: int) -> tuple[Ids, Ids]:
    """Return places within quarters, turned as the curve runs there."""
    x, y = x & mask, y & mask
    flipped = (below == 0) & (right == 1)
    x, y = np.where(flipped, mask - x, x), np.where(flipped, mask - y, y)
    return np.where(below == 0, y, x), np.where(below == 0, x, y)
