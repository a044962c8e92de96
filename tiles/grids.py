"""The tile grid: which part of the earth a tile covers (OGC 17-083r4, through morecantile)."""

from functools import cache

import morecantile
import numpy as np

from gis import mercator
from layers.errors import OneMapError
from layers.feature_query import BBox

#: The grid of ``/tiles``: the common web map grid in EPSG:3857.
WEB_MERCATOR_QUAD = "WebMercatorQuad"
#: Tile units along a tile's edge, and those that a tile reaches beyond its edge.
EXTENT = 4096
BUFFER = 64


class TileOutOfRange(OneMapError):
    """The grid has no such tile, or the tile set ends above that zoom."""


@cache
def _grid() -> morecantile.TileMatrixSet:
    return morecantile.tms.get(WEB_MERCATOR_QUAD)


@cache
def matrix_size(z: int) -> tuple[int, int]:
    """Return how many tiles zoom ``z`` has across and down.

    Raises:
        TileOutOfRange: If the grid has no such zoom.
    """
    grid = _grid()
    if not grid.minzoom <= z <= grid.maxzoom:
        raise TileOutOfRange(f"zoom {z} is outside the grid, which has 0 to {grid.maxzoom}")
    matrix = grid.matrix(z)
    return matrix.matrixWidth, matrix.matrixHeight


def check_tile(z: int, x: int, y: int) -> None:
    """Refuse a tile that the grid does not have.

    Raises:
        TileOutOfRange: The message names the range of that zoom.
    """
    width, height = matrix_size(z)
    if not (0 <= x < width and 0 <= y < height):
        raise TileOutOfRange(
            f"tile {z}/{x}/{y} is outside the grid: at zoom {z} columns are 0 to {width - 1} "
            f"and rows 0 to {height - 1}"
        )


def tile_box(z: int, x: int, y: int) -> BBox:
    """Return a tile's box in metres (EPSG:3857): west, south, east, north.

    Raises:
        TileOutOfRange: If the grid has no such tile.
    """
    check_tile(z, x, y)
    box = _grid().xy_bounds(morecantile.Tile(x, y, z))
    return (box.left, box.bottom, box.right, box.top)


def buffered(box: BBox) -> BBox:
    """Return a tile's box with its buffer, in the same coordinates."""
    west, south, east, north = box
    margin = (east - west) * BUFFER / EXTENT
    return (west - margin, south - margin, east + margin, north + margin)


def buffered_degrees(box: BBox) -> BBox:
    """Return the part of the earth that a tile shows, with its buffer.

    Args:
        box: The tile's box in metres (EPSG:3857).

    Returns:
        West, south, east, north in degrees, longitude first.
    """
    west, south, east, north = buffered(box)
    lon, lat = mercator.inverse(np.array([west, east]), np.array([south, north]))
    return (float(lon[0]), float(lat[0]), float(lon[1]), float(lat[1]))


def unit_size(z: int) -> float:
    """Return the length of one tile unit (1/4096 of a tile) in metres of EPSG:3857."""
    west, _, east, _ = tile_box(z, 0, 0)
    return (east - west) / EXTENT


def tiles_over(bbox: BBox, z: int) -> tuple[int, int, int, int]:
    """Return the columns and rows at ``z`` that a box of degrees touches.

    Returns:
        First column, first row, last column, last row.
    """
    width, height = matrix_size(z)
    west, south, east, north = bbox
    upper = _grid().tile(west, min(north, mercator.MAX_LATITUDE), z)
    lower = _grid().tile(east, max(south, -mercator.MAX_LATITUDE), z)
    return (
        max(0, min(upper.x, width - 1)),
        max(0, min(upper.y, height - 1)),
        max(0, min(lower.x, width - 1)),
        max(0, min(lower.y, height - 1)),
    )
