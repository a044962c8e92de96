"""Work on arrays of geometries: validity, repair, promotion, heights, area and length.

Every function takes and returns a numpy array of shapely geometries (1-D, dtype object) and is
vectorised in GEOS or numpy. Coordinates are lon/lat degrees of EPSG:4490 unless said otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod

Geometries = NDArray[np.object_]
Mask = NDArray[np.bool_]
Array = NDArray[np.float64]

#: CGCS2000: semi-major axis in metres and inverse flattening (GB 22021-2008).
_CGCS2000 = Geod(a=6378137.0, rf=298.257222101)
CGCS2000_A = 6378137.0
CGCS2000_E = float(np.sqrt(_CGCS2000.es))

POINT, LINE, POLYGON = 0, 1, 3
MULTIPOINT, MULTILINE, MULTIPOLYGON = 4, 5, 6
_SINGLE_TO_MULTI = {POINT: MULTIPOINT, LINE: MULTILINE, POLYGON: MULTIPOLYGON}
_MAKE_MULTI: dict[int, Callable[..., Any]] = {
    POINT: shapely.multipoints,
    LINE: shapely.multilinestrings,
    POLYGON: shapely.multipolygons,
}
#: Vertices above which an invalid geometry is looked at before it is mended, segments of it that
#: are looked at, and crossings that are mended.
_MAYBE_TANGLED = 5_000
_SAMPLE = 500
_MAX_CROSSINGS = 1_000_000
_SINGLE_OF_DIMENSION = (POINT, LINE, POLYGON)


@dataclass(frozen=True)
class Repair:
    """What a repair did to an array of geometries."""

    geometries: Geometries
    #: Those that were invalid and now are valid.
    repaired: Mask
    #: Those that could not be repaired without losing them; left as they were.
    failed: Mask
    #: Why each invalid one was so (in GEOS's words), by index.
    reasons: dict[int, str]


def repair(geometries: Geometries) -> Repair:
    """Make invalid geometries valid without moving or dropping a vertex that bounds anything.

    The linework method of ``make_valid`` keeps every vertex and adds only crossings; parts of a
    lower dimension (spikes that enclose nothing) are left out. A geometry of which nothing of its
    own dimension remains has failed; so has one that crosses itself millions of times, which no
    survey means and no memory holds.

    Args:
        geometries: No missing values; polygons, lines or points, single or multi.
    """
    invalid = ~shapely.is_valid(geometries)
    reasons: dict[int, str] = {}
    repaired = np.zeros(len(geometries), dtype=bool)
    failed = np.zeros(len(geometries), dtype=bool)
    if not invalid.any():
        return Repair(geometries, repaired, failed, reasons)
    where = np.flatnonzero(invalid)
    broken = geometries[where]
    reasons = dict(zip(where.tolist(), shapely.is_valid_reason(broken).tolist(), strict=True))
    tangled = _tangled(broken)
    mendable = broken.copy()
    mendable[tangled] = None
    fixed = _same_dimension(shapely.make_valid(mendable), shapely.get_dimensions(mendable))
    good = ~tangled & ~shapely.is_empty(fixed) & shapely.is_valid(fixed) & ~_has_nan(fixed)
    result = geometries.copy()
    result[where[good]] = fixed[good]
    repaired[where[good]] = True
    failed[where[~good]] = True
    return Repair(result, repaired, failed, reasons)


def to_multi(geometries: Geometries) -> Geometries:
    """Turn single points, lines and polygons into multi ones of one part; others stay."""
    kinds = shapely.get_type_id(geometries)
    result = geometries
    for single, make in _MAKE_MULTI.items():
        chosen = np.flatnonzero(kinds == single)
        if chosen.size:
            if result is geometries:
                result = geometries.copy()
            result[chosen] = make(geometries[chosen], indices=np.arange(chosen.size))
    return result


def to_single(geometries: Geometries) -> tuple[Geometries, Mask]:
    """Turn multi geometries of one part into single ones.

    Returns:
        The geometries, and where a geometry has several parts and therefore stays multi.
    """
    multi = np.isin(shapely.get_type_id(geometries), list(_SINGLE_TO_MULTI.values()))
    several = multi & (shapely.get_num_geometries(geometries) != 1)
    chosen = multi & ~several
    if not chosen.any():
        return geometries, several
    result = geometries.copy()
    result[chosen] = shapely.get_geometry(geometries[chosen], 0)
    return result, several


def inner_points(geometries: Geometries) -> Geometries:
    """Return for each area or line a point on it, not far from its middle; points stay."""
    extended = shapely.get_dimensions(geometries) > 0
    result = geometries.copy()
    result[extended] = shapely.point_on_surface(geometries[extended])
    return result


def ellipsoidal_area(geometries: Geometries) -> Array:
    """Return areas on the CGCS2000 ellipsoid in square metres, as land law counts them.

    Method: the equal-area cylinder x = a·λ, y = a·q(φ)/2 (Snyder, "Map Projections", 1987, eq.
    3-12 and 10-1), in which the shoelace formula is exact for edges that run straight in it. For
    parcels (edges below 1 km) that differs from geodesic edges by less than 1e-7.

    Args:
        geometries: Polygons or multipolygons, lon/lat degrees; others count 0.
    """

    def to_equal_area(lonlat: Array) -> Array:
        x = CGCS2000_A * np.radians(lonlat[:, 0])
        return np.column_stack([x, equal_area_height(np.radians(lonlat[:, 1]))])

    return np.asarray(shapely.area(shapely.transform(geometries, to_equal_area)))


def equal_area_height(lat: Array) -> Array:
    """Return the heights of latitudes (radians) in the equal-area cylinder, metres."""
    sine = np.sin(lat)
    es = CGCS2000_E * sine
    q = (1 - CGCS2000_E**2) * (sine / (1 - es**2) + np.arctanh(es) / CGCS2000_E)
    return np.asarray(CGCS2000_A * q / 2)


def geodesic_steps(start: Array, end: Array) -> Array:
    """Return distances between positions (lon/lat degrees, (n, 2)) along geodesics, metres."""
    _, _, metres = _CGCS2000.inv(start[:, 0], start[:, 1], end[:, 0], end[:, 1])
    return np.asarray(metres)


def geodesic_length(geometries: Geometries) -> Array:
    """Return lengths along geodesics of the CGCS2000 ellipsoid in metres (perimeter of areas).

    Args:
        geometries: Lines or areas, lon/lat degrees; points count 0.
    """
    parts, owners = shapely.get_parts(geometries, return_index=True)
    areas = shapely.get_type_id(parts) == POLYGON
    rings, ring_owner = shapely.get_rings(parts[areas], return_index=True)
    paths = np.concatenate([parts[shapely.get_type_id(parts) == LINE], rings])
    path_owner = np.concatenate(
        [owners[shapely.get_type_id(parts) == LINE], owners[areas][ring_owner]]
    )
    lonlat, path = shapely.get_coordinates(paths, return_index=True)
    if len(lonlat) < 2:
        return np.zeros(len(geometries))
    within = path[1:] == path[:-1]
    start, end = lonlat[:-1][within], lonlat[1:][within]
    metres = geodesic_steps(start, end)
    owner = path_owner[path[1:][within]]
    return np.bincount(owner, weights=metres, minlength=len(geometries)).astype(float)


def with_heights(geometries: Geometries, start: Array, end: Array) -> Geometries:
    """Give geometries a height that runs evenly along each line from ``start`` to ``end``.

    Args:
        geometries: Points or lines (any part counts on its own); areas take ``start``.
        start: Height at the first vertex, metres, one a geometry.
        end: Height at the last vertex, metres.

    Returns:
        The geometries with Z.
    """
    flat = shapely.force_3d(geometries)
    coordinates, owner = shapely.get_coordinates(flat, include_z=True, return_index=True)
    steps = np.zeros(len(coordinates))
    same = owner[1:] == owner[:-1]
    planar = np.hypot(*np.diff(coordinates[:, :2], axis=0).T) if len(coordinates) > 1 else steps[:0]
    steps[1:][same] = planar[same]
    along = np.cumsum(steps)
    first = np.searchsorted(owner, np.arange(len(geometries)), side="left")
    last = np.searchsorted(owner, np.arange(len(geometries)), side="right") - 1
    has_vertices = last >= first
    span = np.zeros(len(geometries))
    origin = np.zeros(len(geometries))
    origin[has_vertices] = along[first[has_vertices]]
    span[has_vertices] = along[last[has_vertices]] - origin[has_vertices]
    fraction = np.divide(
        along - origin[owner], span[owner], out=np.zeros_like(along), where=span[owner] > 0
    )
    is_area = np.isin(shapely.get_type_id(flat), [POLYGON, MULTIPOLYGON])
    fraction[is_area[owner]] = 0.0
    coordinates[:, 2] = start[owner] + fraction * (end - start)[owner]
    return np.asarray(shapely.set_coordinates(flat.copy(), coordinates))


def _tangled(geometries: Geometries) -> Mask:
    """Say which geometries cross themselves more than some million times.

    Mending takes time and memory by the number of crossings, which is estimated from a sample of
    the segments.
    """
    tangled = shapely.get_num_coordinates(geometries) > _MAYBE_TANGLED
    for place in np.flatnonzero(tangled).tolist():
        shape = geometries[place]
        area = shapely.get_dimensions(shape) == 2
        paths = shapely.get_rings(shape) if area else shapely.get_parts(shape)
        points, owner = shapely.get_coordinates(paths, return_index=True)
        within = owner[1:] == owner[:-1]
        pairs = np.stack([points[:-1][within], points[1:][within]], axis=1)
        segments: Any = shapely.linestrings(pairs)
        sample = segments[:: max(len(segments) // _SAMPLE, 1)]
        hits = shapely.STRtree(segments).query(sample, predicate="intersects").shape[1]
        # Each segment meets itself and its neighbours.
        crossings = (hits / len(sample) - 3) * len(segments) / 2
        tangled[place] = crossings > _MAX_CROSSINGS
    return np.asarray(tangled, dtype=bool)


def _same_dimension(geometries: Geometries, dimensions: NDArray[np.int32]) -> Geometries:
    """Keep of each collection only the parts of the wanted dimension."""
    result = geometries.copy()
    mixed = np.flatnonzero(
        (shapely.get_type_id(geometries) == 7) | (shapely.get_dimensions(geometries) != dimensions)
    )
    for index in mixed:
        parts = shapely.get_parts(shapely.get_parts(geometries[index]))
        kept = parts[shapely.get_dimensions(parts) == dimensions[index]]
        result[index] = _MAKE_MULTI[_SINGLE_OF_DIMENSION[int(dimensions[index])]](kept)
    return result


def _has_nan(geometries: Geometries) -> Mask:
    coordinates, owners = shapely.get_coordinates(geometries, include_z=True, return_index=True)
    nan = np.isnan(coordinates[:, :2]).any(axis=1)
    nan |= np.isnan(coordinates[:, 2]) & shapely.has_z(geometries)[owners]
    bad = np.zeros(len(geometries), dtype=bool)
    bad[owners[nan]] = True
    return bad
