"""A benchmark city's ground plan: a bent lattice of plots and street strips, of any size.

Everything is a function of row and column, so that bands of rows can be made one after the other
and still share their borders to the last digit.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import shapely

from city import gazetteer as gaz
from city.frame import CENTRE
from city.noise import Floats, fractal, scatter
from city.region import grid

Ints = npt.NDArray[np.int64]

#: Every so many rows and columns a street runs.
BLOCK = 13
#: Inner points of each plot border: 4 x (5 + 1) + 1 = 25 vertices a plot.
INNER = 5
_STREET_M = 14.0
_SIDE_M = 100_000.0
#: The middle of the whole city; smaller squares lie around its seat.
_MIDDLE = (524_000.0, 3_286_000.0)


@dataclass(frozen=True)
class Lattice:
    """Rows and columns of plots over a square, and the seed of all its noise."""

    rows: int
    cols: int
    side: float
    seed: int

    @classmethod
    def of_scale(cls, scale: float, seed: int) -> "Lattice":
        """Return the lattice with about ``scale`` million plots.

        Up to one million the plots are about one hectare and the square grows; beyond that the
        square is the city's and the plots get smaller.
        """
        rows = max(2, round(1000 * float(np.sqrt(scale))))
        cols = max(2, round(1e6 * scale / rows))
        return cls(rows, cols, _SIDE_M * float(np.sqrt(min(scale, 1.0))), seed)

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the square, EPSG:4547: the seat for a small city, else the city's."""
        share = self.side / _SIDE_M
        return (CENTRE[0] + share * (_MIDDLE[0] - CENTRE[0]),
                CENTRE[1] + share * (_MIDDLE[1] - CENTRE[1]))  # fmt: skip

    @property
    def pitch(self) -> float:
        """The mean side of a plot, metres."""
        return self.side / self.cols

    def _offset(self, index: Floats, count: int) -> Floats:
        """Return where lattice lines run along one axis: narrow strips for streets."""
        street = min(_STREET_M, 0.4 * self.side / count)
        whole = np.floor(index / BLOCK)
        strips = whole + np.minimum(index - whole * BLOCK, 1.0)
        plots = index - strips
        total_strips = np.ceil(count / BLOCK)
        width = (self.side - street * total_strips) / (count - total_strips)
        return np.asarray(strips * street + plots * width - self.side / 2)

    def nodes(self, rows: Ints, cols: Ints) -> Floats:
        """Return the corner (len(rows), len(cols), 2) of plots, EPSG:4547."""
        return self._corner(*np.meshgrid(rows, cols, indexing="ij"))

    def _corner(self, row: Ints, col: Ints) -> Floats:
        """Return corners (…, 2) by their rows and columns, arrays of one shape."""
        y = self._offset(row.astype(np.float64), self.rows) + self.centre[1]
        x = self._offset(col.astype(np.float64), self.cols) + self.centre[0]
        free = (row % BLOCK > 1) & (col % BLOCK > 1)
        shift = 0.34 * self.pitch * free
        jx = shift * (scatter(row, col, self.seed) - 0.5)
        jy = shift * (scatter(row, col, self.seed + 1) - 0.5)
        long, wide = 9000.0, 2600.0
        bx = 900 * fractal(x, y, long, 701, 2) + 190 * fractal(x, y, wide, 702, 2)
        by = 900 * fractal(x, y, long, 703, 2) + 190 * fractal(x, y, wide, 704, 2)
        return np.stack([x + jx + bx, y + jy + by], axis=-1)

    def borders(self, start: Floats, end: Floats, row: Ints, col: Ints, across: bool) -> Floats:
        """Return the inner points (…, INNER, 2) of plot borders; streets have straight ones."""
        t = (np.arange(1, INNER + 1) / (INNER + 1))[:, None]
        span = (end - start)[..., None, :]
        line = row if across else col
        street = (line % BLOCK <= 1) | ((col if across else row) % BLOCK == 0)
        salt = 10 + 20 * int(across)
        wave = np.stack([scatter(row, col, self.seed + salt + k) - 0.5 for k in range(INNER)], -1)
        wave = wave * 0.085 * ~street[..., None] * np.sin(np.pi * t[:, 0])
        normal = np.stack([-span[..., 0, 1], span[..., 0, 0]], -1)[..., None, :]
        return np.asarray(start[..., None, :] + t * span + wave[..., None] * normal)

    def plots(self, first: int, last: int) -> npt.NDArray[np.object_]:
        """Return the plots of rows first … last-1 in row order, at millimetres."""
        rows, cols = np.arange(first, last + 1), np.arange(self.cols + 1)
        node = self.nodes(rows, cols)
        row, col = np.meshgrid(rows, cols[:-1], indexing="ij")
        low = self.borders(node[:, :-1], node[:, 1:], row, col, True)
        row, col = np.meshgrid(rows[:-1], cols, indexing="ij")
        side = self.borders(node[:-1], node[1:], row, col, False)
        corner = node[..., None, :]
        ring = np.concatenate([
            corner[:-1, :-1], low[:-1], corner[:-1, 1:], side[:, 1:], corner[1:, 1:],
            low[1:, :, ::-1], corner[1:, :-1], side[:, :-1, ::-1], corner[:-1, :-1],
        ], axis=2)  # fmt: skip
        count = ring.shape[0] * ring.shape[1]
        flat = np.round(ring.reshape(count * ring.shape[2], 2), 3)
        indices = np.repeat(np.arange(count), ring.shape[2])
        return np.asarray(shapely.polygons(shapely.linearrings(flat, indices=indices)), object)

    def inside(self, rows: Ints, cols: Ints, s: Floats, t: Floats) -> Floats:
        """Return positions (n, k, 2) inside plots at shares s, t (n, k) of their quadrangles."""
        corners = np.stack([
            self._corner(rows + dr, cols + dc) for dr, dc in ((0, 0), (0, 1), (1, 0), (1, 1))
        ])[:, :, None, :]  # fmt: skip
        s, t = s[..., None], t[..., None]
        low = corners[0] * (1 - s) + corners[1] * s
        return np.asarray(low * (1 - t) + (corners[2] * (1 - s) + corners[3] * s) * t)


_CELL_M = 400.0


@cache
def _towns() -> Floats:
    """Return how near towns are, 0 … 1.6, on the nodes of the 400 m grid."""
    x, y, heights = grid(_CELL_M)
    gx, gy = np.meshgrid(x, y)
    total: Floats = np.zeros(heights.shape)
    for county in gaz.COUNTIES:
        for number, (_, _, lon, lat) in enumerate(gaz.TOWNS[county.code]):
            east, north = gaz.metric(lon, lat)
            seat = 4600.0 if county.code == "421202" and number < 3 else 3300.0
            reach = seat if number < 3 and (number == 0 or seat > 4000) else 1500.0
            far = np.hypot(gx - east, gy - north)
            total = np.maximum(total, 1.6 * np.exp(-((far / reach) ** 2)))
    return total


def _read(field: Floats, points: Floats) -> Floats:
    """Return a field of the 400 m grid at positions (…, 2), between its nodes."""
    x, y, _ = grid(_CELL_M)
    fx = np.clip((points[..., 0] - x[0]) / _CELL_M, 0, len(x) - 1.001)
    fy = np.clip((points[..., 1] - y[0]) / _CELL_M, 0, len(y) - 1.001)
    col, row = fx.astype(np.int64), fy.astype(np.int64)
    tx, ty = fx - col, fy - row
    low = field[row, col] * (1 - tx) + field[row, col + 1] * tx
    high = field[row + 1, col] * (1 - tx) + field[row + 1, col + 1] * tx
    return np.asarray(low * (1 - ty) + high * ty)


def ground(points: Floats) -> Floats:
    """Return heights (…) at positions (…, 2), read from a 400 m grid of the terrain."""
    return _read(grid(_CELL_M)[2], points)


def urban(points: Floats) -> Floats:
    """Return how urban places (…, 2) are: 1 and more in towns, falling outwards."""
    edge = fractal(points[..., 0], points[..., 1], 1400, 711, 3)
    return np.asarray(_read(_towns(), points) + 0.28 * edge)


_FARM = np.array(["0101", "0102", "0103", "0201", "0202", "0301", "0302", "0305", "0307", "1104"])
_TOWN = np.array(["0701", "0501", "0505", "0803", "0805", "0801", "0810", "0601", "0604", "0702"])
#: Shares of a town's classes, in the order of the list above.
_TOWN_SHARES = np.cumsum([0.50, 0.09, 0.05, 0.06, 0.02, 0.05, 0.06, 0.11, 0.03, 0.03])


#: Every class a plot can have; plots keep its index.
CODES = np.array([*_FARM, *_TOWN, "1004", "1006"])
_URBAN = 0.82


@cache
def classes(lattice: Lattice) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return the class (index into CODES) and urbanity of every plot (rows, cols)."""
    code = np.empty((lattice.rows, lattice.cols), np.uint8)
    town = np.empty((lattice.rows, lattice.cols), np.float32)
    for first in range(0, lattice.rows, 100):
        last = min(first + 100, lattice.rows)
        code[first:last], town[first:last] = _classes(lattice, first, last)
    return code, town


def _classes(lattice: Lattice, first: int, last: int) -> tuple[Ints, Floats]:
    rows, cols = np.arange(first, last), np.arange(lattice.cols)
    centre = lattice.nodes(rows, cols) + lattice.pitch / 2
    x, y = centre[..., 0], centre[..., 1]
    height, town = ground(centre), urban(centre)
    east, north = np.array([300.0, 0.0]), np.array([0.0, 300.0])
    slope = np.abs(ground(centre + east) - ground(centre - east)) / 600
    slope = slope + np.abs(ground(centre + north) - ground(centre - north)) / 600
    wet, kind = fractal(x, y, 2600, 721, 3), fractal(x, y, 1900, 722, 3)
    flat = np.where(wet > -0.12, 0, np.where(kind > 0, 1, 2))
    flat = np.where((wet > 0.42) & (kind > 0.1), 9, flat)
    gentle = np.where(kind > 0.12, 4, np.where(wet > 0.1, 3, 2))
    hill = np.where(kind > 0.06, 6, np.where(wet < -0.3, 7, np.where(wet > 0.35, 8, 5)))
    code = np.where(slope > 0.085, hill, np.where((slope > 0.04) | (height > 90), gentle, flat))
    row, col = np.meshgrid(rows, cols, indexing="ij")
    # A few plots together have one main use; some of them another.
    main = scatter(row // 4, col // 4, lattice.seed + 3)
    own = scatter(row, col, lattice.seed + 4)
    pick = np.searchsorted(_TOWN_SHARES, np.where(own < 0.8, main, own) * 0.999)
    code = np.where(town > _URBAN, 10 + np.minimum(pick, 9), code)
    village = (town <= _URBAN) & (slope < 0.06) & (fractal(x, y, 700, 723, 2) > 0.52)
    code = np.where(village, 19, code)
    street = (row % BLOCK == 0) | (col % BLOCK == 0)
    code = np.where(street, np.where(town > _URBAN, 20, 21), code)
    return code, town
