"""The borders between the regions of a raster, traced as lines from node to node.

All is done on arrays: an edge between unlike pixels has two directions, each direction has one
that follows it, and doubling the steps finds every line's first edge in a logarithm of passes.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from tiles.generaliser import Floats, Integers, Shapes
from tiles.label_raster import Labels


def borders_through_middles(raster: Labels) -> Shapes:
    """Return the borders as lines in pixels, cut where three or more meet or the raster ends.

    They go through the middles of the pixel edges, which turns stairs into slopes, but from and
    to the nodes themselves; those that meet no other are closed.
    """
    start, end, width = _edges(raster)
    if len(start) == 0:
        return np.empty(0, object)
    before, through = _predecessors(start, end)
    _open_rings(before)
    root, place = _positions(before)
    ordered = np.argsort(place, kind="stable")
    last = np.full(len(root), -1)
    last[root[ordered]] = ordered
    first = _firsts(root, last, through)
    corners = np.stack([start % width, start // width], 1)
    lines = _Lines(corners, np.stack([end % width, end // width], 1), root, place)
    return lines.drawn(first, last[first], through[first])


def _edges(raster: Labels) -> tuple[Integers, Integers, int]:
    """Return the first and last corner of every directed edge; the second half are reversed."""
    width = raster.shape[1] + 1
    row, column = np.nonzero(raster[:, 1:] != raster[:, :-1])
    upright = row * width + column + 1
    row, column = np.nonzero(raster[1:] != raster[:-1])
    level = (row + 1) * width + column
    first = np.concatenate([upright, level])
    second = np.concatenate([upright + width, level + 1])
    return np.concatenate([first, second]), np.concatenate([second, first]), width


def _predecessors(start: Integers, end: Integers) -> tuple[Integers, NDArray[np.bool_]]:
    """Return the directed edge before each one, or itself where it begins at a node.

    Also whether it begins at a corner of two edges, which is no node.
    """
    total = len(start)
    twin = (np.arange(total) + total // 2) % total
    order = np.argsort(end, kind="stable")
    arriving = end[order]
    low = np.searchsorted(arriving, start)
    through = np.searchsorted(arriving, start, side="right") - low == 2
    one, other = order[low], order[np.minimum(low + 1, total - 1)]
    before = np.where(one == twin, other, one)
    return np.where(through, before, np.arange(total)), through


def _open_rings(before: Integers) -> None:
    """Let lines that meet no node begin at their least edge, in both directions the same."""
    total = len(before)
    step, undirected = before.copy(), np.arange(total) % (total // 2)
    least = undirected.copy()
    for _ in range(total.bit_length()):
        np.minimum(least, least[step], out=least)
        step = step[step]
    in_ring = before[step] != step
    first = np.flatnonzero(in_ring & (least == undirected))
    before[first] = first


def _positions(before: Integers) -> tuple[Integers, Integers]:
    """Return each directed edge's line, by its first edge, and its place in it."""
    root, place = before.copy(), (before != np.arange(len(before))).astype(np.int64)
    while True:
        further = root[root]
        if (further == root).all():
            return root, place
        place += place[root]
        root = further


def _firsts(root: Integers, last: Integers, through: NDArray[np.bool_]) -> Integers:
    """Return the first edges of all lines, each line in one of its two directions."""
    half = len(root) // 2
    lines = np.flatnonzero(root == np.arange(len(root)))
    # A ring begins at the same edge in both directions, other lines at opposite ends.
    reverse = np.where(through[lines], lines + half, last[lines] + half) % len(root)
    return lines[lines < reverse]


@dataclass(frozen=True)
class _Lines:
    """Directed edges: their first and last corners, their line's first edge, the place in it."""

    start: Integers
    end: Integers
    root: Integers
    place: Integers

    def drawn(self, first: Integers, last: Integers, ring: NDArray[np.bool_]) -> Shapes:
        """Return the lines that begin and end with the given edges."""
        edges = np.flatnonzero(np.isin(self.root, first))
        edges = edges[np.lexsort((self.place[edges], self.root[edges]))]
        middles: Floats = (self.start[edges] + self.end[edges]) / 2
        opening = np.flatnonzero(self.place[edges] == 0)
        line = np.arange(len(first))
        closing = np.where(ring[:, None], middles[opening], self.end[last])
        points = np.concatenate([self.start[first][~ring], middles, closing])
        owner = np.concatenate([line[~ring], np.searchsorted(first, self.root[edges]), line])
        order = np.argsort(owner, kind="stable")
        return np.asarray(shapely.linestrings(points[order], indices=owner[order]))
