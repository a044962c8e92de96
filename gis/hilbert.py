"""Positions along a Hilbert curve: near on the curve is near on the ground.

The curve fills the whole world of degrees, so that keys of different surveys can be compared.
Algorithm: Hilbert, D. (1891), in the bitwise form of J. K. Lawder (2000), "Calculation of mappings
between one and n-dimensional values using the Hilbert space-filling curve", for two dimensions.
"""

import numpy as np
from numpy.typing import NDArray

#: Cells a side: 2^26 over 360° are about 0.6 m on the equator.
_BITS = 26
_CELLS = float(1 << _BITS)

Array = NDArray[np.float64]


def hilbert_keys(lon: Array, lat: Array) -> NDArray[np.int64]:
    """Return the place of each position along the curve.

    Args:
        lon: Longitudes in degrees, 1-D.
        lat: Latitudes in degrees, same length.

    Returns:
        Keys of 52 bits, same length.
    """
    x = _cells(lon, 180.0, 360.0)
    y = _cells(lat, 90.0, 180.0)
    key = np.zeros(len(x), dtype=np.int64)
    for bit in range(_BITS - 1, -1, -1):
        right = (x >> bit) & 1
        upper = (y >> bit) & 1
        key = (key << 2) | ((3 * right) ^ upper)
        # Turn the quadrant so that the curve in it begins and ends at the right corners. The masks
        # have all bits or none.
        turned = upper - 1
        mirrored = turned & -right
        x ^= mirrored
        y ^= mirrored
        swapped = (x ^ y) & turned
        x ^= swapped
        y ^= swapped
    return key


def _cells(degrees: Array, offset: float, span: float) -> NDArray[np.int64]:
    scaled = np.floor((degrees + offset) / span * _CELLS)
    return np.clip(scaled, 0, _CELLS - 1).astype(np.int64)
