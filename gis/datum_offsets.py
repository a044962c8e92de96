"""The published offsets of commercial Chinese maps: GCJ-02 (Amap, Tencent) and BD-09 (Baidu).

Never store either as master data: they are for reading foreign layers and for showing our data on
such a base map. The algorithm is the de facto public one; the official plug-in may differ by a
little. Inputs and outputs are degrees, lon/lat, numpy arrays of equal shape. The formula takes WGS
84, which equals CGCS2000 here (0.1 mm).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shift = Callable[[Array, Array], tuple[Array, Array]]

#: Krasovsky 1940, metres and squared eccentricity, as the published code has them.
_A = 6378245.0
_EE = 0.00669342162296594323
_ORIGIN_LON, _ORIGIN_LAT = 105.0, 35.0
_X_PI = np.pi * 3000.0 / 180.0
#: Each round shrinks the error about a thousandfold; five end far below a micrometre.
_ROUNDS = 6


def wgs_to_gcj(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Shift true positions to GCJ-02, as Amap and Tencent draw them (about 600 m in Xianning)."""
    x, y = lon - _ORIGIN_LON, lat - _ORIGIN_LAT
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x))
    east += _waves(x) + _sines(x, (20.0, 1.0), (40.0, 1 / 3), (150.0, 1 / 12), (300.0, 1 / 30))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x))
    north += _waves(x) + _sines(y, (20.0, 1.0), (40.0, 1 / 3), (160.0, 1 / 12), (320.0, 1 / 30))
    phi = np.radians(lat)
    magic = 1 - _EE * np.sin(phi) ** 2
    metres_north = np.pi / 180 * _A * (1 - _EE) / magic**1.5
    metres_east = np.pi / 180 * _A / np.sqrt(magic) * np.cos(phi)
    return lon + east / metres_east, lat + north / metres_north


def gcj_to_wgs(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Bring GCJ-02 positions back to true ones, by fixed-point iteration (below 1e-7 m)."""
    return _invert(wgs_to_gcj, lon, lat)


def gcj_to_bd(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Shift GCJ-02 positions to BD-09, as Baidu draws them (about 900 m more)."""
    radius = np.hypot(lon, lat) + 2e-5 * np.sin(lat * _X_PI)
    angle = np.arctan2(lat, lon) + 3e-6 * np.cos(lon * _X_PI)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def bd_to_gcj(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Bring BD-09 positions back to GCJ-02, by fixed-point iteration (below 1e-7 m)."""
    return _invert(gcj_to_bd, lon, lat)


def wgs_to_bd(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Shift true positions to BD-09."""
    return gcj_to_bd(*wgs_to_gcj(lon, lat))


def bd_to_wgs(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Bring BD-09 positions back to true ones."""
    return gcj_to_wgs(*bd_to_gcj(lon, lat))


def _waves(x: Array) -> Array:
    # The same term in x stands in both formulas; the published code has no such term in y.
    return (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0


def _sines(value: Array, *terms: tuple[float, float]) -> Array:
    total = np.zeros_like(value)
    for amplitude, frequency in terms:
        total += amplitude * np.sin(value * frequency * np.pi) * 2.0 / 3.0
    return total


def _invert(shift: Shift, lon: Array, lat: Array) -> tuple[Array, Array]:
    guess_lon, guess_lat = np.array(lon, dtype=float), np.array(lat, dtype=float)
    for _ in range(_ROUNDS):
        shifted_lon, shifted_lat = shift(guess_lon, guess_lat)
        guess_lon = guess_lon + (lon - shifted_lon)
        guess_lat = guess_lat + (lat - shifted_lat)
    return guess_lon, guess_lat
