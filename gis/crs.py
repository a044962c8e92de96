"""Coordinate reference systems: what a survey may come in, and its way to CGCS2000.

Everything is stored in CGCS2000 geographic (EPSG:4490) as lon/lat degrees. A source is accepted
when EPSG publishes a transformation from its datum to CGCS2000 or to WGS 84; the step from WGS 84
to CGCS2000 is null (the ellipsoids differ by 0.1 mm, the frames by a few centimetres), which serves
display but not cm work, and the load's report says so. Xi'an 1980 and Beijing 1954 need a local
parameter set, without which libraries silently do nothing: an error of tens to over 100 m.
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError
from pyproj.transformer import AreaOfInterest, TransformerGroup

from gis.datum_offsets import bd_to_wgs, gcj_to_wgs
from gis.local_polynomial import LocalPolynomial

Array = NDArray[np.float64]
#: west, south, east, north
Box = tuple[float, float, float, float]

STORAGE_EPSG = 4490
#: Eastings from here on carry a zone number in front (no zone is that wide).
_PREFIX_FROM = 1_000_000.0
#: The CGCS2000 zones whose eastings carry their number: 3-degree and 6-degree ones.
_PREFIXED_ZONES = frozenset({*range(4513, 4534), *range(4491, 4502)})
#: Degrees by which a survey may overlap the edge of its CRS's area of use.
_AREA_MARGIN = 0.5

_LEGACY = {
    "Xi'an 1980": re.compile(r"xi'?_?an[ _]*(19)?80", re.IGNORECASE),
    "Beijing 1954": re.compile(r"(beijing[ _]*(19)?54|new[ _]*beijing)", re.IGNORECASE),
}
_OFFSETS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "GCJ-02": gcj_to_wgs,
    "BD-09": bd_to_wgs,
}


class CrsError(ValueError):
    """A reference system is unknown, unfit or lacks a published transformation."""


class HeightDatum(StrEnum):
    """What the heights of a source refer to, as far as its CRS says."""

    UNSTATED = "unstated"
    NORMAL_1985 = "1985"
    NORMAL_1956 = "1956"
    ELLIPSOIDAL = "ellipsoidal"
    OTHER = "other"


@dataclass(frozen=True)
class SourceCrs:
    """The reference system of a survey, checked to have a way to CGCS2000."""

    #: Such as ``EPSG:4547``, or a name where no authority code fits.
    label: str
    #: The horizontal part.
    horizontal: CRS
    heights: HeightDatum
    #: ``GCJ-02`` or ``BD-09`` where the coordinates carry that shift.
    offset: str | None = None

    @property
    def is_projected(self) -> bool:
        """Whether coordinates are metres or feet rather than degrees."""
        return bool(self.horizontal.is_projected)

    @property
    def names_north_x(self) -> bool:
        """Whether the CRS itself calls its northing X and its easting Y (Chinese survey order)."""
        first = self.horizontal.axis_info[0]
        return self.is_projected and first.abbrev.upper() == "X" and first.direction == "north"

    @property
    def area(self) -> Box | None:
        """The area of use in degrees, with a margin; ``None`` where it is unknown or the world."""
        area = self.horizontal.area_of_use
        if area is None or area.west >= area.east:
            return None
        return (
            area.west - _AREA_MARGIN,
            max(area.south - _AREA_MARGIN, -90.0),
            area.east + _AREA_MARGIN,
            min(area.north + _AREA_MARGIN, 90.0),
        )


@dataclass(frozen=True)
class ToStorage:
    """The transformation from a source to EPSG:4490, ready for arrays."""

    description: str
    #: Stated accuracy in metres of the datum step; 0 where there is none.
    accuracy_m: float
    _function: Callable[[Array, Array], tuple[Array, Array]]

    def __call__(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Transform coordinates.

        Args:
            x: Eastings or longitudes of the source, 1-D, in its own unit.
            y: Northings or latitudes, same length.

        Returns:
            Longitudes and latitudes in degrees, EPSG:4490; ``inf`` where there is no result.
        """
        return self._function(x, y)


def resolve(text: str) -> SourceCrs:
    """Read a reference system and check that it can be brought to CGCS2000.

    Args:
        text: ``4547``, ``EPSG:4547``, ``EPSG:4547+5737``, an OGC URN, WKT (also of ESRI), a PROJ
            string, or ``GCJ-02`` / ``BD-09``.

    Raises:
        CrsError: If it is unknown, not a CRS for maps, Xi'an 1980 or Beijing 1954, or has no
            published transformation.
    """
    name = text.strip()
    offset = name.upper().replace("_", "-")
    if offset in _OFFSETS:
        return SourceCrs(offset, CRS.from_epsg(STORAGE_EPSG), HeightDatum.UNSTATED, offset)
    try:
        crs = CRS.from_user_input(int(name) if name.isdigit() else name)
    except CRSError:
        raise CrsError(
            f"'{_shorten(name)}' is not a reference system: write it like EPSG:4547"
        ) from None
    _refuse_legacy(crs)
    heights = _height_datum(crs)
    horizontal = _identified(crs.sub_crs_list[0] if crs.is_compound else crs)
    if len(horizontal.axis_info) == 3:
        horizontal = horizontal.to_2d()
    if not (horizontal.is_projected or horizontal.is_geographic):
        raise CrsError(f"{_label(horizontal)} is neither geographic nor projected")
    source = SourceCrs(_label(horizontal), horizontal, heights)
    to_storage(source)
    return source


def to_storage(source: SourceCrs) -> ToStorage:
    """Find the best published transformation of ``source`` to EPSG:4490.

    Raises:
        CrsError: If there is only a "ballpark" one, which would leave the shift of the datum in.
    """
    if source.offset is not None:
        return ToStorage(
            f"inverse of the published {source.offset} offset", 1.0, _OFFSETS[source.offset]
        )
    for target in (STORAGE_EPSG, 4326):
        with warnings.catch_warnings():
            # pyproj warns when a more exact grid exists that is not installed; the accuracy of
            # the transformation in use is told in the report instead.
            warnings.simplefilter("ignore", UserWarning)
            group = TransformerGroup(
                source.horizontal,
                CRS.from_epsg(target),
                always_xy=True,
                area_of_interest=_area_of_interest(source.horizontal),
                allow_ballpark=False,
            )
        if group.transformers:
            best = group.transformers[0]
            description = best.description
            if target == 4326:
                description += " + null step from WGS 84 to CGCS2000 (good for display, not for cm)"
            exact = best.transform
            quick = LocalPolynomial(exact) if source.horizontal.is_projected else exact
            return ToStorage(description, max(best.accuracy, 0.0), quick)
    raise CrsError(
        f"no transformation from {source.label} to CGCS2000 is published: "
        "transform the survey with your local parameters first"
    )


def zone_of(easting: float) -> int | None:
    """Return the zone number written in front of a Gauss-Kruger easting, if there is one.

    Args:
        easting: Metres, such as 38530925.1.

    Returns:
        The zone (38 of 38530925.1), or ``None`` for an easting without one.
    """
    return int(easting // _PREFIX_FROM) if easting >= _PREFIX_FROM else None


def cgcs2000_zone(zone: int, *, prefixed: bool) -> int | None:
    """Return the EPSG code of a CGCS2000 Gauss-Kruger zone.

    Args:
        zone: 25 to 45 for the 3-degree zones, 13 to 23 for the 6-degree ones.
        prefixed: Whether eastings carry the zone number.

    Returns:
        The code (EPSG dataset v11), or ``None`` if there is no such zone.
    """
    if 25 <= zone <= 45:
        return (4513 if prefixed else 4534) + zone - 25
    if 13 <= zone <= 23:
        return (4491 if prefixed else 4502) + zone - 13
    return None


def suspect(source: SourceCrs, x: float, y: float) -> str | None:
    """Guess why a position does not lie where its CRS is used.

    Args:
        source: The CRS the position is said to be in.
        x: Easting or longitude, in the CRS's unit.
        y: Northing or latitude.

    Returns:
        A hint for the person who loads, or ``None``.
    """
    if source.is_projected and abs(x) <= 180 and abs(y) <= 180:
        return "they look like degrees: is the file in EPSG:4490?"
    if not source.is_projected and max(abs(x), abs(y)) > 180:
        zone = zone_of(x)
        code = cgcs2000_zone(zone, prefixed=True) if zone is not None else None
        hint = f" (the easting begins with {zone}: EPSG:{code}?)" if code else ""
        return f"they are not degrees: say the projected CRS with --crs{hint}"
    if _is_inside(source, y, x):
        return "the two axes look swapped (north before east)"
    zone = zone_of(x)
    if zone is not None and source.is_projected:
        code = cgcs2000_zone(zone, prefixed=True)
        if code is not None and source.horizontal.to_epsg() != code:
            return f"the easting begins with zone number {zone}: try --crs EPSG:{code}"
    if zone is None and source.horizontal.to_epsg() in _PREFIXED_ZONES:
        return f"{source.label} wants the zone number in front of the easting: try the CRS without"
    return None


def _is_inside(source: SourceCrs, x: float, y: float) -> bool:
    area = source.area
    if area is None:
        return False
    lon, lat = to_storage(source)(np.array([x]), np.array([y]))
    west, south, east, north = area
    return bool(west <= lon[0] <= east and south <= lat[0] <= north)


def _refuse_legacy(crs: CRS) -> None:
    geodetic = crs.geodetic_crs
    names = [crs.name, geodetic.name if geodetic else "", crs.datum.name if crs.datum else ""]
    for datum, pattern in _LEGACY.items():
        if any(pattern.search(name) for name in names):
            raise CrsError(
                f"{_label(crs)} is on {datum}, which has no published transformation to CGCS2000: "
                "transform the survey with your local parameter set first"
            )


def _height_datum(crs: CRS) -> HeightDatum:
    if crs.is_compound:
        vertical = crs.sub_crs_list[1]
        code = vertical.to_epsg()
        if code == 5737:
            return HeightDatum.NORMAL_1985
        return HeightDatum.NORMAL_1956 if code == 5736 else HeightDatum.OTHER
    return HeightDatum.ELLIPSOIDAL if len(crs.axis_info) == 3 else HeightDatum.UNSTATED


def _identified(crs: CRS) -> CRS:
    """Replace a WKT by the EPSG system it surely is.

    Only that knows the datum's transformations, the area of use and the real axes.
    """
    code = crs.to_epsg(min_confidence=60)
    return CRS.from_epsg(code) if code is not None else crs


def _label(crs: CRS) -> str:
    authority = crs.to_authority()
    return f"{authority[0]}:{authority[1]}" if authority else crs.name


def _area_of_interest(crs: CRS) -> AreaOfInterest | None:
    area = crs.area_of_use
    return AreaOfInterest(area.west, area.south, area.east, area.north) if area else None


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
