"""Geometry tools: smooth lines, isolines, coverages from label rasters and from linework."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry as Geometry

from city.noise import Floats

#: Coordinates are kept at millimetres, as surveys deliver them.
GRID_M = 0.001


def smooth(points: Floats, rounds: int = 3) -> Floats:
    """Return a polyline (n, 2) smoothed by repeated (1, 2, 1) averaging.

    The ends of an open line stay; a closed one (first point = last) is smoothed all around.
    """
    result = points.astype(np.float64)
    closed = len(points) > 3 and bool(np.all(points[0] == points[-1]))
    for _ in range(rounds):
        if closed:
            ring = result[:-1]
            ring = (np.roll(ring, 1, 0) + 2 * ring + np.roll(ring, -1, 0)) / 4
            result = np.vstack([ring, ring[:1]])
        elif len(result) > 2:
            inner = (result[:-2] + 2 * result[1:-1] + result[2:]) / 4
            result = np.vstack([result[:1], inner, result[-1:]])
    return result


def spline(points: Sequence[tuple[float, float]], step: float) -> Floats:
    """Return a Catmull-Rom curve through the points, one vertex about every ``step`` metres."""
    control = np.asarray(points, np.float64)
    ends = np.vstack([2 * control[0] - control[1], control, 2 * control[-1] - control[-2]])
    pieces = []
    for p0, p1, p2, p3 in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        count = max(2, int(np.hypot(*(p2 - p1)) / step))
        t = np.linspace(0, 1, count, endpoint=False)[:, None]
        curve = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        pieces.append((curve + (3 * p1 - p0 - 3 * p2 + p3) * t**3) / 2)
    return np.vstack([*pieces, control[-1:]])


def merge_lines(segments: npt.NDArray[np.object_] | Sequence[Geometry]) -> list[LineString]:
    """Join line segments that share ends; lines stop where three or more meet."""
    merged = shapely.line_merge(shapely.multilinestrings(np.asarray(segments, object)))
    return [line for line in shapely.get_parts(merged) if not line.is_empty]


#: Marching squares: for each of the 16 corner patterns the cut edges, by pairs.
#: Edges: 0 south, 1 east, 2 north, 3 west. Corners (bits): 1 SW, 2 SE, 4 NE, 8 NW.
_CUTS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((3, 0),), 2: ((0, 1),), 3: ((3, 1),), 4: ((1, 2),), 5: ((3, 0), (1, 2)), 6: ((0, 2),),
    7: ((3, 2),), 8: ((2, 3),), 9: ((2, 0),), 10: ((0, 1), (2, 3)), 11: ((2, 1),),
    12: ((1, 3),), 13: ((1, 0),), 14: ((0, 3),),
}  # fmt: skip


def isolines(field: Floats, x: Floats, y: Floats, level: float) -> list[LineString]:
    """Return the lines where ``field`` (rows = y, columns = x) has the value ``level``."""
    values = np.where(field == level, level + 1e-9, field)
    above = values > level
    code = above[:-1, :-1] + 2 * above[:-1, 1:] + 4 * above[1:, 1:] + 8 * above[1:, :-1]

    def crossing(rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64], edge: int) -> Floats:
        # An edge shared by two cells is always computed from the same two corners in the same
        # order, so that both cells get the same coordinates to the last bit.
        r0, c0 = (rows + (edge == 2), cols + (edge == 1))
        r1, c1 = (r0, c0 + 1) if edge in (0, 2) else (r0 + 1, c0)
        a, b = values[r0, c0], values[r1, c1]
        t = (level - a) / (b - a)
        return np.column_stack([x[c0] + t * (x[c1] - x[c0]), y[r0] + t * (y[r1] - y[r0])])

    segments = []
    for pattern, cuts in _CUTS.items():
        rows, cols = np.nonzero(code == pattern)
        for start, end in cuts:
            if len(rows):
                pair = np.stack([crossing(rows, cols, start), crossing(rows, cols, end)], axis=1)
                segments.append(pair)
    if not segments:
        return []
    return merge_lines(np.asarray(shapely.linestrings(np.concatenate(segments)), object))


def areas_above(field: Floats, x: Floats, y: Floats, level: float) -> list[Polygon]:
    """Return the areas where ``field`` exceeds ``level``, holes included; the frame is outside."""
    framed = field.copy()
    framed[[0, -1], :] = framed[:, [0, -1]] = level - 1
    lines = isolines(framed, x, y, level)
    faces = shapely.get_parts(shapely.polygonize(lines))
    if not len(faces):
        return []
    spots = shapely.point_on_surface(faces)
    cols = np.clip(np.searchsorted(x, shapely.get_x(spots)), 1, len(x) - 1)
    rows = np.clip(np.searchsorted(y, shapely.get_y(spots)), 1, len(y) - 1)
    tx = (shapely.get_x(spots) - x[cols - 1]) / (x[cols] - x[cols - 1])
    ty = (shapely.get_y(spots) - y[rows - 1]) / (y[rows] - y[rows - 1])
    low = framed[rows - 1, cols - 1] * (1 - tx) + framed[rows - 1, cols] * tx
    high = framed[rows, cols - 1] * (1 - tx) + framed[rows, cols] * tx
    inside = low * (1 - ty) + high * ty > level
    merged = shapely.union_all(faces[inside])
    return [part for part in shapely.get_parts(merged) if isinstance(part, Polygon)]


def label_coverage(
    labels: npt.NDArray[np.int64], x: Floats, y: Floats, rounds: int = 4, tolerance: float = 0.0
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Turn a raster of labels into smooth areas that share their borders exactly.

    Args:
        labels: Cell labels (rows = y, columns = x); below zero is outside.
        x: Cell edges along columns, one more than columns.
        y: Cell edges along rows, one more than rows.
        rounds: Smoothing of the borders between junctions.
        tolerance: Douglas-Peucker tolerance on the smoothed borders, metres.

    Returns:
        Areas (one polygon each) and the label of each.
    """
    padded = np.pad(labels, 1, constant_values=-1)
    segments = []
    rows, cols = np.nonzero(padded[1:-1, :-1] != padded[1:-1, 1:])
    segments.append(
        np.stack([np.column_stack([x[cols], y[rows]]), np.column_stack([x[cols], y[rows + 1]])], 1)
    )
    rows, cols = np.nonzero(padded[:-1, 1:-1] != padded[1:, 1:-1])
    segments.append(
        np.stack([np.column_stack([x[cols], y[rows]]), np.column_stack([x[cols + 1], y[rows]])], 1)
    )
    frame = shapely.box(x[0], y[0], x[-1], y[-1]).exterior
    arcs = []
    for line in merge_lines(np.asarray(shapely.linestrings(np.concatenate(segments)), object)):
        points = shapely.get_coordinates(line)
        on_frame = shapely.covers(frame, line)
        arcs.append(line if on_frame else LineString(smooth(points, rounds)))
    if tolerance:
        arcs = list(shapely.simplify(np.asarray(arcs, object), tolerance))
    faces = polygonize(arcs)
    spots = shapely.point_on_surface(faces)
    col = np.clip(np.searchsorted(x, shapely.get_x(spots)) - 1, 0, labels.shape[1] - 1)
    row = np.clip(np.searchsorted(y, shapely.get_y(spots)) - 1, 0, labels.shape[0] - 1)
    found = labels[row, col]
    return faces[found >= 0], found[found >= 0]


def polygonize(lines: Sequence[Geometry] | npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Node linework on the millimetre grid and return the faces, which share their vertices."""
    noded = shapely.union_all(np.asarray(lines, object), grid_size=GRID_M)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    return np.asarray(faces, object)


def dissolve(faces: npt.NDArray[np.object_], keys: npt.NDArray[np.int64]) -> dict[int, Geometry]:
    """Unite the faces of each key; faces must form a coverage, which stays one."""
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    result: dict[int, Geometry] = {}
    for group in np.split(order, cuts):
        united = faces[group[0]] if len(group) == 1 else shapely.coverage_union_all(faces[group])
        result[int(keys[group[0]])] = united
    return result


def absorb_small(
    faces: npt.NDArray[np.object_],
    keys: npt.NDArray[np.int64],
    minimum: Floats,
    group: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Give faces whose united area is below ``minimum`` to the neighbour with the longest border.

    Args:
        faces: Faces of a coverage.
        keys: The area each face belongs to.
        minimum: Smallest area allowed for each face's key, m².
        group: Only neighbours of the same group take each other, unless there is none.

    Returns:
        New keys.
    """
    keys = keys.copy()
    tree = shapely.STRtree(faces)
    areas = shapely.area(faces)
    total: dict[int, float] = {}
    for key, area in zip(keys.tolist(), areas.tolist(), strict=True):
        total[key] = total.get(key, 0.0) + area
    small = [i for i in np.argsort(areas).tolist() if areas[i] < minimum[i]]
    for index in small:
        key = int(keys[index])
        if total[key] >= minimum[index] and areas[index] > minimum[index] / 3:
            continue
        near = tree.query(faces[index], predicate="intersects")
        near = near[keys[near] != key]
        if not len(near):
            continue
        shared = shapely.length(shapely.intersection(faces[index], faces[near]))
        shared = shared * np.where(group[near] == group[index], 1000.0, 1.0)
        best = int(near[int(np.argmax(shared))])
        if shared.max() <= 0:
            continue
        total[key] -= float(areas[index])
        total[int(keys[best])] += float(areas[index])
        keys[index] = keys[best]
    return keys
