"""Areas and lengths of many small features at once, from their vertices.

The formulas are expanded about the first vertex of each path. Within ``_SMALL`` degrees of it
(some 3 km) what is left out is below 1e-9 of the value; longer paths are measured exactly.
"""

import numpy as np
from numpy.typing import NDArray

from gis.geometry import CGCS2000_A, CGCS2000_E, equal_area_height, geodesic_steps
from gis.paths import Paths

Array = NDArray[np.float64]

_SMALL = 0.03


def areas(paths: Paths, count: int) -> Array:
    """Return the areas on the CGCS2000 ellipsoid of the geometries that paths belong to.

    Method: the shoelace formula in the equal-area cylinder (see ``gis.geometry.ellipsoidal_area``),
    whose height is expanded to the third order.

    Args:
        paths: The paths; lines count 0.
        count: Number of geometries.

    Returns:
        Square metres, one a geometry; 0 where it has no ring.
    """
    if not len(paths.path):
        return np.zeros(count)
    path = paths.path[paths.starts]
    doubled = paths.doubled(np.radians(paths.away[0]), _heights(paths))
    sums = np.abs(doubled) / 2 * CGCS2000_A
    signed = np.where(paths.hole[path], -sums, sums) * paths.ring[path]
    return np.asarray(np.bincount(paths.owner[path], signed, count), dtype=np.float64)


def _heights(paths: Paths) -> Array:
    """Return heights of vertices over the first of their path in the cylinder, metres."""
    counts, origin = paths.counts, np.radians(paths.lat[paths.starts])
    if _longest(paths) > _SMALL:
        height = equal_area_height(np.radians(paths.lat))
        return np.asarray(height - np.repeat(height[paths.starts], counts))
    # q/2 has the derivative (1 - e²)·cos φ / (1 - e²·sin² φ)² (Snyder 1987, eq. 3-12).
    step = 1e-3
    slope, left, right = (_slope(origin + shift) for shift in (0.0, -step, step))
    second = (right - left) / (2 * step)
    third = (right - 2 * slope + left) / step**2
    away = np.radians(paths.away[1])
    height = away * np.repeat(third / 6, counts)
    height += np.repeat(second / 2, counts)
    height *= away
    height += np.repeat(slope, counts)
    height *= away
    height *= CGCS2000_A
    return np.asarray(height)


def _slope(lat: Array) -> Array:
    sine = np.sin(lat)
    return np.asarray((1 - CGCS2000_E**2) * np.cos(lat) / (1 - (CGCS2000_E * sine) ** 2) ** 2)


def lengths(paths: Paths, count: int) -> Array:
    """Return the lengths of lines, or of the outlines of areas, on the CGCS2000 ellipsoid.

    Method: each side in the plane of the radii of curvature at its middle (Gauss's mid-latitude
    formula; Torge, "Geodesy", 2001, 6.3.2), the radii expanded to the first order.

    Returns:
        Metres, one a geometry; 0 where it has no path.
    """
    if not len(paths.path):
        return np.zeros(count)
    inner = paths.inner
    of_path = paths.path[:-1][inner]
    if _longest(paths) > _SMALL:
        side = paths.side
        lonlat = np.column_stack((paths.lon, paths.lat))
        metres = geodesic_steps(lonlat[side], lonlat[side + 1])
    else:
        lat = np.radians(paths.lat)
        origin = lat[paths.starts]
        step = 1e-3
        (parallel, meridian), before, after = (
            _radii(origin + shift) for shift in (0.0, -step, step)
        )
        turn = (after[0] - before[0]) / (2 * step)
        middle = ((lat[:-1] + lat[1:]) / 2)[inner] - origin[of_path]
        east = np.radians(np.diff(paths.lon)[inner]) * (parallel[of_path] + turn[of_path] * middle)
        north = np.diff(lat)[inner] * meridian[of_path]
        metres = np.sqrt(east * east + north * north)
    of_paths = np.bincount(of_path, metres, len(paths.owner))
    return np.asarray(np.bincount(paths.owner, of_paths, count), dtype=np.float64)


def _radii(lat: Array) -> tuple[Array, Array]:
    """Return the radius of the parallel and of the meridian's curvature, metres."""
    square = 1 - (CGCS2000_E * np.sin(lat)) ** 2
    parallel = CGCS2000_A * np.cos(lat) / np.sqrt(square)
    return parallel, CGCS2000_A * (1 - CGCS2000_E**2) / square**1.5


def _longest(paths: Paths) -> float:
    """Return how far, in degrees, a vertex is from the first of its path at the most."""
    return max(max(float(axis.max()), -float(axis.min())) for axis in paths.away)
