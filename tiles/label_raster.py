"""Rasters of labels: areas burnt into pixels, and regions too small to see given away.

Rows go from south to north. Label 0 is ground that no area covers.
"""

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import sieve

from tiles.generaliser import Floats, Integers, Shapes

Labels = NDArray[np.int32]


def burnt(shapes: Shapes, labels: Integers, size: int) -> Labels:
    """Return a square raster whose pixels have the label of the area over their centre.

    Where areas overlap the later one shows. An area over no centre gets the pixel at the middle
    of its box if nothing else does, so that nothing standing alone is lost.

    Args:
        shapes: Areas in pixels, from the raster's lower left corner.
        labels: A positive label for each.
        size: Pixels along an edge.
    """
    raster = np.zeros(size * size, np.int32)
    lines, starts, ends, owner = _spans(shapes, size)
    lengths = ends - starts
    # Every pixel of every span, in the order of the areas.
    first = lines * size + starts
    offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    raster[np.repeat(first, lengths) + offsets] = np.repeat(labels[owner], lengths)
    seen = np.zeros(len(shapes), bool)
    seen[owner[lengths > 0]] = True
    _add_unseen(raster, shapes, labels, ~seen, size)
    return raster.reshape(size, size)


def _spans(shapes: Shapes, size: int) -> tuple[Integers, Integers, Integers, Integers]:
    """Return the runs of pixel centres inside areas by the even-odd rule.

    Each edge crosses the middle lines of some rows of pixels. An area's crossings with one line,
    sorted, bound its runs in pairs (scan conversion: Foley and van Dam, Computer Graphics, 3.6).

    Returns:
        Row, first column, column after the last, and index of the area, sorted by area.
    """
    coordinates, owner = _edges(shapes)
    x0, y0, x1, y1 = coordinates
    low, high = np.minimum(y0, y1), np.maximum(y0, y1)
    first = np.clip(np.ceil(low - 0.5), 0, size).astype(np.int64)
    after = np.clip(np.ceil(high - 0.5), 0, size).astype(np.int64)
    count = after - first
    crossing = count > 0
    x0, y0, x1, y1 = x0[crossing], y0[crossing], x1[crossing], y1[crossing]
    count, first, owner = count[crossing], first[crossing], owner[crossing]
    slope = (x1 - x0) / (y1 - y0)
    edge = np.repeat(np.arange(len(count)), count)
    line = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    x = x0[edge] + (line + 0.5 - y0[edge]) * slope[edge]
    of = owner[edge]
    order = np.lexsort((x, of * size + line))
    x, line, of = x[order], line[order], of[order]
    starts = np.clip(np.ceil(x[0::2] - 0.5), 0, size).astype(np.int64)
    ends = np.clip(np.ceil(x[1::2] - 0.5), 0, size).astype(np.int64)
    return line[0::2], starts, np.maximum(ends, starts), of[0::2]


def _edges(shapes: Shapes) -> tuple[tuple[Floats, Floats, Floats, Floats], Integers]:
    """Return the ends of all edges of areas, and the index of each edge's area."""
    parts, part_of = shapely.get_parts(shapes, return_index=True)
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    points, point_of = shapely.get_coordinates(rings, return_index=True)
    same = point_of[1:] == point_of[:-1]
    start, end = points[:-1][same], points[1:][same]
    owner = part_of[ring_of[point_of[:-1][same]]]
    return (start[:, 0], start[:, 1], end[:, 0], end[:, 1]), owner.astype(np.int64)


def _add_unseen(
    raster: Labels, shapes: Shapes, labels: Integers, unseen: NDArray[np.bool_], size: int
) -> None:
    bounds = shapely.bounds(shapes[unseen])
    column = np.floor((bounds[:, 0] + bounds[:, 2]) / 2)
    row = np.floor((bounds[:, 1] + bounds[:, 3]) / 2)
    within = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    pixel = (row[within] * size + column[within]).astype(np.int64)
    bare = raster[pixel] == 0
    raster[pixel[bare]] = labels[unseen][within][bare]


def sieved(raster: Labels, least: int) -> Labels:
    """Return a raster without regions of fewer than ``least`` pixels.

    A small region goes to its largest neighbour (GDAL's sieve). Holes in the ground are filled
    like that too, but what stands alone is never given to the bare ground.
    """
    if least < 2:
        return raster
    covered = raster > 0
    if covered.all():
        return np.asarray(sieve(raster, least), np.int32)
    if not covered.any():
        return raster
    apart = sieve(raster, least, mask=covered)
    filled = sieve(raster, least)
    result: Labels = np.where(covered, apart, filled).astype(np.int32)
    return result


def without_threads(raster: Labels) -> Labels:
    """Return a raster without what is a pixel wide: it goes to what lies beside it.

    What lies between bare ground stays.
    """
    same = np.zeros((raster.shape[0] + 1, raster.shape[1] + 1), bool)
    block = raster[:-1, :-1]
    alike = (block == raster[1:, :-1]) & (block == raster[:-1, 1:]) & (block == raster[1:, 1:])
    same[1:-1, 1:-1] = alike
    broad = same[:-1, :-1] | same[1:, :-1] | same[:-1, 1:] | same[1:, 1:]
    result = raster.copy()
    for _ in range(2):
        known = np.pad(np.where(broad, result, 0), 1)
        beside = [known[1:-1, :-2], known[:-2, 1:-1], known[1:-1, 2:], known[2:, 1:-1]]
        fill = beside[0]
        for other in beside[1:]:
            fill = np.where(fill > 0, fill, other)
        changed = ~broad & (raster > 0) & (fill > 0)
        result[changed] = fill[changed]
        broad = broad | changed
    return result


def grown(raster: Labels) -> Labels:
    """Return a raster whose covered ground is a pixel wider on all sides."""
    padded = np.pad(raster, 1)
    around = np.maximum.reduce(
        [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    )
    return np.where(raster == 0, around, raster).astype(np.int32)


def borders(raster: Labels) -> int:
    """Return how many pairs of neighbouring pixels differ: the length of all borders."""
    across = np.count_nonzero(raster[:, 1:] != raster[:, :-1])
    return int(across + np.count_nonzero(raster[1:] != raster[:-1]))
