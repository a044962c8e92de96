"""Geometries on the grid of tile units of a zoom, which all tiles of that zoom share.

Shapes *in units* have their coordinates counted in tile units from the lower left corner of the
web map's square; whole numbers are points of the grid.
"""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.star_rings import star_shaped
from tiles.generaliser import HALF_WORLD, UNITS_A_PIXEL, Floats, Shapes

#: GEOS types.
_POLYGON, _MULTIPOLYGON, _COLLECTION = 3, 6, 7
#: Of a ring, the first and the last being one.
_LEAST_VERTICES = 4


def in_units(shapes: Shapes, unit: float) -> Shapes:
    """Return shapes of EPSG:3857 in units of ``unit`` metres, unrounded and two-dimensional."""
    return _with(_flat(shapes), _units(shapes, unit))


def areas_on_grid(shapes: Shapes, unit: float) -> Shapes:
    """Return areas of EPSG:3857 as ``snapped_areas`` makes them of areas in units."""
    return _sound(_flat(shapes), np.rint(_units(shapes, unit)))


def in_metres(shapes: Shapes, unit: float) -> Shapes:
    """Return shapes in units as EPSG:3857."""
    return _with(shapes, shapely.get_coordinates(shapes) * unit - HALF_WORLD)


def _units(shapes: Shapes, unit: float) -> Floats:
    return np.asarray((shapely.get_coordinates(shapes) + HALF_WORLD) / unit)


def _flat(shapes: Shapes) -> Shapes:
    return np.asarray(shapely.force_2d(shapes), object) if shapely.has_z(shapes).any() else shapes


def _rounded(shapes: Shapes) -> Shapes:
    return _with(shapes, np.rint(shapely.get_coordinates(shapes)))


def _with(shapes: Shapes, coordinates: Floats) -> Shapes:
    # set_coordinates writes into the array that it is given.
    return np.asarray(shapely.set_coordinates(shapes.copy(), coordinates), object)


def snapped_areas(shapes: Shapes) -> Shapes:
    """Return areas in units with whole coordinates: valid, or empty where nothing is left.

    A shared border stays shared: what becomes of a vertex depends on the vertex alone, save where
    an area would touch or cross itself.
    """
    return _sound(shapes, np.rint(shapely.get_coordinates(shapes)))


def _sound(shapes: Shapes, whole: Floats) -> Shapes:
    """Return areas with other coordinates, all whole numbers, put right where they need it."""
    rounded = _with(shapes, whole)
    open_case = ~surely_valid(rounded, whole)
    if not open_case.any():
        return rounded
    sound = ~open_case
    sound[open_case] = shapely.is_valid(rounded[open_case])
    # What is surely valid repeats no vertex.
    doubled = open_case & sound
    rounded[doubled] = shapely.remove_repeated_points(rounded[doubled])
    broken = np.flatnonzero(~sound)
    if len(broken):
        # Snap rounding, which the few that fold over themselves need, is dear.
        valid = areas_only(shapely.make_valid(rounded[broken], method="structure"))
        valid = shapely.set_precision(valid, 1.0, mode="valid_output")
        rounded[broken] = shapely.set_precision(valid, 0.0, mode="pointwise")
    return rounded


def surely_valid(shapes: Shapes, points: Floats) -> NDArray[np.bool_]:
    """Tell which areas are seen at once to be valid, most of a survey's, for a tenth of the time.

    Args:
        shapes: Areas.
        points: Their coordinates, finite.

    Returns:
        One entry an area; ``False`` says nothing of it.
    """
    counts = shapely.get_num_coordinates(shapes).astype(np.int64)
    rings = counts >= _LEAST_VERTICES
    chosen = points if rings.all() else points[np.repeat(rings, counts)]
    x, y = np.ascontiguousarray(chosen.T)
    # Several rings on end are more than one turn, or do not end where they began.
    rings[rings] = star_shaped(x, y, counts[rings])
    return np.asarray(rings)


def snapped_lines(shapes: Shapes) -> Shapes:
    """Return lines in units with whole coordinates, empty where they shrink to a point."""
    rounded = shapely.remove_repeated_points(_rounded(shapes))
    parts, owner = shapely.get_parts(rounded, return_index=True)
    long = shapely.length(parts) > 0
    if long.all():
        return np.asarray(rounded, object)
    return joined(parts[long], owner[long], len(shapes), "lines")


def snapped_points(x: Floats, y: Floats, unit: float) -> Shapes:
    """Return points of EPSG:3857 moved to the grid."""
    places = np.column_stack([x, y])
    places = np.rint((places + HALF_WORLD) / unit) * unit - HALF_WORLD
    return np.asarray(shapely.points(places), object)


def areas_only(shapes: NDArray[Any]) -> Shapes:
    """Return shapes without the points and lines that overlays leave."""
    shapes = np.asarray(shapes, object).copy()
    mixed = np.flatnonzero(~np.isin(shapely.get_type_id(shapes), (_POLYGON, _MULTIPOLYGON)))
    if len(mixed):
        parts, owner = shapely.get_parts(shapes[mixed], return_index=True)
        inner, inner_of = shapely.get_parts(parts, return_index=True)
        owner = owner[inner_of]
        areal = shapely.get_type_id(inner) == _POLYGON
        shapes[mixed] = joined(inner[areal], owner[areal], len(mixed), "areas")
    return shapes


def joined(parts: Shapes, owner: NDArray[Any], count: int, kind: str) -> Shapes:
    """Return ``count`` multi-geometries of parts, given in ascending order of their owner."""
    make = shapely.multipolygons if kind == "areas" else shapely.multilinestrings
    empty = shapely.MultiPolygon() if kind == "areas" else shapely.MultiLineString()
    made = np.full(count, empty, object)
    if len(parts):
        made[np.unique(owner)] = make(parts, indices=np.unique(owner, return_inverse=True)[1])
    return made


def box_sides(shapes: Shapes) -> Floats:
    """Return the longer side of each shape's box."""
    bounds = shapely.bounds(shapes)
    return np.asarray(np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1]))


def without_pinholes(shapes: Shapes) -> Shapes:
    """Return areas in units without holes smaller than half a pixel across."""
    pierced = np.flatnonzero(
        shapely.get_num_coordinates(shapes) > _outline_vertices(shapes)
    )  # few have holes at all
    for index in pierced.tolist():
        shapes[index] = _filled(shapes[index])
    return shapes


def _outline_vertices(shapes: Shapes) -> Floats:
    parts, owner = shapely.get_parts(shapes, return_index=True)
    counts = shapely.get_num_coordinates(shapely.get_exterior_ring(parts))
    return np.bincount(owner, counts, minlength=len(shapes)).astype(np.float64)


def _filled(shape: Any) -> Any:
    least = (UNITS_A_PIXEL / 2) ** 2
    kept = []
    for part in shapely.get_parts(shape):
        holes = [ring for ring in part.interiors if shapely.area(shapely.polygons(ring)) >= least]
        kept.append(shapely.Polygon(part.exterior, holes))
    return kept[0] if len(kept) == 1 else shapely.MultiPolygon(kept)
