"""The reference systems that features come in: a table, with each authority's axis order.

Sources: EPSG dataset v11; OGC 17-086r3 for CRS84 and CRS84h. Every system here is on the datum of
the store (CGCS2000) or on WGS 84, from which the step is null (see ``gis.crs``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from gis import mercator
from gis.crs import STORAGE_EPSG

Array = NDArray[np.float64]

WEB_MERCATOR = 3857
#: CGCS2000 in Gauss-Kruger zones of six and three degrees, with and without the zone's number in
#: the eastings: all have X to the north first (EPSG axis order, as Chinese surveys write it).
GAUSS_KRUGER = frozenset(range(4491, 4555))
#: Metres; nothing on the globe is so far from a zone's origin.
_FAR_M = 50_000_000.0
#: From the equator's side of the South China Sea to beyond the Heilongjiang, metres.
_NORTHINGS = (1_200_000.0, 6_500_000.0)
_OGC = "http://www.opengis.net/def/crs/OGC"
_EPSG = "http://www.opengis.net/def/crs/EPSG/0"


@dataclass(frozen=True, slots=True)
class CoordinateSystem:
    """A reference system, as one parameter of a request names it."""

    uri: str
    #: EPSG code under which the database has its coordinates, longitude or easting first.
    srid: int
    #: Whether the authority's axis order puts latitude or northing first.
    north_first: bool

    @property
    def is_projected(self) -> bool:
        """Whether coordinates are metres rather than degrees."""
        return self.srid != STORAGE_EPSG

    @property
    def decimals(self) -> int:
        """Decimals of coordinates that keep a tenth of a millimetre (survey precision)."""
        return 4 if self.is_projected else 9

    @property
    def order(self) -> str:
        """The axes in their order, in words."""
        names = ("easting", "northing") if self.is_projected else ("longitude", "latitude")
        return " before ".join(reversed(names) if self.north_first else names)

    def to_storage(self, first: Array, second: Array) -> tuple[Array, Array]:
        """Bring positions to the store's system.

        Args:
            first: Of each position the first number, in the authority's order, 1-D.
            second: The second numbers, same length.

        Returns:
            Longitudes and latitudes, EPSG:4490, degrees; not finite where there is no result.
        """
        x, y = (second, first) if self.north_first else (first, second)
        if not self.is_projected:
            return x, y
        if self.srid == WEB_MERCATOR:
            with np.errstate(over="ignore"):
                return mercator.inverse(x, y)
        near = (np.abs(x) < _FAR_M) & (np.abs(y) < _FAR_M)
        lon, lat = _from_zone(self.srid).transform(np.where(near, x, np.inf), y)
        return np.asarray(lon), np.asarray(lat)

    def looks_swapped(self, first: float, second: float) -> bool:
        """Tell whether a position has the easting first where the authority has the northing.

        No easting of a zone is as large as the northings of China, 1,600 to 6,000 km, but for
        those with the zone's number in front, which are larger still.
        """
        is_zone = self.is_projected and self.north_first
        return (
            is_zone
            and _NORTHINGS[0] < second < _NORTHINGS[1]
            and not (_NORTHINGS[0] < first < _NORTHINGS[1])
        )


CRS84 = CoordinateSystem(f"{_OGC}/1.3/CRS84", STORAGE_EPSG, north_first=False)
#: With height. The heights are those of the store, and of what has none none are made up.
CRS84H = CoordinateSystem(f"{_OGC}/0/CRS84h", STORAGE_EPSG, north_first=False)
#: The store's own system; EPSG defines latitude first.
CGCS2000 = CoordinateSystem(f"{_EPSG}/{STORAGE_EPSG}", STORAGE_EPSG, north_first=True)


def coordinate_systems(zones: Iterable[int]) -> tuple[CoordinateSystem, ...]:
    """Return all systems that features come in, the usual one first.

    Args:
        zones: EPSG codes of the city's Gauss-Kruger zones, members of ``GAUSS_KRUGER``.
    """
    projected = [CoordinateSystem(f"{_EPSG}/{code}", code, north_first=True) for code in zones]
    mercator_system = CoordinateSystem(f"{_EPSG}/{WEB_MERCATOR}", WEB_MERCATOR, north_first=False)
    return (CRS84, CRS84H, CGCS2000, *projected, mercator_system)


@lru_cache(maxsize=len(GAUSS_KRUGER))
def _from_zone(code: int) -> Transformer:
    # On the same datum: a projection and nothing else. Surveys are brought in by polynomials
    # fitted to it (``gis.crs.to_storage``), which pay for many positions only.
    return Transformer.from_crs(code, STORAGE_EPSG, always_xy=True)
