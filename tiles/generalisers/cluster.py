"""Points clustered: those too close to be told apart are one point that knows their number."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from layers.definition import Identifier
from tiles.generaliser import (
    NO_FEATURE,
    Band,
    BandParameters,
    Cell,
    Features,
    Generaliser,
    Rows,
)
from tiles.generaliser_tools import chosen, made_ids
from tiles.joint_generaliser import JointGeneraliser
from tiles.point_squares import Squares, in_squares, sums
from tiles.unit_grid import snapped_points


class ClusterParameters(BandParameters):
    """Parameters of ``cluster``."""

    #: Side of the squares whose points become one, in pixels (of 256 a tile).
    pixels: Literal[4, 8, 16, 32, 64, 128, 256] = 32
    #: Fields that are clustered apart.
    by: tuple[Identifier, ...] = ()
    #: Fewer points than this stay points.
    least: int = Field(default=2, ge=2)


class Cluster(JointGeneraliser):
    """Makes the points of a square one, at their mean, with what the most important one says.

    Tiles show how many they are as ``point_count``, as MapLibre's own clusters do.
    """

    name = "cluster"
    parameters: type[BandParameters] = ClusterParameters
    dimensions = frozenset({0})
    counts: ClassVar[bool] = True
    deepest_cells: ClassVar[int] = 10

    def generalise(self, features: Features, band: Band, cell: Cell) -> Rows:
        """Return clusters, and the points that stay alone (see the protocol)."""
        settings = band.parameters
        squares = in_squares(chosen(features, band), band, cell, settings.pixels, settings.by)
        members = sums(squares.features.members, squares).astype(np.int64)
        joined = members >= settings.least
        # One row a cluster, and every point of the squares that hold too few.
        alone = ~joined[squares.group]
        alone[squares.starts] = True
        rows = squares.features.take(alone)
        whole = joined[squares.group][alone]
        x, y = _means(squares)
        at_x = np.where(whole, x[squares.group[alone]], squares.x[alone])
        at_y = np.where(whole, y[squares.group[alone]], squares.y[alone])
        ids = made_ids(band, squares.column, squares.row, squares.classes)
        several = whole & (members[squares.group[alone]] > 1)
        return Rows(
            snapped_points(at_x, at_y, band.unit),
            np.where(several, NO_FEATURE, rows.feature_ids),
            rows.attributes.select(list(band.fields)),
            rows.rank,
            np.where(whole, members[squares.group[alone]], rows.members),
            np.where(several, ids[squares.group[alone]], rows.feature_ids),
        )


def _means(squares: Squares) -> tuple[Any, Any]:
    weights = squares.features.members.astype(np.float64)
    total = sums(weights, squares)
    return sums(squares.x * weights, squares) / total, sums(squares.y * weights, squares) / total


GENERALISER: Generaliser = Cluster()
