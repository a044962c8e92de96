"""Rasters of labels: areas burnt into pixels, and regions too small to see given away.

Rows go from south to north. Label 0 is ground that no area covers.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.late import LateModule
from tiles.generaliser import Floats, Integers, Shapes

if TYPE_CHECKING:
    from rasterio import features
else:
    # A server knows the methods by name and never makes a raster.
    features = LateModule("rasterio.features")

Labels = NDArray[np.int32]
#: Brings coordinates, (n, 2), elsewhere.
Placing = Callable[[Floats], Floats]


def _as_it_is(points: Floats) -> Floats:
    return points


def burnt(shapes: Shapes, labels: Integers, size: int, place: Placing = _as_it_is) -> Labels:
    """Return a square raster whose pixels have the label of the area over their centre.

    Where areas overlap the later one shows. An area over no centre gets the pixel at the middle
    of its box if nothing else does, so that nothing standing alone is lost.

    Args:
        shapes: Areas.
        labels: A positive label for each.
        size: Pixels along an edge.
        place: Brings coordinates, (n, 2), to pixels from the raster's lower left corner; it moves
            and scales, no more. Without it the areas are in pixels.
    """
    raster = np.zeros(size * size, np.int32)
    lines, starts, ends, owner = _spans(shapes, size, place)
    lengths = ends - starts
    # Every pixel of every span, in the order of the areas.
    after = np.cumsum(lengths)
    pixels = np.repeat(lines * size + starts - (after - lengths), lengths)
    pixels += np.arange(len(pixels))
    raster[pixels] = np.repeat(labels[owner].astype(np.int32), lengths)
    seen = np.zeros(len(shapes), bool)
    seen[owner[lengths > 0]] = True
    if not seen.all():
        _add_unseen(raster, place(_corners(shapes[~seen])), labels[~seen], size)
    return raster.reshape(size, size)


def _spans(
    shapes: Shapes, size: int, place: Placing
) -> tuple[Integers, Integers, Integers, Integers]:
    """Return the runs of pixel centres inside areas by the even-odd rule.

    Each edge crosses the middle lines of some rows of pixels. An area's crossings with one line,
    sorted, bound its runs in pairs (scan conversion: Foley and van Dam, Computer Graphics, 3.6).

    Returns:
        Row, first column, column after the last, and index of the area, sorted by area.
    """
    (x0, y0), (x1, y1), owner = _edges(shapes, place)
    first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, size).astype(np.int64)
    count = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, size).astype(np.int64) - first
    crossing = np.flatnonzero(count)
    x0, y0, x1, y1 = x0[crossing], y0[crossing], x1[crossing], y1[crossing]
    count, first, owner = count[crossing], first[crossing], owner[crossing]
    # Always upwards, so that both sides of a border, and a turned outline, cross in the same place.
    down = y0 > y1
    x0, x1 = np.where(down, x1, x0), np.where(down, x0, x1)
    y0, y1 = np.where(down, y1, y0), np.where(down, y0, y1)
    slope = (x1 - x0) / (y1 - y0)
    edge = np.repeat(np.arange(len(count)), count)
    line = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(len(edge))
    x = x0[edge] + (line + 0.5 - y0[edge]) * slope[edge]
    key, low, high = _in_pairs(owner[edge] * size + line, x)
    starts = np.clip(np.ceil(low - 0.5), 0, size).astype(np.int64)
    ends = np.clip(np.ceil(high - 0.5), 0, size).astype(np.int64)
    return key % size, starts, np.maximum(ends, starts), key // size


def _in_pairs(key: Integers, x: Floats) -> tuple[Integers, Floats, Floats]:
    """Return crossings with the same key in pairs from the least ``x`` on, sorted by key."""
    order = np.argsort(key)
    key, x = key[order], x[order]
    low, high = np.minimum(x[0::2], x[1::2]), np.maximum(x[0::2], x[1::2])
    pairs = key[0::2]
    # Nearly all areas are crossed twice by a line; only the others need be sorted.
    again = np.flatnonzero(pairs[1:] == pairs[:-1])
    if len(again):
        several = np.zeros(len(pairs), bool)
        several[again] = several[again + 1] = True
        wide = np.repeat(several, 2)
        rest = x[wide][np.lexsort((x[wide], key[wide]))]
        low[several], high[several] = rest[0::2], rest[1::2]
    return pairs, low, high


def _edges(
    shapes: Shapes, place: Placing
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats], Integers]:
    """Return the ends of all edges of areas, and the index of each edge's area."""
    parts, part_of = shapely.get_parts(shapes, return_index=True)
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    points = place(shapely.get_coordinates(rings))
    counts = shapely.get_num_coordinates(rings)
    # From the last point of a ring no edge leads on.
    inner = np.ones(len(points), bool)
    inner[np.cumsum(counts) - 1] = False
    before = np.flatnonzero(inner)
    x, y = np.ascontiguousarray(points.T)
    owner = np.repeat(part_of[ring_of], counts - 1)
    return (x[before], y[before]), (x[before + 1], y[before + 1]), owner.astype(np.int64)


def _corners(shapes: Shapes) -> Floats:
    """Return the lower left and the upper right corner of each shape's box, one after another."""
    return np.asarray(shapely.bounds(shapes).reshape(-1, 2))


def _add_unseen(raster: Labels, corners: Floats, labels: Integers, size: int) -> None:
    column = np.floor((corners[0::2, 0] + corners[1::2, 0]) / 2)
    row = np.floor((corners[0::2, 1] + corners[1::2, 1]) / 2)
    within = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    pixel = (row[within] * size + column[within]).astype(np.int64)
    bare = raster[pixel] == 0
    raster[pixel[bare]] = labels[within][bare]


def sieved(raster: Labels, least: int) -> Labels:
    """Return a raster without regions of fewer than ``least`` pixels.

    A small region goes to its largest neighbour (GDAL's sieve). Holes in the ground are filled
    like that too, but what stands alone is never given to the bare ground.
    """
    if least < 2:
        return raster
    covered = raster > 0
    if covered.all():
        return np.asarray(features.sieve(raster, least), np.int32)
    if not covered.any():
        return raster
    apart = features.sieve(raster, least, mask=covered)
    filled = features.sieve(raster, least)
    result: Labels = np.where(covered, apart, filled).astype(np.int32)
    return result


def without_threads(raster: Labels) -> Labels:
    """Return a raster without what is a pixel wide: it goes to what lies beside it.

    What lies between bare ground stays.
    """
    # A frame of bare ground, so that every pixel has neighbours.
    result = np.pad(raster, 1)
    block = raster[:-1, :-1]
    alike = (block == raster[1:, :-1]) & (block == raster[:-1, 1:]) & (block == raster[1:, 1:])
    broad = np.zeros(result.shape, bool)
    for down in (1, 2):
        for along in (1, 2):
            broad[down : down + len(alike), along : along + alike.shape[1]] |= alike
    flat, settled, width = result.ravel(), broad.ravel(), result.shape[1]
    thin = np.flatnonzero((flat > 0) & ~settled)
    for _ in range(2):
        fill = np.zeros(len(thin), np.int32)
        # What stands first in the row, or in the row before, counts most.
        for step in (width, 1, -width, -1):
            beside = thin + step
            fill = np.where(settled[beside] & (flat[beside] > 0), flat[beside], fill)
        given = fill > 0
        flat[thin[given]] = fill[given]
        settled[thin[given]] = True
        thin = thin[~given]
    return np.ascontiguousarray(result[1:-1, 1:-1])


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
