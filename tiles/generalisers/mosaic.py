"""Coverages at low zooms: what cannot be seen apart is shown by its dominant class."""

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pydantic import Field

from layers.definition import Identifier
from tiles.coverage_simplifying import unit_box
from tiles.generaliser import (
    EXTENT,
    HALF_WORLD,
    NO_FEATURE,
    Band,
    BandParameters,
    Cell,
    Features,
    Floats,
    Generaliser,
    Integers,
    Rows,
    Shapes,
)
from tiles.generaliser_tools import centres, chosen, made_ids, owned, text_keys
from tiles.joint_generaliser import JointGeneraliser
from tiles.label_raster import Labels, borders, burnt, grown, sieved, without_threads
from tiles.raster_regions import Regions, regions
from tiles.unit_grid import in_metres

#: Pixels of context around a cell, so that regions are judged alike on both sides of its edge.
_CONTEXT = 24
#: Bytes of a tile that a region and a vertex take (measured: uncompressed MVT, id and one class).
_BYTES_A_REGION = 24
_BYTES_A_VERTEX = 2.2
#: Vertices that a pixel edge of border comes to, at least: both sides count, smoothing takes most.
_VERTICES_AN_EDGE = 0.3
_MOST_STEPS = 11


class MosaicParameters(BandParameters):
    """Parameters of ``mosaic``."""

    #: The fields that make a class.
    by: tuple[Identifier, ...] = Field(min_length=1)
    #: Pixels of the raster along a tile of the deepest zoom.
    pixels: int = Field(default=512, ge=64, le=2048)
    #: Features of at least so many pixels (of 256 a tile) in area keep their id and attributes.
    keep_pixels: float = Field(default=64.0, gt=0)
    #: Regions of fewer pixels of the raster go to their largest neighbour.
    least: int = Field(default=4, ge=1)
    #: What is narrower than so many pixels of the raster goes to what lies beside it; with 1, roads
    #: and ditches stay as long as they are seen at all.
    least_width: int = Field(default=2, ge=1, le=2)
    #: Bytes that a tile of the lowest zoom may have before compression; where a cell would exceed
    #: its share, ``least`` is doubled there.
    budget: int = Field(default=200_000, ge=10_000)


class Mosaic(JointGeneraliser):
    """Burns classes into a raster, sieves it, and draws the regions with smooth borders."""

    name = "mosaic"
    parameters: type[BandParameters] = MosaicParameters
    dimensions = frozenset({2})

    def margin_m(self, band: Band) -> float:
        """Return the width of the context."""
        return _CONTEXT * _raster_pixel(band) * band.unit

    def generalise(self, features: Features, band: Band, cell: Cell) -> Rows:
        """Return the regions of a cell (see the protocol)."""
        features = chosen(features, band)
        west, south, east, _ = unit_box(cell, band.unit)
        pixel = _raster_pixel(band)
        size = round((east - west) / pixel)
        labels, classes = _labels(features, band)
        start = np.array([west, south]) - _CONTEXT * pixel
        raster = burnt(
            features.shapes,
            labels,
            size + 2 * _CONTEXT,
            lambda xy: ((xy + HALF_WORLD) / band.unit - start) / pixel,
        )
        made = _within_budget(raster, band, cell, (west, south))
        found = _Regions(made, labels, classes)
        return _rows(features, found, band, cell)


class _Regions:
    """Regions in units, and what their labels stand for."""

    def __init__(self, made: Regions, of_feature: Integers, classes: int):
        order = np.lexsort((*shapely.bounds(made.shapes).T, made.labels))
        self.shapes, self.label = made.shapes[order], made.labels[order]
        #: The region of each pixel; -1 for none.
        self.index = np.append(np.argsort(order), -1)[made.index]
        #: The label of each feature; labels up to ``classes`` stand for classes.
        self.of_feature, self.classes = of_feature, classes
        #: A feature that has the region's label.
        where = np.full(int(of_feature.max(initial=0)) + 1, -1)
        where[of_feature[::-1]] = np.arange(len(of_feature))[::-1]
        self.example = where[self.label]
        self.single = self.label > classes


def _raster_pixel(band: Band) -> float:
    """Return the tile units along a pixel of the raster."""
    return float(EXTENT / band.parameters.pixels)


def _labels(features: Features, band: Band) -> tuple[Integers, int]:
    """Return a label for each feature, and the last of those that stand for a class.

    Large features have labels of their own; pieces of one feature share theirs.
    """
    keys, names = text_keys(features, band.parameters.by)
    labels = keys + 1
    known = features.feature_ids != NO_FEATURE
    ids, place = np.unique(features.feature_ids, return_inverse=True)
    area = np.bincount(place, shapely.area(features.shapes), minlength=len(ids))
    large = known & (area[place] >= band.parameters.keep_pixels * band.pixel**2)
    _, own = np.unique(features.feature_ids[large], return_inverse=True)
    labels[large] = len(names) + 1 + own
    return labels, len(names)


def _within_budget(raster: Labels, band: Band, cell: Cell, origin: tuple[float, float]) -> Regions:
    """Return the cell's regions, coarser where they would take too many bytes."""
    inner = slice(_CONTEXT, len(raster) - _CONTEXT)
    budget = band.parameters.budget / 4 ** max(0, cell.zoom - band.zooms[0])
    pixel, least = _raster_pixel(band), band.parameters.least
    if band.parameters.least_width > 1:
        raster = without_threads(raster)
    for step in range(_MOST_STEPS):
        # Step by step, as a small region is given only to what is large enough itself.
        raster = sieved(raster, least << step)
        seen = np.ascontiguousarray(raster[inner, inner])
        last = step == _MOST_STEPS - 1
        if last or borders(seen) * _VERTICES_AN_EDGE * _BYTES_A_VERTEX <= budget:
            made = regions(seen, pixel, origin)
            if last or _bytes(made.shapes) <= budget:
                break
        if step:
            # Narrow strips of bare ground part what would be one region.
            raster = grown(raster)
    return made


def _bytes(shapes: Shapes) -> float:
    vertices = int(shapely.get_num_coordinates(shapes).sum())
    return _BYTES_A_REGION * len(shapes) + _BYTES_A_VERTEX * vertices


def _rows(features: Features, found: _Regions, band: Band, cell: Cell) -> Rows:
    attributes = features.attributes.select(list(band.fields)).take(pa.array(found.example))
    for place, name in enumerate(band.fields):
        if name not in band.parameters.by:
            column = attributes[name].combine_chunks()
            blank = pa.nulls(len(column), column.type)
            chosen_column = pa.compute.if_else(pa.array(found.single), column, blank)
            attributes = attributes.set_column(place, name, chosen_column)
    ids = np.where(found.single, features.feature_ids[found.example], NO_FEATURE)
    members, rank = _shares(features, found, band, cell)
    return Rows(
        in_metres(found.shapes, band.unit),
        ids,
        attributes,
        rank,
        members,
        np.where(found.single, ids, _made_ids(found, band, cell)),
    )


def _shares(
    features: Features, found: _Regions, band: Band, cell: Cell
) -> tuple[Integers, NDArray[np.float64]]:
    """Return how many of the cell's features lie in each region, and the greatest importance."""
    members = np.zeros(len(found.shapes), np.int64)
    rank = np.where(found.single, features.rank[found.example], 0.0)
    mine = np.flatnonzero(owned(features, cell))
    if len(members) and len(mine):
        x, y = centres(features)
        units = (np.column_stack([x[mine], y[mine]]) + HALF_WORLD) / band.unit
        place = _region_at(found, units, band, cell)
        np.add.at(members, place, features.members[mine])
        np.maximum.at(rank, place, features.rank[mine])
    return members, rank


def _region_at(found: _Regions, points: Floats, band: Band, cell: Cell) -> Integers:
    """Return which region each point lies in; on bare ground, the nearest one."""
    west, south, _, _ = unit_box(cell, band.unit)
    steps = (points - np.array([west, south])) / _raster_pixel(band)
    column, row = np.clip(steps.astype(np.int64), 0, len(found.index) - 1).T
    place: Integers = found.index[row, column]
    bare = np.flatnonzero(place < 0)
    if len(bare):
        tree = shapely.STRtree(found.shapes)
        place[bare] = tree.query_nearest(shapely.points(points[bare]), all_matches=False)[1]
    return place


def _made_ids(found: _Regions, band: Band, cell: Cell) -> Integers:
    """Return ids that stay while a region keeps its class and its extent."""
    bounds = shapely.bounds(found.shapes).astype(np.int64)
    return made_ids(band, cell.code, *bounds.T, found.label)


GENERALISER: Generaliser = Mosaic()
