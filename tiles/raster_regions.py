"""The regions of a raster of labels as areas with smooth borders: no gap and no overlap."""

from dataclasses import dataclass

import numpy as np
import shapely

from tiles.generaliser import Integers, Shapes
from tiles.label_raster import Labels, burnt
from tiles.raster_borders import borders_through_middles

#: How far a smoothed border may lie from the middles of its pixel edges, in pixels.
_SMOOTHNESS = 0.5


@dataclass(frozen=True)
class Regions:
    """The regions of a raster."""

    #: Polygons in units with whole coordinates.
    shapes: Shapes
    #: The label of each.
    labels: Integers
    #: For each pixel of the raster which region covers it; -1 for none.
    index: Integers


def regions(raster: Labels, pixel: float, origin: tuple[float, float]) -> Regions:
    """Return the regions of equal label, but not those of label 0.

    Borders are drawn once each, from one point where three regions meet to the next, through the
    middles of the pixel edges, and simplified. Snap rounding to whole units then nodes them
    (Hobby 1999), and the faces between them are the regions: so they tile the square, whatever
    smoothing did to a border. The square's own edge stays straight.

    Args:
        raster: Labels, a square of pixels.
        pixel: Units along a pixel's edge.
        origin: The lower left corner in units, whole numbers.
    """
    size = len(raster)
    box = shapely.box(0, 0, size * pixel, size * pixel).exterior
    drawn = _scaled(_smooth(borders_through_middles(raster)), pixel)
    network = shapely.union_all([*drawn, box], grid_size=1.0)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(network)))
    index = burnt(faces, np.arange(1, len(faces) + 1), size, lambda xy: xy / pixel)
    labels = _labels(faces, index, raster, pixel)
    covered = labels > 0
    moved = shapely.transform(faces[covered], lambda xy: xy + np.array(origin))
    place = np.append(-1, np.where(covered, np.cumsum(covered) - 1, -1))
    return Regions(np.asarray(moved, object), labels[covered], place[index])


def _labels(faces: Shapes, index: Labels, raster: Labels, pixel: float) -> Integers:
    """Return the label that most pixels of each face have; ``index`` is its number from 1 on.

    One point would not do: it may lie on a thread that smoothing took away.
    """
    size = len(raster)
    inner = shapely.get_coordinates(shapely.point_on_surface(faces)) / pixel
    column, row = np.clip(np.floor(inner), 0, size - 1).astype(np.int64).T
    labels: Integers = raster[row, column].astype(np.int64)
    kinds = int(raster.max()) + 1
    pairs, count = _counted(index.astype(np.int64).ravel() * kinds + raster.ravel())
    # The last of each face is the one with most pixels, of equals the lowest label.
    order = np.lexsort((-(pairs % kinds), count, pairs // kinds))
    face, label = pairs[order] // kinds - 1, pairs[order] % kinds
    known = face >= 0
    labels[face[known]] = label[known]
    return labels


def _counted(values: Integers) -> tuple[Integers, Integers]:
    """Return the distinct numbers among some, ascending, and how often each is there."""
    if values.max(initial=0) > 64 * len(values):
        unique, count = np.unique(values, return_counts=True)
        return unique, count
    every = np.bincount(values)
    unique = np.flatnonzero(every)
    return unique, every[unique]


def _smooth(lines: Shapes) -> Shapes:
    """Return simplified lines; closed ones keep an inside."""
    lines = lines.copy()
    closed = shapely.is_closed(lines)
    lines[closed] = shapely.simplify(lines[closed], _SMOOTHNESS)
    lines[~closed] = shapely.simplify(lines[~closed], _SMOOTHNESS, preserve_topology=False)
    return lines


def _scaled(shapes: Shapes, factor: float) -> Shapes:
    return np.asarray(shapely.transform(shapes, lambda xy: xy * factor), object)
