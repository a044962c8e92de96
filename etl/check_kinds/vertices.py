"""Vertices as a survey has them: no repeated ones, no spikes, no slivers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from gis.paths import Paths
from layers.definition import Bilingual, LayerDefinition

Metres = NDArray[np.float64]
Corner = tuple[Metres, Metres]


class Vertices(Parameters):
    """What is wrong with a path; each limit is looked at where it is given."""

    #: Neighbouring vertices nearer than this count as repeated, metres.
    repeated_within: float | None = Field(default=None, ge=0)
    #: A corner sharper than this is a spike, degrees.
    sharpest: float | None = Field(default=None, gt=0, lt=90)
    #: Areas less compact than this are slivers: 4π·area/perimeter², 1 for a circle.
    least_compact: float | None = Field(default=None, gt=0, lt=1)
    #: Distinct vertices that a ring or a line must have.
    fewest: int | None = Field(default=None, ge=2)


@dataclass(frozen=True)
class _Check:
    parameters: Vertices

    def breaches(self, rows: CheckRows) -> Breach:
        paths = rows.paths
        found: dict[int, str] = {}
        parameters = self.parameters
        if parameters.fewest is not None:
            found |= _few(paths, parameters.fewest)
        if parameters.least_compact is not None:
            found |= self._slivers(rows, parameters.least_compact)
        if parameters.sharpest is not None:
            found |= _spikes(paths, parameters.sharpest)
        if parameters.repeated_within is not None:
            found |= _repeated(paths, parameters.repeated_within)
        broken = np.zeros(rows.count, dtype=bool)
        broken[list(found)] = True
        return Breach(broken, found.__getitem__)

    def _slivers(self, rows: CheckRows, limit: float) -> dict[int, str]:
        around = _around(rows.paths, rows.count)
        with np.errstate(divide="ignore", invalid="ignore"):
            compact = 4 * np.pi * rows.area / around**2
        return {
            row: (
                f"the area is a sliver: {rows.area[row]:.2f} m2 within {around[row]:.0f} m "
                f"of outline"
            )
            for row in np.flatnonzero(compact < limit).tolist()
        }


def _around(paths: Paths, count: int) -> Metres:
    """Return the length of all paths of each geometry, metres."""
    if not len(paths.path):
        return np.zeros(count)
    east, north = paths.steps
    metres = np.zeros(len(paths.path))
    metres[:-1][paths.inner] = np.sqrt(east * east + north * north)
    of_paths = np.add.reduceat(metres, paths.starts)
    owner = paths.owner[paths.path[paths.starts]]
    return np.asarray(np.bincount(owner, of_paths, count), dtype=np.float64)


def _repeated(paths: Paths, within: float) -> dict[int, str]:
    east, north = paths.steps
    square = east * east + north * north
    wrong = np.flatnonzero(square <= within * within)
    rows = paths.owner[paths.path[paths.side[wrong]]]
    return {
        int(row): f"two neighbouring vertices are {square[place] ** 0.5 * 1000:.3g} mm apart"
        for row, place in zip(rows[::-1], wrong[::-1], strict=True)
    }


def _spikes(paths: Paths, sharpest: float) -> dict[int, str]:
    east, north = paths.steps
    path = paths.path[:-1][paths.inner]
    moving = (east != 0) | (north != 0)
    if not moving.all():
        east, north, path = east[moving], north[moving], path[moving]
    if not len(path):
        return {}
    limit = np.tan(np.radians(sharpest))
    dot, cross = _corner(east[:-1], north[:-1], east[1:], north[1:])
    sharp = np.zeros(len(path), dtype=bool)
    sharp[:-1] = np.abs(cross) < limit * dot
    # After the last side of a ring comes its first one; a line ends.
    ends = np.append(np.flatnonzero(path[1:] != path[:-1]), len(path) - 1)
    starts = np.append(0, ends[:-1] + 1)
    last = _corner(east[ends], north[ends], east[starts], north[starts])
    sharp[ends] = (np.abs(last[1]) < limit * last[0]) & paths.ring[path[ends]]
    wrong = np.flatnonzero(sharp)
    after = wrong + 1
    place = np.searchsorted(ends, wrong)
    after[ends[place] == wrong] = starts[place[ends[place] == wrong]]
    dot, cross = _corner(east[wrong], north[wrong], east[after], north[after])
    angles = np.degrees(np.arctan2(np.abs(cross), dot))
    rows = paths.owner[path[wrong]]
    return {
        int(row): f"a corner of {angle:.3g}° is a spike"
        for row, angle in zip(rows[::-1], angles[::-1], strict=True)
    }


def _corner(east: Metres, north: Metres, then_east: Metres, then_north: Metres) -> Corner:
    """Return the dot and the cross product of the way back along a side and the next side."""
    return -(east * then_east + north * then_north), east * then_north - north * then_east


def _few(paths: Paths, fewest: int) -> dict[int, str]:
    count = np.bincount(paths.path, minlength=len(paths.owner)) - paths.ring
    return {
        int(paths.owner[path]): f"a path has {count[path]} vertices; it must have {fewest}"
        for path in np.flatnonzero(count < fewest).tolist()
    }


def _make(parameters: Vertices, layer: LayerDefinition) -> _Check:
    if layer.geometry.dimension == 0:
        raise ValueError("points have no vertices to compare")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="重复节点、尖锐角、狭长图斑", en="repeated vertices, spikes, slivers"),
    Vertices,
    _make,
)
