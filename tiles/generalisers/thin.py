"""Points thinned: of those too close to be told apart, the most important stays."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from layers.definition import Identifier
from tiles.generaliser import Band, BandParameters, Cell, Features, Generaliser, Rows
from tiles.generaliser_tools import as_rows, chosen
from tiles.joint_generaliser import JointGeneraliser
from tiles.point_squares import in_squares, sums
from tiles.unit_grid import snapped_points


class ThinParameters(BandParameters):
    """Parameters of ``thin``."""

    #: Side of the squares of which each keeps one point, in pixels (of 256 a tile).
    pixels: Literal[1, 2, 4, 8, 16, 32, 64, 128, 256] = 4
    #: Fields that are thinned apart, so that no class hides another.
    by: tuple[Identifier, ...] = ()
    #: Points of at least this importance all stay.
    keep_rank: float | None = Field(default=None)


class Thin(JointGeneraliser):
    """Keeps a point a square of a grid; its ``members`` are all that it stands for."""

    name = "thin"
    parameters: type[BandParameters] = ThinParameters
    dimensions = frozenset({0})
    deepest_cells: ClassVar[int] = 10

    def generalise(self, features: Features, band: Band, cell: Cell) -> Rows:
        """Return the points that stay (see the protocol)."""
        settings = band.parameters
        squares = in_squares(chosen(features, band), band, cell, settings.pixels, settings.by)
        stays = np.zeros(len(squares.features), bool)
        stays[squares.starts] = True
        if settings.keep_rank is not None:
            stays |= squares.features.rank >= settings.keep_rank
        # Those that go are counted with the first of their square.
        first = np.zeros(len(stays), bool)
        first[squares.starts] = True
        members = np.where(stays, squares.features.members, 0)
        gone = np.where(stays, 0, squares.features.members)
        members[first] += sums(gone, squares).astype(np.int64)
        kept = squares.features.take(stays)
        points = snapped_points(squares.x[stays], squares.y[stays], band.unit)
        made = Features(
            points, kept.feature_ids, kept.attributes, kept.rank, members[stays].astype(np.int64)
        )
        return as_rows(made, band)


GENERALISER: Generaliser = Thin()
