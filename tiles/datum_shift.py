"""Tiles in the offset of commercial base maps (GCJ-02; see ``gis.datum_offsets``).

The offset is no affine map: within one tile it differs by some units. So a tile is cut from
the true positions at sixteen times the usual resolution, and each vertex is shifted by the
published formula and rounded, which leaves it within half a unit and a sixteenth of the true place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis import mercator
from gis.datum_offsets import gcj_to_wgs, wgs_to_gcj
from layers.feature_query import BBox
from tiles.grids import BUFFER, EXTENT
from tiles.vector_edit import move_vertices

#: The name by which requests ask for it.
GCJ02 = "gcj02"
#: How much finer tiles are cut before they are shifted.
FINER = 16
#: Tile units that a tile is cut wider, as the offset differs within a tile by less (9 at most,
#: at zoom 13 and 14).
SPARE_UNITS = 32
REACH_UNITS = BUFFER + SPARE_UNITS


@dataclass(frozen=True, slots=True)
class ShiftedTile:
    """A tile of the shifted map, and where on the true map it is cut.

    Args:
        target: The tile's box in the shifted map's EPSG:3857.
    """

    target: BBox

    @property
    def frame(self) -> BBox:
        """The tile's box brought back by the offset of its middle."""
        west, south, east, north = self.target
        middle = np.array([[(west + east) / 2], [(south + north) / 2]])
        x, y = mercator.forward(*gcj_to_wgs(*mercator.inverse(*middle)))
        dx, dy = float(x[0] - middle[0][0]), float(y[0] - middle[1][0])
        return (west + dx, south + dy, east + dx, north + dy)

    @property
    def reach(self) -> BBox:
        """The box of all that may get into the tile or its buffer."""
        west, south, east, north = self.frame
        margin = (east - west) * REACH_UNITS / EXTENT
        return (west - margin, south - margin, east + margin, north + margin)

    def shift(self, tile: bytes) -> bytes:
        """Return a tile that was cut finer in the frame, shifted and at the usual extent."""
        west, _, east, north = self.frame
        fine = (east - west) / (EXTENT * FINER)
        left, _, right, top = self.target
        unit = (right - left) / EXTENT

        def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
            true = mercator.inverse(west + points[:, 0] * fine, north - points[:, 1] * fine)
            x, y = mercator.forward(*wgs_to_gcj(*true))
            return np.column_stack([(x - left) / unit, (top - y) / unit])

        return move_vertices(tile, move, EXTENT)
