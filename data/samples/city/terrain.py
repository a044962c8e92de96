"""The ground: one height function of the plane, with the Mufu range, valleys and the plain."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import shapely
from shapely import LineString

from city import gazetteer as gaz
from city.frame import core_river
from city.noise import Floats, fractal, ridged
from city.shapes import spline

#: Height of the Yangtze plain, 1985 national height datum, metres.
PLAIN_M = 22.0


@cache
def river_courses() -> dict[str, LineString]:
    """Return the course of each main river by id, source to mouth, with meanders (EPSG:4547)."""
    courses = {}
    for number, (key, _, _, width, points) in enumerate(gaz.RIVERS):
        rough = spline([gaz.metric(*point) for point in points], 250.0)
        courses[key] = LineString(_meander(rough, 120 + 0.25 * width, 2200 + 6 * width, number))
    above = [gaz.metric(*point) for point in gaz.GAN_ABOVE]
    below = [gaz.metric(*point) for point in gaz.GAN_BELOW]
    middle = core_river()
    upper = spline([*above, tuple(middle[0]), tuple(middle[6])], 120.0)
    lower = spline([tuple(middle[-7]), tuple(middle[-1]), *below], 120.0)
    cut_up = int(np.argmin(np.hypot(*(upper - middle[0]).T)))
    cut_low = int(np.argmin(np.hypot(*(lower - middle[-1]).T)))
    courses["R03"] = LineString(np.vstack([upper[:cut_up], middle, lower[cut_low + 1 :]]))
    return dict(sorted(courses.items()))


def _meander(points: Floats, amplitude: float, length: float, seed: int) -> Floats:
    """Shift a course sideways by smooth noise; the ends stay."""
    step = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0], np.cumsum(step)])
    tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    ease = np.minimum(1, np.minimum(along, along[-1] - along) / length)
    shift = amplitude * ease * fractal(along, np.full(len(along), 7.0), length, 900 + seed, 3) * 1.8
    return np.asarray(points + shift[:, None] * np.column_stack([-tangent[:, 1], tangent[:, 0]]))


class _Near:
    """Distances to the nearest of many line segments, by a tree of them."""

    def __init__(self, lines: Sequence[LineString]) -> None:
        pairs = []
        for line in lines:
            points = shapely.get_coordinates(shapely.simplify(line, 20.0))
            pairs.append(np.stack([points[:-1], points[1:]], axis=1))
        segments = np.asarray(shapely.linestrings(np.concatenate(pairs)), object)
        self._tree = shapely.STRtree(segments)

    def __call__(self, points: npt.NDArray[np.object_]) -> Floats:
        flat = points.ravel()
        found, distance = self._tree.query_nearest(flat, return_distance=True, all_matches=False)
        result: Floats = np.empty(len(flat))
        result[found[0]] = distance
        return result.reshape(points.shape)


@cache
def _valleys() -> tuple[_Near, _Near, tuple[_Near, ...]]:
    courses = river_courses()
    large = _Near([courses[key] for key in ("R01", "R02", "R03", "R04")])
    small = _Near([course for key, course in courses.items() if key > "R04"])
    crests = [LineString([gaz.metric(*p) for p in crest]) for crest, _, _ in gaz.RANGES]
    return large, small, tuple(_Near([crest]) for crest in crests)


def height(east: npt.ArrayLike, north: npt.ArrayLike) -> Floats:
    """Return the ground height (1985 datum, metres) at EPSG:4547 positions of any shape."""
    x, y = np.broadcast_arrays(np.asarray(east, np.float64), np.asarray(north, np.float64))
    wx = x + 900 * fractal(x, y, 5200, 3, 3)
    wy = y + 900 * fractal(x, y, 5200, 4, 3)
    points = np.asarray(shapely.points(wx, wy), object)
    large, small, ranges = _valleys()
    mountain: Floats = np.zeros(x.shape)
    for crest, (_, top, width) in zip(ranges, gaz.RANGES, strict=True):
        bump = top * np.exp(-((crest(points) / width) ** 1.6))
        mountain = np.maximum(mountain, bump) + 0.18 * np.minimum(mountain, bump)
    spurs = ridged(wx, wy, 7600, 11, 5)
    valley = 1 - np.exp(-((large(points) / 3600) ** 1.7))
    valley *= 0.25 + 0.75 * (1 - np.exp(-((small(points) / 1900) ** 1.7)))
    south = 1 / (1 + np.exp((y - (3_298_000 + 0.28 * (x - 530_000))) / 7000))
    rolling = (8 + 62 * south) * np.clip(0.45 + 0.9 * fractal(x, y, 2600, 21, 4), 0, None)
    body = mountain * (0.22 + 0.98 * spurs**1.25) * (0.05 + 0.95 * valley)
    floor = PLAIN_M + 38 * south + 0.045 * mountain
    return np.asarray(floor + body + rolling * (0.12 + 0.88 * valley) + _core_hills(x, y))


#: Hills of the core: east, north offsets from its centre (m), height m, half width m, stretch.
_HILLS = (
    (-1750.0, -1350.0, 165.0, 620.0, 1.5), (-2450.0, -2300.0, 150.0, 700.0, 1.2),
    (2350.0, -1750.0, 95.0, 600.0, 1.3), (-2500.0, 1500.0, 60.0, 560.0, 1.0),
    (2650.0, 1150.0, 48.0, 500.0, 1.4), (520.0, -2650.0, 80.0, 520.0, 1.2),
)  # fmt: skip


def _core_hills(x: Floats, y: Floats) -> Floats:
    """Return the height that the hills around the surveyed core add."""
    centre = gaz.metric(114.32, 29.84)
    total: Floats = np.zeros(x.shape)
    for east, north, top, width, stretch in _HILLS:
        dx, dy = x - centre[0] - east, (y - centre[1] - north)
        warp = 1 + 0.35 * fractal(x, y, 700, 51, 3)
        squared = ((dx * 0.8 + dy * 0.6) / stretch) ** 2 + (dx * -0.6 + dy * 0.8) ** 2
        total = total + top * np.exp(-squared * warp / width**2)
    detail = 0.65 + 0.6 * ridged(x, y, 520, 61, 3)
    return np.asarray(total * detail)
