"""Value noise on the plane: the same numbers for the same place and seed, on every machine."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def _hash(ix: npt.NDArray[np.int64], iy: npt.NDArray[np.int64], seed: int) -> Floats:
    """Return a number in [0, 1) for each lattice point, by 64-bit integer mixing."""
    mask = np.uint64(0xFFFFFFFF)
    shape = np.shape(ix)
    mixed = np.atleast_1d(ix).astype(np.uint64) * np.uint64(0x9E3779B1) & mask
    mixed ^= np.atleast_1d(iy).astype(np.uint64) * np.uint64(0x85EBCA77) & mask
    mixed = (mixed + np.uint64((seed * 0xC2B2AE3D + 0x27D4EB2F) & 0xFFFFFFFF)) & mask
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        mixed ^= mixed >> np.uint64(shift)
        mixed = mixed * np.uint64(factor) & mask
    mixed ^= mixed >> np.uint64(15)
    return (mixed.astype(np.float64) / 2.0**32).reshape(shape)


def scatter(ix: npt.ArrayLike, iy: npt.ArrayLike, seed: int) -> Floats:
    """Return an independent uniform number in [0, 1) for each pair of integers."""
    first, second = np.broadcast_arrays(np.asarray(ix, np.int64), np.asarray(iy, np.int64))
    return _hash(first, second, seed)


def value(x: npt.ArrayLike, y: npt.ArrayLike, size: float, seed: int) -> Floats:
    """Return smooth noise in [-1, 1] whose bumps are about ``size`` metres across."""
    fx, fy = np.asarray(x, np.float64) / size, np.asarray(y, np.float64) / size
    ix, iy = np.floor(fx), np.floor(fy)
    tx, ty = fx - ix, fy - iy
    sx = tx**3 * (tx * (tx * 6 - 15) + 10)
    sy = ty**3 * (ty * (ty * 6 - 15) + 10)
    jx, jy = ix.astype(np.int64), iy.astype(np.int64)
    low = _hash(jx, jy, seed) * (1 - sx) + _hash(jx + 1, jy, seed) * sx
    high = _hash(jx, jy + 1, seed) * (1 - sx) + _hash(jx + 1, jy + 1, seed) * sx
    return np.asarray((low * (1 - sy) + high * sy) * 2 - 1)


def fractal(x: npt.ArrayLike, y: npt.ArrayLike, size: float, seed: int, octaves: int = 4) -> Floats:
    """Return the sum of ``octaves`` of noise, each half as large and half as strong; [-1, 1]."""
    total: Floats = np.zeros(np.broadcast(x, y).shape)
    weight, strength = 0.0, 1.0
    for octave in range(octaves):
        total = total + strength * value(x, y, size / 2**octave, seed + 101 * octave)
        weight += strength
        strength /= 2
    return total / weight


def ridged(x: npt.ArrayLike, y: npt.ArrayLike, size: float, seed: int, octaves: int = 4) -> Floats:
    """Return noise in [0, 1] with sharp crests, like the spurs of a mountain range."""
    total: Floats = np.zeros(np.broadcast(x, y).shape)
    weight, strength = 0.0, 1.0
    for octave in range(octaves):
        crest = 1 - np.abs(value(x, y, size / 2**octave, seed + 77 * octave))
        total = total + strength * crest**2
        weight += strength
        strength /= 2
    return total / weight
