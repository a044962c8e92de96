"""Which tiles of the web map's grid show some shapes.

The grid is WebMercatorQuad (OGC 17-083r4, annex D): at zoom z the square of EPSG:3857 is cut into
2^z columns from the west and 2^z rows from the north. Tiles are coded ``x << 24 | y``.
"""

from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray

#: Half the width of the grid's square, metres of EPSG:3857.
HALF_WORLD = 20_037_508.342789244

Shapes = NDArray[np.object_]
Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


def tile_codes(x: Codes, y: Codes) -> Codes:
    """Return columns and rows as codes."""
    return x.astype(np.int64) << 24 | y.astype(np.int64)


def tiles_showing(
    shapes: Shapes, zooms: Iterable[int], reach: float, limit: int, margin: float = 0.0
) -> dict[int, Codes | None]:
    """Return the tiles that meet any of some shapes, by zoom.

    Long and slanted shapes are followed exactly, from zoom to zoom; a box would take in tiles that
    they pass by.

    Args:
        shapes: Geometries in EPSG:3857, none missing or empty.
        zooms: The zooms wanted, 0 to 24.
        reach: How far a tile shows what is beyond its edge, as a part of its width.
        limit: With more tiles than so many, a zoom and all deeper ones have ``None``: all tiles.
        margin: How far a shape may be moved before it is shown, in metres.

    Returns:
        For each zoom the codes, sorted, each once.
    """
    wanted = sorted(set(zooms))
    found: dict[int, Codes | None] = {}
    if not wanted or len(shapes) == 0:
        return {zoom: np.empty(0, np.int64) for zoom in wanted}
    shapely.prepare(shapes)
    bounds = shapely.bounds(shapes)
    owner = np.arange(len(shapes))
    ranges = _ranges(bounds, wanted[0], _reach(wanted[0], reach, margin))
    if _count(ranges).sum() > 4 * limit:
        return dict.fromkeys(wanted)
    owner, x, y = _spread(owner, ranges)
    for zoom in range(wanted[0], wanted[-1] + 1):
        wider = _reach(zoom, reach, margin)
        if zoom > wanted[0]:
            owner, x, y = _children(owner, x, y, _ranges(bounds, zoom, wider))
        owner, x, y = _meeting(shapes, bounds, owner, x, y, zoom, wider)
        codes = np.unique(tile_codes(x, y))
        if len(codes) > limit or len(owner) > 8 * limit:
            return found | {deeper: None for deeper in wanted if deeper >= zoom}
        if zoom in wanted:
            found[zoom] = codes
    return found


def _reach(zoom: int, reach: float, margin: float) -> float:
    """Return how far a tile of a zoom shows shapes, as a part of its width."""
    return reach + margin * (1 << zoom) / (2 * HALF_WORLD)


def _ranges(bounds: Floats, zoom: int, reach: float) -> Codes:
    """Return first column, first row, last column and last row of the tiles that boxes meet."""
    width = 2 * HALF_WORLD / (1 << zoom)
    west, south, east, north = bounds.T
    edges = np.stack(
        [
            np.ceil((west + HALF_WORLD) / width - 1 - reach),
            np.ceil((HALF_WORLD - north) / width - 1 - reach),
            np.floor((east + HALF_WORLD) / width + reach),
            np.floor((HALF_WORLD - south) / width + reach),
        ],
        axis=1,
    )
    clipped: Codes = np.clip(edges, 0, (1 << zoom) - 1).astype(np.int64)
    return clipped


def _count(ranges: Codes) -> Codes:
    return np.asarray((ranges[:, 2] - ranges[:, 0] + 1) * (ranges[:, 3] - ranges[:, 1] + 1))


def _spread(owner: Codes, ranges: Codes) -> tuple[Codes, Codes, Codes]:
    """Return every tile of every range, with whose it is."""
    counts = _count(ranges)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    each = np.repeat(np.arange(len(owner)), counts)
    high = ranges[each, 3] - ranges[each, 1] + 1
    return owner[each], ranges[each, 0] + place // high, ranges[each, 1] + place % high


def _children(owner: Codes, x: Codes, y: Codes, ranges: Codes) -> tuple[Codes, Codes, Codes]:
    """Return the tiles of the next zoom within the given ones that the owners' boxes meet.

    A tile's neighbours may show a shape too that only its own buffer reaches: since the parent's
    buffer is twice as wide, they are among the children of the parents.
    """
    owner = np.repeat(owner, 4)
    x = np.repeat(x * 2, 4) + np.tile([0, 0, 1, 1], len(x))
    y = np.repeat(y * 2, 4) + np.tile([0, 1, 0, 1], len(y))
    mine = ranges[owner]
    within = (x >= mine[:, 0]) & (x <= mine[:, 2]) & (y >= mine[:, 1]) & (y <= mine[:, 3])
    return owner[within], x[within], y[within]


def _meeting(
    shapes: Shapes, bounds: Floats, owner: Codes, x: Codes, y: Codes, zoom: int, reach: float
) -> tuple[Codes, Codes, Codes]:
    """Return the tiles that their owners' shapes, and not only their boxes, meet."""
    ranges = _ranges(bounds, zoom, reach)[owner]
    doubtful = np.flatnonzero((ranges[:, 2] > ranges[:, 0]) & (ranges[:, 3] > ranges[:, 1]))
    if len(doubtful) == 0:
        return owner, x, y
    width = 2 * HALF_WORLD / (1 << zoom)
    west = (x[doubtful] - reach) * width - HALF_WORLD
    north = HALF_WORLD - (y[doubtful] - reach) * width
    across = (1 + 2 * reach) * width
    boxes = shapely.box(west, north - across, west + across, north)
    keep = np.ones(len(owner), bool)
    keep[doubtful] = shapely.intersects(shapes[owner[doubtful]], boxes)
    return owner[keep], x[keep], y[keep]
