"""Lines made ready for drawing: set off to a side, and cut into dashes."""

from collections.abc import Iterator, Sequence

import numpy as np
import shapely

from tiles.pictures.shapes import Points

#: More dashes than a line can be seen to have.
_MOST_DASHES = 4000


def closed(ring: Points) -> Points:
    """Return a ring with its first position again at its end."""
    return np.concatenate([ring, ring[:1]])


def set_off(line: Points, distance: float) -> list[Points]:
    """Return a line moved to its right by a distance in pixels; to its left by a negative one."""
    if not distance or len(line) < 2:
        return [line]
    # Rows count downwards, so shapely's left is this side.
    moved = shapely.offset_curve(shapely.linestrings(line), distance, join_style="mitre")
    parts = shapely.get_parts(moved)
    return [shapely.get_coordinates(part) for part in parts if not shapely.is_empty(part)]


def dashes(line: Points, pattern: Sequence[float]) -> Iterator[Points]:
    """Yield the dashes of a line.

    Args:
        line: At least two positions.
        pattern: Lengths in pixels of dashes and gaps in turn.
    """
    steps = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    length, period = float(along[-1]), float(sum(pattern))
    if period <= 0 or length / period > _MOST_DASHES:
        yield line
        return
    start, place = 0.0, 0
    while start < length:
        end = min(start + pattern[place % len(pattern)], length)
        if place % 2 == 0 and end > start:
            yield between(line, along, start, end)
        start, place = start + pattern[place % len(pattern)], place + 1


def between(line: Points, along: Points, start: float, end: float) -> Points:
    """Return the part of a line between two distances from its beginning.

    Args:
        line: The positions.
        along: The distance of each from the first.
        start: Where the part begins.
        end: Where it ends.
    """
    first, last = np.searchsorted(along, [start, end], side="right")
    inner = line[first:last]
    ends = [[np.interp(at, along, line[:, axis]) for axis in (0, 1)] for at in (start, end)]
    return np.concatenate([[ends[0]], inner, [ends[1]]])
