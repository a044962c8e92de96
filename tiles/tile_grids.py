"""The grids that tiles come in (OGC 17-083r4 tile matrix sets, through morecantile)."""

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import morecantile
import numpy as np
from pyproj import CRS

from gis import mercator
from layers.definition import Bilingual
from layers.errors import OneMapError
from layers.feature_query import BBox
from layers.tables import TILE_SRID
from tiles.grids import WEB_MERCATOR_QUAD, TileOutOfRange

#: EPSG code by which PostGIS is given degrees, longitude first. CGCS2000 and WGS 84 are the same
#: to a tenth of a millimetre, and the way from Web Mercator to this one is without a datum change.
DEGREES_SRID = 4326
_EPSG = "http://www.opengis.net/def/crs/EPSG/0"
#: Deepest tiles that any grid is asked for, as a zoom of the common web map grid.
_DEEPEST = 24


class UnknownGrid(OneMapError):
    """Tiles do not come in that grid."""


@dataclass(frozen=True)
class TileGrid:
    """A grid: quadratic tiles that halve from one matrix to the next."""

    name: str
    title: Bilingual
    matrices: morecantile.TileMatrixSet = field(compare=False, repr=False)
    #: EPSG code of the coordinates in which tiles are cut: degrees or Web Mercator.
    srid: int
    crs_uri: str
    #: What to add to the number of a matrix to get the zoom of ``WebMercatorQuad`` whose tiles
    #: are as wide in degrees.
    shift: int
    #: The definition in OGC's register, if there is one.
    uri: str | None = None

    @property
    def is_degrees(self) -> bool:
        """Whether its coordinates are degrees."""
        return self.srid == DEGREES_SRID

    @cached_property
    def numbers(self) -> range:
        """The numbers of its matrices."""
        return range(self.matrices.minzoom, self.matrices.maxzoom + 1)

    def zoom(self, number: int) -> int:
        """Return the zoom of ``WebMercatorQuad`` that a matrix corresponds to."""
        return number + self.shift

    def number(self, zoom: int) -> int:
        """Return the number of the matrix that corresponds to a zoom of ``WebMercatorQuad``."""
        return zoom - self.shift

    def size(self, number: int) -> tuple[int, int]:
        """Return how many tiles a matrix has across and down.

        Raises:
            TileOutOfRange: If the grid has no such matrix.
        """
        if number not in self.numbers:
            raise TileOutOfRange(
                f"{self.name} has the tile matrices {self.numbers[0]} to {self.numbers[-1]}, "
                f"not {number}"
            )
        matrix = self.matrices.matrix(number)
        return matrix.matrixWidth, matrix.matrixHeight

    def check(self, number: int, column: int, row: int) -> None:
        """Refuse a tile that the grid does not have.

        Raises:
            TileOutOfRange: The message names the range of that matrix.
        """
        width, height = self.size(number)
        if not (0 <= column < width and 0 <= row < height):
            raise TileOutOfRange(
                f"tile {number}/{column}/{row} is outside {self.name}: in matrix {number} "
                f"columns are 0 to {width - 1} and rows 0 to {height - 1}"
            )

    def box(self, number: int, column: int, row: int) -> BBox:
        """Return a tile's box in the grid's coordinates: west, south, east, north.

        Raises:
            TileOutOfRange: If the grid has no such tile.
        """
        self.check(number, column, row)
        box = self.matrices.xy_bounds(morecantile.Tile(column, row, number))
        return (box.left, box.bottom, box.right, box.top)

    def degrees(self, box: BBox) -> BBox:
        """Return a box of the grid's coordinates in degrees."""
        if self.is_degrees:
            return box
        west, south, east, north = box
        lon, lat = mercator.inverse(np.array([west, east]), np.array([south, north]))
        return (float(lon[0]), float(lat[0]), float(lon[1]), float(lat[1]))

    def metres(self, box: BBox) -> BBox:
        """Return a box of the grid's coordinates in EPSG:3857, as far as that reaches."""
        if not self.is_degrees:
            return box
        west, south, east, north = box
        x, y = mercator.forward(np.array([west, east]), np.array([south, north]))
        return (float(x[0]), float(y[0]), float(x[1]), float(y[1]))

    def over(self, bbox: BBox, number: int) -> tuple[int, int, int, int]:
        """Return first column, first row, last column and last row that a box of degrees touches.

        Raises:
            TileOutOfRange: If the grid has no such matrix.
        """
        width, height = self.size(number)
        left, _, _, top = self.box(number, 0, 0)
        west, south, east, north = bbox if self.is_degrees else self._projected(bbox)
        side = self.box(number, 0, 0)[2] - left
        columns = [int((x - left) // side) for x in (west, east)]
        rows = [int((top - y) // side) for y in (north, south)]
        return (
            min(max(columns[0], 0), width - 1),
            min(max(rows[0], 0), height - 1),
            min(max(columns[1], 0), width - 1),
            min(max(rows[1], 0), height - 1),
        )

    def _projected(self, bbox: BBox) -> BBox:
        x, y = mercator.forward(np.array([bbox[0], bbox[2]]), np.array([bbox[1], bbox[3]]))
        return (float(x[0]), float(y[0]), float(x[1]), float(y[1]))

    def document(self) -> dict[str, Any]:
        """Return the grid's definition as OGC's TileMatrixSet JSON."""
        document: dict[str, Any] = self.matrices.model_dump(
            mode="json", exclude_none=True, by_alias=True
        )
        return document


def _cgcs2000_quad() -> morecantile.TileMatrixSet:
    """Return the matrices of ``WorldCRS84Quad`` in CGCS2000."""
    matrices: morecantile.TileMatrixSet = morecantile.TileMatrixSet.custom(
        [-180.0, -90.0, 180.0, 90.0],
        CRS.from_epsg(4490),
        matrix_scale=[2, 1],
        maxzoom=_DEEPEST - 1,
        id="CGCS2000Quad",
        title="CGCS2000 quad for the world",
    )
    return matrices


def _renumbered(
    matrices: morecantile.TileMatrixSet, name: str, title: str, shift: int, numbers: range
) -> morecantile.TileMatrixSet:
    """Return matrices under other numbers and another name.

    Args:
        matrices: The matrices.
        name: The name of the result.
        title: Its title.
        shift: What to add to the number of a matrix.
        numbers: The numbers that the result has.
    """
    document = matrices.model_dump(mode="json", exclude_none=True, by_alias=True)
    wanted = [
        {**matrix, "id": str(int(matrix["id"]) + shift)} for matrix in document["tileMatrices"]
    ]
    kept = {
        "id": name,
        "title": title,
        "crs": document["crs"],
        "tileMatrices": [matrix for matrix in wanted if int(matrix["id"]) in numbers],
    }
    return morecantile.TileMatrixSet.model_validate(kept)


def _grids() -> dict[str, TileGrid]:
    mercator_quad = morecantile.tms.get(WEB_MERCATOR_QUAD)
    crs84_quad = morecantile.tms.get("WorldCRS84Quad")
    cgcs2000_quad = _cgcs2000_quad()
    # Levels 1 to 18; level 1 of "c" is two tiles by one (TianDiTu's WMTS capabilities).
    levels = range(1, 19)
    web, cgcs2000 = f"{_EPSG}/3857", f"{_EPSG}/4490"
    ogc = "http://www.opengis.net/def/tilematrixset/OGC/1.0"
    found = [
        TileGrid(
            WEB_MERCATOR_QUAD,
            Bilingual(zh="网络墨卡托四叉格网", en="Web Mercator quad"),
            mercator_quad,
            TILE_SRID,
            web,
            0,
            f"{ogc}/{WEB_MERCATOR_QUAD}",
        ),
        TileGrid(
            "WorldCRS84Quad",
            Bilingual(zh="WGS 84 经纬度四叉格网", en="WGS 84 degrees quad"),
            crs84_quad,
            DEGREES_SRID,
            "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
            1,
            f"{ogc}/WorldCRS84Quad",
        ),
        TileGrid(
            "CGCS2000Quad",
            Bilingual(zh="CGCS2000 经纬度四叉格网", en="CGCS2000 degrees quad"),
            cgcs2000_quad,
            DEGREES_SRID,
            cgcs2000,
            1,
        ),
        TileGrid(
            "TianDiTu_c",
            Bilingual(zh="天地图经纬度格网（c）", en="TianDiTu degrees (c)"),
            _renumbered(cgcs2000_quad, "TianDiTu_c", "TianDiTu c", 1, levels),
            DEGREES_SRID,
            cgcs2000,
            0,
        ),
        TileGrid(
            "TianDiTu_w",
            Bilingual(zh="天地图墨卡托格网（w）", en="TianDiTu Mercator (w)"),
            _renumbered(mercator_quad, "TianDiTu_w", "TianDiTu w", 0, levels),
            TILE_SRID,
            web,
            0,
        ),
    ]
    return {grid.name: grid for grid in found}


#: Name → grid, the common one first.
TILE_GRIDS: MappingProxyType[str, TileGrid] = MappingProxyType(_grids())


def tile_grid(name: str) -> TileGrid:
    """Return a grid.

    Raises:
        UnknownGrid: If tiles do not come in a grid of that name.
    """
    grid = TILE_GRIDS.get(name)
    if grid is None:
        raise UnknownGrid(
            f"there is no tile matrix set '{name}'; tiles come in {', '.join(TILE_GRIDS)}"
        )
    return grid
