"""The regions of a raster of labels as areas with smooth borders: no gap and no overlap."""

import numpy as np
import shapely

from tiles.generaliser import Integers, Shapes
from tiles.label_raster import Labels
from tiles.raster_borders import borders_through_middles

#: How far a smoothed border may lie from the middles of its pixel edges, in pixels.
_SMOOTHNESS = 0.5


def regions(raster: Labels, pixel: float, origin: tuple[float, float]) -> tuple[Shapes, Integers]:
    """Return the regions of equal label, but not those of label 0.

    Borders are drawn once each, from one point where three regions meet to the next, through the
    middles of the pixel edges, and simplified. Snap rounding to whole units then nodes them
    (Hobby 1999), and the faces between them are the regions: so they tile the square, whatever
    smoothing did to a border. The square's own edge stays straight.

    Args:
        raster: Labels, a square of pixels.
        pixel: Units along a pixel's edge.
        origin: The lower left corner in units, whole numbers.

    Returns:
        Polygons in units with whole coordinates, and the label of each.
    """
    size = len(raster)
    box = shapely.box(0, 0, size * pixel, size * pixel).exterior
    drawn = _scaled(_smooth(borders_through_middles(raster)), pixel)
    network = shapely.union_all([*drawn, box], grid_size=1.0)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(network)))
    inner = shapely.get_coordinates(shapely.point_on_surface(faces)) / pixel
    column, row = np.clip(np.floor(inner), 0, size - 1).astype(np.int64).T
    labels = raster[row, column].astype(np.int64)
    covered = labels > 0
    moved = shapely.transform(faces[covered], lambda xy: xy + np.array(origin))
    return np.asarray(moved, object), labels[covered]


def _smooth(lines: Shapes) -> Shapes:
    """Return simplified lines; closed ones keep an inside."""
    lines = lines.copy()
    closed = shapely.is_closed(lines)
    lines[closed] = shapely.simplify(lines[closed], _SMOOTHNESS)
    lines[~closed] = shapely.simplify(lines[~closed], _SMOOTHNESS, preserve_topology=False)
    return lines


def _scaled(shapes: Shapes, factor: float) -> Shapes:
    return np.asarray(shapely.transform(shapes, lambda xy: xy * factor), object)
