"""Boxes of a projected system on the globe, where their edges are curves."""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

#: An edge is followed by a chord a hundred metres, a tenth of a millimetre beside it at most, or by
#: this many.
_CHORD_M = 100.0
_MOST_CHORDS = 200


def box_ring(low: list[float], high: list[float]) -> NDArray[np.float64]:
    """Return positions along the edges of a box, counted anticlockwise in x and y.

    Args:
        low: The corner with the least numbers, metres.
        high: The corner with the largest.

    Returns:
        Positions, (n, 2), the first also the last, close enough for straight lines between them
        to stay within a tenth of a millimetre of the edges in boxes of up to 20 km.
    """
    longest = max(high[0] - low[0], high[1] - low[1])
    chords = min(max(math.ceil(longest / _CHORD_M), 1), _MOST_CHORDS)
    steps = np.linspace(0, 1, chords + 1)[:-1, np.newaxis]
    corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]], low])
    return np.concatenate([*(a + (b - a) * steps for a, b in pairwise(corners)), corners[:1]])
