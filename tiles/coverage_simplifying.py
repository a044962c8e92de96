"""Areas that tile the plane, simplified within a cell so that shared borders stay shared."""

import numpy as np
import shapely

from tiles.generaliser import HALF_WORLD, Band, Cell, Features, Shapes
from tiles.generaliser_tools import owned
from tiles.unit_grid import areas_only, in_metres, in_units, snapped_areas, surely_valid


def simplified_coverage(features: Features, band: Band, cell: Cell) -> Features:
    """Return the parts of features inside a cell, simplified as a coverage, on the grid.

    What lies on the cell's edge stays as it is, and so do borders that have no equal on their
    other side: so neither cells nor faults of the survey make gaps. Only the part in the cell
    that a feature belongs to counts as a member.
    """
    shapes = clipped(valid_areas(in_units(features.shapes, band.unit)), unit_box(cell, band.unit))
    there = ~shapely.is_empty(shapes)
    features, shapes = features.take(there), shapes[there]
    if len(shapes):
        shapes = shapely.coverage_simplify(
            shapes, band.parameters.tolerance, simplify_boundary=False
        )
        shapes = snapped_areas(shapes)
    return Features(
        in_metres(shapes, band.unit),
        features.feature_ids,
        features.attributes,
        features.rank,
        np.where(owned(features, cell), features.members, 0),
    )


def valid_areas(shapes: Shapes) -> Shapes:
    """Return areas as they are where they are valid, else put right."""
    doubtful = np.flatnonzero(~surely_valid(shapes, shapely.get_coordinates(shapes)))
    broken = doubtful[~shapely.is_valid(shapes[doubtful])]
    if len(broken):
        shapes = shapes.copy()
        shapes[broken] = areas_only(shapely.make_valid(shapes[broken], method="structure"))
    return shapes


def unit_box(cell: Cell, unit: float) -> tuple[float, float, float, float]:
    """Return a cell's box in units, which are whole at and above the cell's zoom."""
    west, south, east, north = np.rint((np.array(cell.box) + HALF_WORLD) / unit).tolist()
    return (west, south, east, north)


def clipped(shapes: Shapes, box: tuple[float, float, float, float]) -> Shapes:
    """Return the parts of areas inside a box; those within it are not touched."""
    bounds = shapely.bounds(shapes)
    beyond = (bounds[:, :2] < box[:2]).any(axis=1) | (bounds[:, 2:] > box[2:]).any(axis=1)
    across = np.flatnonzero(beyond)
    shapes = shapes.copy()
    shapes[across] = areas_only(shapely.intersection(shapes[across], shapely.box(*box)))
    return shapes
