"""Overlaps and gaps of a coverage, found from the sides that do not meet their counterpart.

Turn every ring so that its area lies on the left. The number of areas over a place, m, then
changes only across a side: by one, up when it is crossed from right to left. Where two neighbours
share a side they have it in opposite directions, and the two cancel; what is left of a clean
coverage is its outline. So m can be computed everywhere from the few sides that are left, exactly,
without looking at the areas again: this is the boundary operator of simplicial chains, ∂Σ = Σ∂,
and m is the winding number of what is left of it. Places with m ≥ 2 are overlaps, enclosed places
with m = 0 are gaps.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.geometry import Geometries
from gis.paths import METRES_A_DEGREE, Paths
from gis.scratch import ScratchFolder

Array = NDArray[np.float64]
Hashes = NDArray[np.uint64]
Codes = NDArray[np.int64]

#: Sides that are kept in memory (16 bytes each) before they go to disk.
_IN_MEMORY = 3_000_000
#: The bits of the hashes, from these on, by which pairs of sides are sought before the rest is
#: sorted, and how few sides are sorted at once.
_SHIFTS = (np.uint64(0), np.uint64(30))
_FEW_SIDES = 1_024
#: Parts that the sides on disk are divided into by their hash.
_PARTS = 32
#: Odd constants of Vigna's splitmix64 finaliser (public domain).
_MIX_A, _MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Sides:
    """Directed sides, as hashes of their ends."""

    #: The same for a side and its counterpart.
    hashes: Hashes
    #: Twice the row that the side is of, plus one if it runs from the lower to the higher hash.
    codes: Codes

    @property
    def rows(self) -> Codes:
        """The row each side is of."""
        return self.codes >> 1

    def __len__(self) -> int:
        """The number of sides."""
        return len(self.hashes)


def sides_of(paths: Paths, rows: Codes, tolerance: float, *, against: bool = False) -> Sides:
    """Return the sides of areas, each with its area on the left.

    Args:
        paths: The rings of the areas.
        rows: The row that each geometry of ``paths`` is of.
        tolerance: Vertices nearer than this may count as one, metres.
        against: Turn every side round, so that the areas count as taken away.
    """
    return _sides(paths, rows, tolerance, against=against)[0]


def _sides(
    paths: Paths, rows: Codes, tolerance: float, *, against: bool
) -> tuple[Sides, NDArray[np.int64], NDArray[np.bool_]]:
    """Return the sides, the vertex each begins at in ``paths``, and which were turned round."""
    grain = _grain(tolerance)
    ends = _mixed(np.rint(paths.lon / grain), np.rint(paths.lat / grain))
    if not len(ends):
        nothing = np.zeros(0, dtype=np.int64)
        return Sides(ends, nothing), nothing, np.zeros(0, dtype=bool)
    start, end = ends[:-1], ends[1:]
    turned_paths = _turned(paths) ^ against
    path = paths.path[paths.starts]
    turned = np.repeat(turned_paths, paths.counts)[:-1]
    codes = np.repeat(rows[paths.owner[path]] << 1, paths.counts)[:-1]
    codes |= (start < end) ^ turned
    real = paths.inner & (start != end)
    return Sides((start + end)[real], codes[real]), np.flatnonzero(real), turned[real]


def _grain(tolerance: float) -> float:
    """Return the grid that vertices are taken to, degrees."""
    return tolerance / 2 / METRES_A_DEGREE


def _mixed(x: Array, y: Array) -> Hashes:
    mixed = x.astype(np.int64).view(np.uint64)
    mixed *= _GOLDEN
    mixed += y.astype(np.int64).view(np.uint64)
    mixed ^= mixed >> np.uint64(30)
    mixed *= _MIX_A
    mixed ^= mixed >> np.uint64(27)
    mixed *= _MIX_B
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _turned(paths: Paths) -> NDArray[np.bool_]:
    """Tell which paths with vertices are rings that run so that their area lies on the right."""
    hole = paths.hole[paths.path[paths.starts]]
    # About a near origin, or the shoelace formula would lose small areas to rounding.
    return np.asarray((paths.doubled(*paths.away) < 0) ^ hole)


#: Is told of rows that meet along a side: two arrays of like length.
Meet = Callable[[Codes, Codes], None]


def left_over(sides: Sides, meet: Meet | None = None) -> Sides:
    """Return the sides that do not cancel: those whose two directions are not equally many.

    Args:
        sides: The sides.
        meet: Is told which rows have two sides that cancelled.
    """
    for shift in _SHIFTS:
        if len(sides) < _FEW_SIDES:
            break
        sides = _without_pairs(sides, shift, meet)
    if not len(sides):
        return sides
    order = np.argsort(sides.hashes)
    hashes, codes = sides.hashes[order], sides.codes[order]
    first = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1]))
    balance = np.add.reduceat(((codes & 1) << 1) - 1, first)
    lengths = np.diff(np.append(first, len(hashes)))
    kept = np.repeat(balance != 0, lengths)
    if meet is not None:
        pairs = first[(lengths == 2) & (balance == 0)]
        meet(codes[pairs] >> 1, codes[pairs + 1] >> 1)
    return Sides(hashes[kept], codes[kept])


def _without_pairs(sides: Sides, shift: np.uint64, meet: Meet | None) -> Sides:
    """Return the sides without most of the pairs that cancel, which takes no sorting.

    Every side is put into a place of a table that some bits of its hash name. Those that find one
    with their own hash there are a pair with it, if they are the only ones that do.

    Args:
        sides: The sides.
        shift: Which bits of the hashes to use: those from here on.
        meet: Is told which rows have two sides that cancelled.
    """
    hashes, codes, count = sides.hashes, sides.codes, len(sides)
    bits = count.bit_length()
    place = ((hashes >> shift) & np.uint64((1 << bits) - 1)).view(np.int64)
    # Small numbers: the table stays in the processor's cache.
    numbers = np.arange(count, dtype=np.int32 if count < 1 << 31 else np.int64)
    # Which of several that share a place is found there does not matter.
    table = np.empty(1 << bits, dtype=numbers.dtype)
    table[place] = numbers
    found = table[place]
    one = np.flatnonzero((hashes[found] == hashes) & (found != numbers))
    other = found[one]
    back = table[:count]
    back[other] = one
    alone = back[other] == one
    if not alone.all():
        # Three sides or more with one hash: to be counted.
        crowded = np.zeros(count, dtype=bool)
        crowded[other[~alone]] = True
        alone = ~crowded[other]
        one, other = one[alone], other[alone]
    opposite = ((codes[one] ^ codes[other]) & 1).astype(bool)
    one, other = one[opposite], other[opposite]
    if meet is not None:
        meet(codes[one] >> 1, codes[other] >> 1)
    rest = np.ones(count, dtype=bool)
    rest[one] = False
    rest[other] = False
    return Sides(hashes[rest], codes[rest])


class SideLedger:
    """Takes sides in any number and order and keeps those that do not cancel.

    Sides of neighbours that come near each other in time cancel at once; when too many wait for
    their counterpart, they wait on disk, divided by hash.
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        #: Is told of rows that meet along a side.
        self.meet: Meet | None = None
        self._in_memory = in_memory
        self._waiting: list[Sides] = []
        self._count = 0
        self._settled = 0
        self._disk: ScratchFolder | None = None

    def add(self, sides: Sides) -> None:
        """Take sides in."""
        self.take(left_over(sides, self.meet))

    def take(self, rest: Sides) -> None:
        """Take in what was left over of some sides."""
        self._waiting.append(rest)
        self._count += len(rest)
        if self._count > 2 * self._settled + self._in_memory // 8:
            self._settle()
            if self._count > self._in_memory:
                self._to_disk()

    def close(self) -> Sides:
        """Return what is left over; the ledger cannot be used after that."""
        self._settle()
        rest = self._waiting[0]
        if self._disk is not None:
            self._to_disk()
            found = [left_over(part, self.meet) for part in self._parts(self._disk.path)]
            self._disk.close()
            rest = _joined(found)
        self._waiting = []
        return rest

    def _settle(self) -> None:
        rest = left_over(_joined(self._waiting), self.meet)
        self._waiting = [rest]
        self._count = self._settled = len(rest)

    def _to_disk(self) -> None:
        if self._disk is None:
            self._disk = ScratchFolder()
        rest = self._waiting[0]
        # Sorted by hash, so that each part is one piece.
        ends = np.searchsorted(
            rest.hashes, np.arange(1, _PARTS, dtype=np.uint64) << np.uint64(59)
        ).tolist()
        for part, (start, end) in enumerate(zip([0, *ends], [*ends, len(rest)], strict=True)):
            with (self._disk.path / str(part)).open("ab") as file:
                np.column_stack(
                    [rest.hashes[start:end].view(np.int64), rest.codes[start:end]]
                ).tofile(file)
        self._waiting = [_joined([])]
        self._count = self._settled = 0

    @staticmethod
    def _parts(folder: Path) -> Iterator[Sides]:
        for part in range(_PARTS):
            pairs = np.fromfile(folder / str(part), dtype=np.int64).reshape(-1, 2)
            yield Sides(pairs[:, 0].copy().view(np.uint64), pairs[:, 1].copy())


def _joined(parts: list[Sides]) -> Sides:
    if not parts:
        return Sides(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))
    if len(parts) == 1:
        return parts[0]
    return Sides(
        np.concatenate([part.hashes for part in parts]),
        np.concatenate([part.codes for part in parts]),
    )


@dataclass(frozen=True)
class PlacedSides:
    """Directed sides with their ends; the area they bound lies on their left."""

    #: (n, 4): longitude and latitude of the start, then of the end.
    ends: Array
    #: The row each side is of.
    rows: Codes


def place(
    paths: Paths,
    rows: Codes,
    left: Sides,
    tolerance: float,
    *,
    against: bool = False,
) -> PlacedSides:
    """Return where the sides that are left over lie, for the areas that they are of.

    Args:
        paths: The rings of areas that may have such sides.
        rows: Their rows.
        left: What is left over.
        tolerance: As the sides were made with, metres.
        against: As the sides were made with.
    """
    sides, at, turned = _sides(paths, rows, tolerance, against=against)
    known = np.sort(left.hashes)
    found = np.searchsorted(known, sides.hashes)
    chosen = np.zeros(len(sides), dtype=bool)
    inside = found < len(known)
    chosen[inside] = known[found[inside]] == sides.hashes[inside]
    at, turned = at[chosen], turned[chosen]
    start = np.where(turned, at + 1, at)
    end = np.where(turned, at, at + 1)
    ends = np.column_stack([paths.lon[start], paths.lat[start], paths.lon[end], paths.lat[end]])
    # Sides cancelled on the grid, so only there do those that are left close their rings.
    ends = np.rint(ends / _grain(tolerance)) * _grain(tolerance)
    return PlacedSides(ends, sides.rows[chosen])


@dataclass(frozen=True)
class Faces:
    """The pieces of the plane that some sides divide it into, without the outermost one."""

    #: Polygons, EPSG:4490.
    geometries: Geometries
    #: How many areas lie over each; relative to before, where sides were taken away.
    count: NDArray[np.int64]
    #: Mean width of each, metres.
    width: Array


def faces_of(sides: PlacedSides) -> Faces:
    """Divide the plane by sides and count the areas over each piece."""
    ends = sides.ends
    if not len(ends):
        nothing = np.zeros(0)
        return Faces(np.zeros(0, dtype=object), nothing.astype(np.int64), nothing)
    lines = shapely.linestrings(ends.reshape(-1, 2, 2))
    noded = shapely.get_parts(shapely.union_all(lines))
    faces = shapely.get_parts(shapely.polygonize(noded))
    points = shapely.get_coordinates(shapely.point_on_surface(faces))
    return Faces(faces, _windings(points, ends), mean_width(faces))


def mean_width(areas: Geometries) -> Array:
    """Return twice the area over the perimeter, metres; small areas, EPSG:4490."""
    if not len(areas):
        return np.zeros(0)
    boxes = shapely.bounds(areas)
    scale = np.cos(np.radians((boxes[:, 1] + boxes[:, 3]) / 2))
    coordinates, owner = shapely.get_coordinates(areas, return_index=True)
    coordinates[:, 0] *= scale[owner]
    flat = shapely.set_coordinates(areas.copy(), coordinates * METRES_A_DEGREE)
    around = shapely.length(flat)
    return np.divide(2 * shapely.area(flat), around, out=np.zeros(len(flat)), where=around > 0)


#: Points whose winding is counted at once.
_POINTS = 2_000


def _windings(points: Array, ends: Array) -> NDArray[np.int64]:
    """Count how often directed sides wind about points (Sunday's crossing rule)."""
    x0, y0, x1, y1 = ends.T
    tree = shapely.STRtree(
        shapely.box(np.minimum(x0, x1), np.minimum(y0, y1), np.maximum(x0, x1), np.maximum(y0, y1))
    )
    east = float(max(x0.max(), x1.max())) + 1.0
    result = np.zeros(len(points), dtype=np.int64)
    for first in range(0, len(points), _POINTS):
        some = points[first : first + _POINTS]
        far = np.column_stack([np.full(len(some), east), some[:, 1]])
        rays = shapely.linestrings(np.stack([some, far], axis=1))
        which, side = tree.query(rays)
        px, py = some[which].T
        ax, ay, bx, by = ends[side].T
        left_of = (bx - ax) * (py - ay) - (px - ax) * (by - ay)
        up = (ay <= py) & (by > py) & (left_of > 0)
        down = (ay > py) & (by <= py) & (left_of < 0)
        turns = up.astype(np.int64) - down
        result[first : first + len(some)] = np.bincount(
            which, weights=turns, minlength=len(some)
        ).astype(np.int64)
    return result
