"""How a feature's geometry changed, in measures on the ground."""

from typing import Any

import numpy as np
import shapely

from gis.geometry import ellipsoidal_area, geodesic_length
from gis.paths import METRES_A_DEGREE
from layers.definition import LayerDefinition

_DECIMALS = 4


def geometry_change(
    old: bytes | None, new: bytes | None, layer: LayerDefinition
) -> dict[str, float]:
    """Return how two geometries differ.

    Args:
        old: WKB (EPSG:4490), or ``None`` where there was none.
        new: WKB (EPSG:4490), or ``None`` where there is none.
        layer: Their layer.

    Returns:
        Nothing where they are the same to the last bit; otherwise ``before`` and ``after``, the
        size of areas (m²) and lines (m); ``moved``, by how many metres a point lies elsewhere, or
        the farthest place of a line (Hausdorff distance, in the plane of the first vertex's
        parallel); ``differing``, the m² that only one of two areas covers; and ``raised``, metres
        by which the vertex whose height differs most lies higher, where there are as many vertices.
    """
    if old == new:
        return {}
    shapes = [None if wkb is None else shapely.from_wkb(wkb) for wkb in (old, new)]
    flat = [None if shape is None else shapely.force_2d(shape) for shape in shapes]
    found: dict[str, float] = {}
    if layer.geometry.dimension:
        measure = ellipsoidal_area if layer.geometry.dimension == 2 else geodesic_length
        for side, shape in zip(("before", "after"), flat, strict=True):
            if shape is not None:
                found[side] = _one(measure, shape)
    if flat[0] is None or flat[1] is None:
        return found
    if layer.geometry.dimension == 0:
        found["moved"] = _one(geodesic_length, shapely.shortest_line(flat[0], flat[1]))
    elif layer.geometry.dimension == 1:
        found["moved"] = _farthest(flat[0], flat[1])
    else:
        differing = shapely.symmetric_difference(flat[0], flat[1])
        found["differing"] = _one(ellipsoidal_area, differing)
    if layer.geometry.z:
        found |= _raised(shapes[0], shapes[1])
    return found


def _farthest(old: Any, new: Any) -> float:
    lon, lat = shapely.get_coordinates(old)[0]
    scale = np.array([np.cos(np.radians(lat)), 1.0]) * METRES_A_DEGREE
    planes = shapely.transform(
        np.array([old, new], dtype=object), lambda lonlat: (lonlat - [lon, lat]) * scale
    )
    return round(float(shapely.hausdorff_distance(*planes)), _DECIMALS)


def _raised(old: Any, new: Any) -> dict[str, float]:
    heights = [shapely.get_coordinates(shape, include_z=True)[:, 2] for shape in (old, new)]
    if len(heights[0]) != len(heights[1]):
        return {}
    steps = heights[1] - heights[0]
    steps = steps[np.isfinite(steps)]
    if not steps.any():
        return {}
    return {"raised": round(float(steps[np.argmax(np.abs(steps))]), _DECIMALS)}


def _one(measure: Any, shape: Any) -> float:
    return round(float(measure(np.array([shape], dtype=object))[0]), _DECIMALS)
