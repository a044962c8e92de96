"""Features one by one with fewer vertices; coverages keep their shared borders."""

from typing import Any, ClassVar

import numpy as np
import shapely
from pydantic import Field

from tiles.coverage_simplifying import simplified_coverage
from tiles.generaliser import (
    HALF_WORLD,
    UNITS_A_PIXEL,
    Band,
    BandParameters,
    Cell,
    Features,
    Generaliser,
    Rows,
    Shapes,
)
from tiles.generaliser_tools import as_rows, chosen, owned
from tiles.unit_grid import (
    areas_on_grid,
    box_sides,
    in_metres,
    in_units,
    snapped_areas,
    snapped_lines,
    without_pinholes,
)


class SimplifyParameters(BandParameters):
    """Parameters of ``simplify``."""

    #: How far a line may lie from the surveyed one, in tile units of the deepest zoom; 0 moves
    #: vertices to the grid and drops none that can be told apart.
    tolerance: float = Field(default=4.0, ge=0, le=64)
    #: Lines and areas whose box is smaller than so many pixels (of 256) are left out; ``None`` is
    #: the layer's ``min_pixels``. With 0 even what shrinks to nothing stays, as a dot.
    min_pixels: float | None = Field(default=None, ge=0)
    #: Features of at least this importance stay however small.
    keep_rank: float | None = None


class Simplify:
    """Douglas-Peucker within a tolerance for lines and areas, Visvalingam-Whyatt for coverages.

    A coverage with a tolerance is cut at the cells' edges, since its borders can be simplified
    alike on both sides only where both sides are seen; without one its areas stay whole.
    """

    name = "simplify"
    parameters: type[BandParameters] = SimplifyParameters
    dimensions = frozenset({1, 2})
    counts: ClassVar[bool] = False

    def cell_zoom(self, zooms: tuple[int, int], parameters: Any) -> int:
        """Return about the deepest zoom, so that no cell holds too much nor too little."""
        lowest, highest = (11, 13) if parameters.tolerance > 0 else (9, 12)
        return min(max(zooms[1], lowest), highest)

    def margin_m(self, band: Band) -> float:
        """Return 0: features are looked at one by one, coverages cut at the cell's edge."""
        return 0.0

    def fields(self, parameters: Any) -> tuple[str, ...]:
        """Return the fields that choose features."""
        return tuple(dict.fromkeys(parameters.choosing))

    def one_by_one(self, band: Band) -> bool:
        """Return true, save for coverages whose borders are simplified together."""
        return band.parameters.tolerance == 0 or not band.layer.geometry.coverage

    def generalise(self, features: Features, band: Band, cell: Cell) -> Rows:
        """Return a cell's features, simplified (see the protocol)."""
        features = chosen(features, band)
        settings = band.parameters
        if band.layer.geometry.coverage and settings.tolerance > 0:
            return as_rows(simplified_coverage(features, band, cell), band)
        features = features.take(owned(features, cell))
        if not band.layer.geometry.coverage:
            features = features.take(_large_enough(features, band))
        shapes = _simplified(features.shapes, band)
        if _least_pixels(band) == 0:
            shapes = _as_dots(shapes, features.shapes, band)
        made = Features(
            in_metres(shapes, band.unit),
            features.feature_ids,
            features.attributes,
            features.rank,
            features.members,
        )
        return as_rows(made, band)


def _simplified(shapes: Shapes, band: Band) -> Shapes:
    """Return shapes in units, each simplified by itself; coverages only moved to the grid."""
    if band.layer.geometry.coverage:
        return areas_on_grid(shapes, band.unit)
    simpler = shapely.simplify(in_units(shapes, band.unit), band.parameters.tolerance)
    if band.layer.geometry.dimension == 1:
        return snapped_lines(simpler)
    return snapped_areas(without_pinholes(simpler))


def _least_pixels(band: Band) -> float:
    given: float | None = band.parameters.min_pixels
    return band.layer.tiles.min_pixels if given is None else given


def _large_enough(features: Features, band: Band) -> Any:
    large = box_sides(features.shapes) >= _least_pixels(band) * band.pixel
    if band.parameters.keep_rank is not None:
        large |= features.rank >= band.parameters.keep_rank
    return large


def _as_dots(shapes: Shapes, originals: Shapes, band: Band) -> Shapes:
    """Return shapes in units with a small square, or a short line, where nothing was left."""
    lost = np.flatnonzero(shapely.is_empty(shapes))
    if len(lost) == 0:
        return shapes
    bounds = (shapely.bounds(originals[lost]) + HALF_WORLD) / band.unit
    x = np.rint((bounds[:, 0] + bounds[:, 2]) / 2)
    y = np.rint((bounds[:, 1] + bounds[:, 3]) / 2)
    half = UNITS_A_PIXEL // 4
    if band.layer.geometry.dimension == 2:
        shapes[lost] = shapely.box(x - half, y - half, x + half, y + half)
    else:
        ends = np.stack([np.column_stack([x - half, y]), np.column_stack([x + half, y])], 1)
        shapes[lost] = shapely.linestrings(ends)
    return shapes


GENERALISER: Generaliser = Simplify()
