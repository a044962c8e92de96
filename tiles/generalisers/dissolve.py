"""Areas at low zooms: large ones stay, small ones of a class become one with their neighbours."""

from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import shapely
from pydantic import Field

from layers.definition import Identifier
from tiles.generaliser import (
    NO_FEATURE,
    UNITS_A_PIXEL,
    Band,
    BandParameters,
    Cell,
    Features,
    Generaliser,
    Rows,
    Shapes,
)
from tiles.generaliser_tools import chosen, made_ids
from tiles.joint_generaliser import JointGeneraliser
from tiles.point_squares import Squares, in_squares, sums
from tiles.unit_grid import areas_only, in_metres, in_units, snapped_areas, without_pinholes


class DissolveParameters(BandParameters):
    """Parameters of ``dissolve``; pixels are those of 256 a tile at the deepest zoom."""

    #: The fields that make a class; what becomes one keeps these alone.
    by: tuple[Identifier, ...] = ()
    #: Side of the squares within which small areas become one, in pixels.
    square: Literal[4, 8, 16, 32, 64, 128, 256] = 32
    #: Gaps up to this width are closed, in pixels.
    gap: float = Field(default=0.5, ge=0, le=8)
    #: Areas of at least so many square pixels stay by themselves.
    keep_pixels: float = Field(default=16.0, ge=0)
    #: What is smaller than so many square pixels when all is done is left out.
    least_pixels: float = Field(default=0.5, ge=0)
    #: How far a line may lie from the surveyed one, in tile units.
    tolerance: float = Field(default=4.0, ge=0, le=64)
    #: Features of at least this importance stay by themselves.
    keep_rank: float | None = None


class Dissolve(JointGeneraliser):
    """Unions small areas by class in the squares of a grid, and closes narrow gaps."""

    name = "dissolve"
    parameters: type[BandParameters] = DissolveParameters
    dimensions = frozenset({2})
    deepest_cells: ClassVar[int] = 12

    def generalise(self, features: Features, band: Band, cell: Cell) -> Rows:
        """Return large areas and unions of small ones (see the protocol)."""
        settings = band.parameters
        features = chosen(features, band)
        large = shapely.area(features.shapes) >= settings.keep_pixels * band.pixel**2
        if settings.keep_rank is not None:
            large |= features.rank >= settings.keep_rank
        # Squares of one pixel that nothing shares: only ownership by the cell is wanted.
        kept = in_squares(features.take(large), band, cell, 1, ()).features
        squares = in_squares(features.take(~large), band, cell, settings.square, settings.by)
        small = squares.features.take(squares.starts)
        shapes = np.concatenate(
            [in_units(kept.shapes, band.unit), _unions(squares, band, settings.gap)]
        )
        shapes = without_pinholes(shapely.simplify(shapes, settings.tolerance))
        shapes = snapped_areas(shapes)
        members = sums(squares.features.members, squares).astype(np.int64)
        ids = np.where(members > 1, NO_FEATURE, small.feature_ids)
        made = np.where(
            members > 1,
            made_ids(band, squares.column, squares.row, squares.classes),
            small.feature_ids,
        )
        rows = Rows(
            in_metres(shapes, band.unit),
            np.concatenate([kept.feature_ids, ids]),
            _attributes(kept, small, members, band),
            np.concatenate([kept.rank, small.rank]),
            np.concatenate([kept.members, members]),
            np.concatenate([kept.feature_ids, made]),
        )
        least = settings.least_pixels * UNITS_A_PIXEL**2
        seen = (shapely.area(shapes) >= least) & ~shapely.is_empty(shapes)
        return rows.take(seen | _important(rows, shapes, settings.keep_rank))


def _important(rows: Rows, shapes: Shapes, rank: float | None) -> Any:
    if rank is None:
        return np.zeros(len(rows), bool)
    return (rows.rank >= rank) & ~shapely.is_empty(shapes)


def _unions(squares: Squares, band: Band, gap: float) -> Shapes:
    """Return the union of each group in units, with narrow gaps closed."""
    reach = gap * UNITS_A_PIXEL / 2
    shapes = in_units(squares.features.shapes, band.unit)
    if reach:
        shapes = shapely.buffer(shapes, reach, join_style="mitre", mitre_limit=2.0)
    bounds = np.append(squares.starts, len(shapes))
    unions = np.empty(len(squares.starts), object)
    for place, (start, end) in enumerate(pairwise(bounds.tolist())):
        unions[place] = shapely.union_all(shapes[start:end])
    if reach:
        unions = shapely.buffer(unions, -reach, join_style="mitre", mitre_limit=2.0)
    return areas_only(unions)


def _attributes(kept: Features, small: Features, members: Any, band: Band) -> pa.Table:
    """Return the band's fields; what is made of several keeps those of its class alone."""
    below = small.attributes.select(list(band.fields))
    single = pa.array(members == 1)
    for place, name in enumerate(band.fields):
        if name not in band.parameters.by:
            column = below[name].combine_chunks()
            blank = pa.nulls(len(column), column.type)
            below = below.set_column(place, name, pa.compute.if_else(single, column, blank))
    return pa.concat_tables([kept.attributes.select(list(band.fields)), below])


GENERALISER: Generaliser = Dissolve()
