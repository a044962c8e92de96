"""What can be taken from the geometries of a batch, by name."""

from collections.abc import Callable

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.geometry import Geometries, ellipsoidal_area, geodesic_length

Array = NDArray[np.float64]


def _perimeter(shapes: Geometries) -> Array:
    """Return the length of the rings of areas; others have none."""
    lengths = geodesic_length(shapes)
    lengths[shapely.get_dimensions(shapes) != 2] = np.nan
    return lengths


def _height(function: Callable[[Array], float]) -> Callable[[Geometries], Array]:
    def measure(shapes: Geometries) -> Array:
        points, owners = shapely.get_coordinates(shapes, include_z=True, return_index=True)
        heights = np.full(len(shapes), np.nan)
        begins = np.flatnonzero(np.diff(owners, prepend=-1))
        for begin, end in zip(begins, [*begins[1:], len(owners)], strict=True):
            heights[owners[begin]] = function(points[begin:end, 2])
        return heights

    return measure


#: Areas in m² and lengths in metres on the CGCS2000 ellipsoid (sources of the formulas in
#: ``gis/geometry.py``); positions in degrees of EPSG:4490; heights in metres. The centroid is that
#: of the longitude and latitude plane; the inner point lies on the shape.
_MEASURES: dict[str, Callable[[Geometries], Array]] = {
    "area": ellipsoidal_area,
    "length": geodesic_length,
    "perimeter": _perimeter,
    "centroid_x": lambda shapes: shapely.get_x(shapely.centroid(shapes)),
    "centroid_y": lambda shapes: shapely.get_y(shapely.centroid(shapes)),
    "inner_x": lambda shapes: shapely.get_x(shapely.point_on_surface(shapes)),
    "inner_y": lambda shapes: shapely.get_y(shapely.point_on_surface(shapes)),
    "z_min": _height(np.min),
    "z_max": _height(np.max),
}
#: Names that expressions have for the same.
_ALSO = {"x": "centroid_x", "y": "centroid_y"}


def measure(name: str, shapes: Geometries) -> Array:
    """Measure geometries.

    Args:
        name: One of ``MEASURE_UNITS`` in ``etl/mapping.py``, or ``x`` or ``y``.
        shapes: EPSG:4490, x = longitude; ``None`` where there is none.

    Returns:
        The values; NaN where there is no geometry, or it has no such thing.
    """
    present = ~shapely.is_missing(shapes)
    values = np.full(len(shapes), np.nan)
    if present.any():
        values[present] = _MEASURES[_ALSO.get(name, name)](shapes[present])
    return values
