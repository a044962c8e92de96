"""A cheap proof that rings are simple, for most of the rings that surveys have.

A ring is star-shaped about a place when every one of its sides runs the same way round as seen
from there and all of them together make one turn. Such a ring can neither cross nor touch itself:
seen from the place, each direction meets it once. The converse does not hold: what is not proved
here may well be simple.

The sense of each side is the sign of a determinant, taken only where rounding cannot have changed
it (Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates",
1997, bound A of orient2d).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Bound A, (3 + 16ε)ε with ε = 2^-53.
_BOUND = 3.3306690738754716e-16
#: Products below this may have lost digits to underflow.
_TINY = 1e-280


def star_shaped(lon: Array, lat: Array, counts: Counts) -> Mask:
    """Tell which rings are surely star-shaped about the mean of their vertices, and so simple.

    Args:
        lon: Longitudes (or eastings) of the vertices of all rings, 1-D, finite.
        lat: Latitudes (or northings), same length.
        counts: Vertices of each ring, at least 4; of one that is not closed nothing is said.

    Returns:
        One entry a ring; ``False`` says nothing of it.
    """
    if not len(counts):
        return np.zeros(0, dtype=bool)
    ends = np.cumsum(counts)
    starts, lasts = ends - counts, ends - 1
    x = lon - np.repeat((np.add.reduceat(lon, starts) - lon[starts]) / (counts - 1), counts)
    y = lat - np.repeat((np.add.reduceat(lat, starts) - lat[starts]) / (counts - 1), counts)
    left, right = np.zeros(len(x)), np.zeros(len(x))
    np.multiply(x[:-1], y[1:], out=left[:-1])
    np.multiply(y[:-1], x[1:], out=right[:-1])
    turn = left - right
    np.abs(left, out=left)
    left += np.abs(right, out=right)
    left *= _BOUND
    left += _TINY
    # From the last vertex of a ring no side leads on; it must not decide, either way.
    left[lasts] = -np.inf
    turn[lasts] = 0.0
    one_way = np.logical_and.reduceat(turn > left, starts)
    np.negative(turn, out=turn)
    one_way |= np.logical_and.reduceat(turn > left, starts)
    # No side spans half a turn, so that each turn comes up from below exactly once.
    below = y < 0
    rising = below[:-1] & ~below[1:]
    rising[lasts[:-1]] = False
    turns = np.add.reduceat(np.append(rising, False), starts, dtype=np.int64)
    closed = (lon[starts] == lon[lasts]) & (lat[starts] == lat[lasts])
    return np.asarray(one_way & closed & (turns == 1))
