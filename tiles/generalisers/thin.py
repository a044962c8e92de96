"""Points thinned: of those too close to be told apart, the most important stays."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from layers.definition import Identifier
from tiles.generaliser import Band, BandParameters, Cell, Features, Generaliser, Rows
from tiles.generaliser_tools import as_rows, chosen
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


class Thin:
    """Keeps a point a square of a grid; its ``members`` are all that it stands for."""

    name = "thin"
    parameters: type[BandParameters] = ThinParameters
    dimensions = frozenset({0})
    counts: ClassVar[bool] = False

    def cell_zoom(self, zooms: tuple[int, int], parameters: Any) -> int:
        """Return the deepest zoom, at most 10: points are light."""
        return min(zooms[1], 10)

    def margin_m(self, band: Band) -> float:
        """Return 0: squares divide cells."""
        return 0.0

    def fields(self, parameters: Any) -> tuple[str, ...]:
        """Return the fields that part and choose points."""
        return tuple(dict.fromkeys([*parameters.by, *parameters.choosing]))

    def one_by_one(self, band: Band) -> bool:
        """Return false: what lies together is seen together."""
        return False

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
