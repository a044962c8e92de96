"""Transform positions quickly: by polynomials that are fitted to squares of the plane and tested.

Over a square of 131 km a map projection is so smooth that a polynomial of degree 7 in both
coordinates follows it to far below a micrometre. It is fitted to the exact transformation at
Chebyshev nodes of the square (Trefethen, "Approximation Theory and Approximation Practice", 2013,
chapter 3) and compared with it at other places; where they differ too much the exact
transformation does the work.

The squares are those of a fixed grid, and each position is worked out alike whatever stands beside
it: what a survey says again, in another file or another order, comes out in the very same bytes,
and is found to be unchanged.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Transform = Callable[[Array, Array], tuple[Array, Array]]

#: Degrees; a tenth of a micrometre on the ground.
TOLERANCE = 1e-12
#: Side of a square, in the source's unit.
_SIDE = 131_072.0
_DEGREE = 7
_NODES = _DEGREE + 3
#: Positions worked on at a time: their powers fit the processor's cache.
_CHUNK = 4_096
#: Products of matrices come out alike only in whole blocks of columns.
_BLOCK = 64
#: Positions further apart than so many squares are no survey of a country.
_MOST_SQUARES = 4_096
#: Exponents of the terms, (u, v), by degree.
_TERMS = [(total - j, j) for total in range(_DEGREE + 1) for j in range(total + 1)]


class LocalPolynomial:
    """A transformation that agrees with an exact one within ``TOLERANCE``. Thread-safe."""

    def __init__(self, exact: Transform, tolerance: float = TOLERANCE) -> None:
        self._exact = exact
        self._tolerance = tolerance
        #: By square, the transformation there.
        self._known: dict[tuple[float, float], Transform] = {}

    def __call__(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Transform positions.

        Args:
            x: Eastings in the source's unit, 1-D.
            y: Northings, same length.

        Returns:
            Longitudes and latitudes in degrees, as the exact transformation has them.
        """
        if not len(x):
            return self._exact(x, y)
        x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
        # A product with a power of two is exact, and many times as fast as a floor division.
        columns, rows = np.floor(x * (1 / _SIDE)), np.floor(y * (1 / _SIDE))
        sides = [(float(part.min()), float(part.max())) for part in (columns, rows)]
        if all(first == last for first, last in sides):
            return self._within(sides[0][0], sides[1][0])(x, y)
        across, along = (last - first + 1 for first, last in sides)
        if not across * along <= _MOST_SQUARES:
            return self._exact(x, y)
        places = (columns - sides[0][0]) * along + (rows - sides[1][0])
        return self._by_squares(places.astype(np.int64), int(along), sides, x, y)

    def _by_squares(
        self,
        squares: NDArray[np.int64],
        along: int,
        sides: list[tuple[float, float]],
        x: Array,
        y: Array,
    ) -> tuple[Array, Array]:
        lon, lat = np.empty(len(x)), np.empty(len(x))
        for square in np.flatnonzero(np.bincount(squares)).tolist():
            column, row = sides[0][0] + square // along, sides[1][0] + square % along
            some = squares == square
            lon[some], lat[some] = self._within(column, row)(x[some], y[some])
        return lon, lat

    def _within(self, column: float, row: float) -> Transform:
        """Return the transformation within a square, fitted at its first use."""
        known = self._known.get((column, row))
        if known is None:
            area = _Area(((column + 0.5) * _SIDE, (row + 0.5) * _SIDE), (_SIDE / 2, _SIDE / 2))
            fitted = self._fit(area)
            known = self._exact if fitted is None else partial(_evaluate, fitted, area)
            self._known[column, row] = known
        return known

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

    def positions(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Return the source coordinates of places in the box."""
        return self._centre[0] + u * self._half[0], self._centre[1] + v * self._half[1]

    def places(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the places in the box of source coordinates."""
        return (x - self._centre[0]) / self._half[0], (y - self._centre[1]) / self._half[1]


def _powers(u: Array, v: Array, out: Array | None = None) -> Array:
    """Return every term at every place, (terms, n); in ``out``, where it is given."""
    powers = np.empty((len(_TERMS), len(u))) if out is None else out
    powers[0] = 1.0
    first = 0
    for degree in range(1, _DEGREE + 1):
        # All terms of a degree are those of the one before times u, and the last of them times v.
        end = first + degree
        np.multiply(powers[first:end], u, out=powers[end : end + degree])
        np.multiply(powers[end - 1], v, out=powers[end + degree])
        first = end
    return powers


def _evaluate(fitted: Array, area: _Area, x: Array, y: Array) -> tuple[Array, Array]:
    result = np.empty((2, len(x)))
    # The two constants are added last, to sums that are small: that keeps every digit.
    constants, terms = fitted[0], np.ascontiguousarray(fitted[1:].T)
    powers = np.zeros((len(_TERMS), _CHUNK))
    for begin in range(0, len(x), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        u, v = area.places(x[part], y[part])
        count = len(u)
        _powers(u, v, powers[:, :count])
        # Whole blocks; what stands in the columns beyond does not matter.
        product = terms @ powers[1:, : count + -count % _BLOCK]
        result[:, part] = product[:, :count] + constants[:, np.newaxis]
    return result[0], result[1]
