"""Spherical Web Mercator (EPSG:3857) in numpy.

Formula: IOGP Guidance Note 7-2, "Popular Visualisation Pseudo Mercator" (EPSG method 1024). Agrees
with PROJ to nanometres and is several times as fast on large arrays.
"""

import numpy as np
from numpy.typing import NDArray

#: Radius of the sphere, metres: the semi-major axis of WGS 84.
RADIUS_M = 6378137.0
#: The latitude at which the map is square, degrees.
MAX_LATITUDE = 85.0511287798066

Array = NDArray[np.float64]


def forward(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Project degrees to Web Mercator metres.

    Args:
        lon: Longitudes in degrees, any shape.
        lat: Latitudes in degrees, same shape; beyond ±85.0511° they are clamped to it.

    Returns:
        Easting and northing in metres, EPSG:3857.
    """
    clamped = np.clip(lat, -MAX_LATITUDE, MAX_LATITUDE)
    return RADIUS_M * np.radians(lon), RADIUS_M * np.arctanh(np.sin(np.radians(clamped)))


def inverse(x: Array, y: Array) -> tuple[Array, Array]:
    """Turn Web Mercator metres back into degrees.

    Args:
        x: Eastings in metres, EPSG:3857, any shape.
        y: Northings in metres, same shape.

    Returns:
        Longitudes and latitudes in degrees.
    """
    return np.degrees(x / RADIUS_M), np.degrees(np.arctan(np.sinh(y / RADIUS_M)))
