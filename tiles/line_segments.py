"""Lines as segments between points of the grid: cut at a cell's edge, and joined again."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from tiles.generaliser import Floats, Integers, Shapes

Box = tuple[float, float, float, float]
#: Makes one number of two whole coordinates below 2^31.
_SHIFT = np.int64(1) << 31


@dataclass(frozen=True)
class Segments:
    """Straight pieces of lines, those of a part of a line one after the other."""

    #: First and last point in units, whole numbers, (N, 2).
    start: Floats
    end: Floats
    #: Index of the line, and of its part, that each belongs to.
    line: Integers
    part: Integers
    #: Whether it holds the middle of its line's longest segment: the place of the line.
    place: NDArray[np.bool_]
    #: The middle of the uncut segment, (N, 2).
    middle: Floats

    def take(self, index: NDArray[np.bool_]) -> "Segments":
        """Return those where a mask is true."""
        return Segments(*(column[index] for column in vars(self).values()))


def point_codes(points: Floats) -> Integers:
    """Return a number for each whole point, unique to it."""
    whole = points.astype(np.int64)
    return whole[:, 0] * _SHIFT + whole[:, 1]


def segment_codes(start: Floats, end: Floats) -> NDArray[np.int64]:
    """Return two numbers for each segment, (N, 2), the same in both directions."""
    codes = np.stack([point_codes(start), point_codes(end)], 1)
    codes.sort(axis=1)
    return codes


def segments_of(shapes: Shapes) -> Segments:
    """Return the segments of lines in units with whole coordinates."""
    parts, line_of = shapely.get_parts(shapes, return_index=True)
    points, part_of = shapely.get_coordinates(parts, return_index=True)
    same = (part_of[1:] == part_of[:-1]) & (points[1:] != points[:-1]).any(axis=1)
    start, end, part = points[:-1][same], points[1:][same], part_of[1:][same]
    line = line_of[part]
    return Segments(start, end, line, part, _longest(start, end, line), (start + end) / 2)


def _longest(start: Floats, end: Floats, line: Integers) -> NDArray[np.bool_]:
    """Tell which segment of each line is its longest, the first of equals."""
    length = ((end - start) ** 2).sum(axis=1)
    order = np.lexsort((np.arange(len(line)), -length, line))
    first = np.ones(len(order), bool)
    first[1:] = np.diff(line[order]) != 0
    longest = np.zeros(len(line), bool)
    longest[order[first]] = True
    return longest


def cut_at(segments: Segments, box: Box) -> Segments:
    """Return segments cut where they cross a box's edges, at whole coordinates.

    The crossing of a segment does not depend on its direction nor on the side it is seen from,
    so that what lies on both sides of an edge ends in the same point.
    """
    for axis, edge in ((0, box[0]), (1, box[1]), (0, box[2]), (1, box[3])):
        segments = _cut(segments, axis, edge)
    return segments


def _cut(segments: Segments, axis: int, edge: float) -> Segments:
    low = np.minimum(segments.start[:, axis], segments.end[:, axis])
    high = np.maximum(segments.start[:, axis], segments.end[:, axis])
    crosses = np.flatnonzero((low < edge) & (high > edge))
    if len(crosses) == 0:
        return segments
    start, end = segments.start[crosses], segments.end[crosses]
    turned = start[:, axis] > end[:, axis]
    first = np.where(turned[:, None], end, start)
    second = np.where(turned[:, None], start, end)
    other = 1 - axis
    share = (edge - first[:, axis]) / (second[:, axis] - first[:, axis])
    crossing = np.empty_like(start)
    crossing[:, axis] = edge
    crossing[:, other] = np.rint(first[:, other] + share * (second[:, other] - first[:, other]))
    # The middle lies in one of the halves, or at their seam: then in the one after it.
    middle = segments.middle[crosses, axis]
    before = np.where(turned, middle > edge, middle < edge)
    place = segments.place.copy()
    place[crosses] &= before
    ends = segments.end.copy()
    ends[crosses] = crossing
    second_half = Segments(
        crossing,
        end,
        segments.line[crosses],
        segments.part[crosses],
        segments.place[crosses] & ~before,
        segments.middle[crosses],
    )
    order = np.argsort(np.concatenate([np.arange(len(ends)), crosses + 0.5]), kind="stable")
    return Segments(
        np.concatenate([segments.start, second_half.start])[order],
        np.concatenate([ends, second_half.end])[order],
        np.concatenate([segments.line, second_half.line])[order],
        np.concatenate([segments.part, second_half.part])[order],
        np.concatenate([place, second_half.place])[order],
        np.concatenate([segments.middle, second_half.middle])[order],
    )


def within(segments: Segments, box: Box) -> NDArray[np.bool_]:
    """Tell which segments, cut at a box's edges, are in it: what lies on an edge is in one box.

    The west and the north edge belong to a box, as they do for points.
    """
    middle = (segments.start + segments.end) / 2
    west, south, east, north = box
    return np.asarray(
        (middle[:, 0] >= west)
        & (middle[:, 0] < east)
        & (middle[:, 1] > south)
        & (middle[:, 1] <= north)
    )


def as_lines(segments: Segments) -> tuple[Shapes, Integers]:
    """Return runs of segments that follow each other as lines, and the line each is of."""
    if len(segments.line) == 0:
        return np.empty(0, object), np.empty(0, np.int64)
    fresh = np.ones(len(segments.line), bool)
    fresh[1:] = (np.diff(segments.part) != 0) | (segments.start[1:] != segments.end[:-1]).any(
        axis=1
    )
    run = np.cumsum(fresh) - 1
    last = np.append(np.flatnonzero(fresh)[1:] - 1, len(run) - 1)
    points = np.concatenate([segments.start, segments.end[last]])
    owner = np.concatenate([run, np.arange(len(last))])
    order = np.argsort(owner, kind="stable")
    lines = shapely.linestrings(points[order], indices=owner[order])
    return np.asarray(lines, object), segments.line[fresh]


@dataclass(frozen=True)
class Chains:
    """Lines joined where no more than two of a class meet."""

    shapes: Shapes
    #: The class of each.
    classes: Integers
    #: Which chain each segment is in.
    of_segment: Integers


def joined_chains(segments: Segments, classes: Integers) -> Chains:
    """Return segments joined to chains, class by class.

    Args:
        segments: In any order of their lines.
        classes: The class of each segment.
    """
    lines, _ = as_lines(segments)
    fresh = np.ones(len(segments.line), bool)
    fresh[1:] = (np.diff(segments.part) != 0) | (segments.start[1:] != segments.end[:-1]).any(
        axis=1
    )
    line_class = classes[fresh]
    shapes, chain_class = [], []
    for number in np.unique(line_class).tolist():
        merged = shapely.line_merge(shapely.multilinestrings(lines[line_class == number]))
        parts = shapely.get_parts(merged)
        shapes.append(parts)
        chain_class.append(np.full(len(parts), number, np.int64))
    chains = np.concatenate([np.empty(0, object), *shapes])
    named = np.concatenate([np.empty(0, np.int64), *chain_class])
    return Chains(chains, named, _chain_of(segments, classes, chains, named))


def _chain_of(
    segments: Segments, classes: Integers, chains: Shapes, chain_class: Integers
) -> Integers:
    """Return the chain of each segment, found by its class and its ends."""
    points, owner = shapely.get_coordinates(chains, return_index=True)
    same = owner[1:] == owner[:-1]
    known = np.column_stack(
        [chain_class[owner[1:][same]], segment_codes(points[:-1][same], points[1:][same])]
    )
    asked = np.column_stack([classes, segment_codes(segments.start, segments.end)])
    _, number = np.unique(np.concatenate([known, asked]), axis=0, return_inverse=True)
    number = number.ravel()
    chain = np.full(number.max(initial=-1) + 1, -1)
    chain[number[: len(known)]] = owner[1:][same]
    return chain[number[len(known) :]]
