"""Transform many positions of one area quickly: by a polynomial that is fitted there and tested.

Over an area of a city a map projection is so smooth that a polynomial of degree 7 in both
coordinates follows it to far below a micrometre. It is fitted to the exact transformation at
Chebyshev nodes of the area (Trefethen, "Approximation Theory and Approximation Practice", 2013,
chapter 3) and compared with it at other places; where they differ too much, or the positions are
few, the exact transformation does the work.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Transform = Callable[[Array, Array], tuple[Array, Array]]

#: Degrees; a tenth of a micrometre on the ground.
TOLERANCE = 1e-12
#: From this many positions on the fit costs less than it saves.
_WORTHWHILE = 20_000
_DEGREE = 7
_NODES = _DEGREE + 3
#: Positions worked on at a time: their powers fit the processor's cache.
_CHUNK = 4_096
#: Exponents of the terms, (u, v), by degree.
_TERMS = [(total - j, j) for total in range(_DEGREE + 1) for j in range(total + 1)]


class LocalPolynomial:
    """A transformation that agrees with an exact one within ``TOLERANCE``. Thread-safe."""

    def __init__(self, exact: Transform, tolerance: float = TOLERANCE) -> None:
        self._exact = exact
        self._tolerance = tolerance

    def __call__(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Transform positions.

        Args:
            x: Eastings in the source's unit, 1-D.
            y: Northings, same length.

        Returns:
            Longitudes and latitudes in degrees, as the exact transformation has them.
        """
        if len(x) < _WORTHWHILE:
            return self._exact(x, y)
        area = _Area.around(x, y)
        fitted = self._fit(area) if area is not None else None
        if area is None or fitted is None:
            return self._exact(x, y)
        return _evaluate(fitted, area, x, y)

    def _fit(self, area: "_Area") -> Array | None:
        """Return the coefficients, (terms, 2), or ``None`` where they are not good enough."""
        nodes = np.cos((np.arange(_NODES) + 0.5) * np.pi / _NODES)
        u, v = (grid.ravel() for grid in np.meshgrid(nodes, nodes))
        wanted = np.column_stack(self._exact(*area.positions(u, v)))
        if not np.isfinite(wanted).all():
            return None
        fitted, *_ = np.linalg.lstsq(_powers(u, v).T, wanted, rcond=None)
        # Compared between the nodes and at the corners, where a polynomial errs most.
        between = np.concatenate((nodes[:-1] + np.diff(nodes) / 2, [-1.0, 1.0]))
        u, v = (grid.ravel() for grid in np.meshgrid(between, between))
        difference = _powers(u, v).T @ fitted - np.column_stack(self._exact(*area.positions(u, v)))
        good = bool(np.abs(difference).max() <= self._tolerance)
        return np.asarray(fitted, dtype=np.float64) if good else None


class _Area:
    """A box of source coordinates, mapped to -1 … 1 in both directions."""

    def __init__(self, centre: tuple[float, float], half: tuple[float, float]) -> None:
        self._centre = centre
        self._half = half

    @classmethod
    def around(cls, x: Array, y: Array) -> "_Area | None":
        """Return the box around positions; ``None`` where one of them is not finite."""
        west, east, south, north = float(x.min()), float(x.max()), float(y.min()), float(y.max())
        if not np.isfinite([west, east, south, north]).all():
            return None
        half = max((east - west) / 2, 1.0), max((north - south) / 2, 1.0)
        return cls(((east + west) / 2, (north + south) / 2), half)

    def positions(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Return the source coordinates of places in the box."""
        return self._centre[0] + u * self._half[0], self._centre[1] + v * self._half[1]

    def places(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the places in the box of source coordinates."""
        return (x - self._centre[0]) / self._half[0], (y - self._centre[1]) / self._half[1]


def _powers(u: Array, v: Array) -> Array:
    """Return every term at every place, (terms, n)."""
    powers = np.empty((len(_TERMS), len(u)))
    powers[0] = 1.0
    for place, (i, j) in enumerate(_TERMS[1:], start=1):
        before = _TERMS.index((i - 1, j)) if i else _TERMS.index((i, j - 1))
        np.multiply(powers[before], u if i else v, out=powers[place])
    return powers


def _evaluate(fitted: Array, area: _Area, x: Array, y: Array) -> tuple[Array, Array]:
    result = np.empty((2, len(x)))
    # The two constants are added last, to sums that are small: that keeps every digit.
    constants, terms = fitted[0], np.ascontiguousarray(fitted[1:].T)
    for begin in range(0, len(x), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        u, v = area.places(x[part], y[part])
        result[:, part] = terms @ _powers(u, v)[1:] + constants[:, np.newaxis]
    return result[0], result[1]
