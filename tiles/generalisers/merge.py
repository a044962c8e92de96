"""Networks of lines: lines of a class become one through nodes that nothing else joins."""

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from pydantic import Field

from layers.definition import Identifier
from tiles.coverage_simplifying import unit_box
from tiles.generaliser import (
    NO_FEATURE,
    UNITS_A_PIXEL,
    Band,
    BandParameters,
    Cell,
    Features,
    Generaliser,
    Integers,
    Rows,
    Shapes,
)
from tiles.generaliser_tools import chosen, made_ids, stable_number, text_keys
from tiles.joint_generaliser import JointGeneraliser
from tiles.line_segments import (
    Chains,
    Segments,
    cut_at,
    joined_chains,
    point_codes,
    segments_of,
    within,
)
from tiles.unit_grid import in_metres, in_units, snapped_lines


class MergeParameters(BandParameters):
    """Parameters of ``merge``."""

    #: The fields whose values lines must share to become one; ``None`` is all that the band has.
    #: Merged lines keep these alone.
    by: tuple[Identifier, ...] | None = None
    #: How far a line may lie from the surveyed one, in tile units of the deepest zoom.
    tolerance: float = Field(default=4.0, ge=0, le=64)
    #: Dead ends and lone lines shorter than so many pixels (of 256) are left out.
    least_pixels: float = Field(default=2.0, ge=0, le=64)
    #: Classes whose lines all stay, however short.
    keep: dict[Identifier, tuple[str | int | float | bool, ...]] = Field(default_factory=dict)
    #: Lines of at least this importance stay, however short.
    keep_rank: float | None = None


class Merge(JointGeneraliser):
    """Joins lines, leaves out short dead ends, and simplifies what is left.

    Lines are cut at the cells' edges, in points that both sides share. Nodes stay where they are,
    so the network stays connected; only what ends blindly is ever left out.
    """

    name = "merge"
    parameters: type[BandParameters] = MergeParameters
    dimensions = frozenset({1})
    #: Longer chains need fewer names.
    deepest_cells: ClassVar[int] = 11

    def margin_m(self, band: Band) -> float:
        """Return the length below which a line may be left out."""
        return float(band.parameters.least_pixels * band.pixel + band.unit)

    def fields(self, parameters: Any) -> tuple[str, ...]:
        """Return the fields that make classes and choose features."""
        return tuple(
            dict.fromkeys([*(parameters.by or ()), *parameters.keep, *parameters.choosing])
        )

    def generalise(self, features: Features, band: Band, cell: Cell) -> Rows:
        """Return a cell's chains (see the protocol)."""
        features = chosen(features, band)
        by = band.fields if band.parameters.by is None else band.parameters.by
        keys, texts = text_keys(features, by)
        segments = segments_of(snapped_lines(in_units(features.shapes, band.unit)))
        if band.parameters.least_pixels:
            segments = segments.take(~_blind(segments, keys, features, band))
        box = unit_box(cell, band.unit)
        segments = cut_at(segments, box)
        segments = segments.take(within(segments, box))
        chains = joined_chains(segments, keys[segments.line])
        return _rows(features, segments, chains, band, cell, texts)


def _blind(segments: Segments, keys: Integers, features: Features, band: Band) -> NDArray[np.bool_]:
    """Tell which segments are of a short chain with an end that nothing joins."""
    chains = joined_chains(segments, keys[segments.line])
    points, owner = shapely.get_coordinates(chains.shapes, return_index=True)
    _, place, count = np.unique(point_codes(points), return_inverse=True, return_counts=True)
    first = np.searchsorted(owner, np.arange(len(chains.shapes)))
    last = np.searchsorted(owner, np.arange(len(chains.shapes)), side="right") - 1
    ring = place[first] == place[last]
    # A ring holds its first point twice.
    loose = np.where(ring, count[place[first]] == 2, (count[place[first]] == 1))
    loose |= count[place[last]] == 1
    short = shapely.length(chains.shapes) < band.parameters.least_pixels * UNITS_A_PIXEL
    blind = loose & short
    kept = _always_kept(features, band)[segments.line]
    blind[np.unique(chains.of_segment[kept])] = False
    return np.asarray(blind[chains.of_segment])


def _always_kept(features: Features, band: Band) -> NDArray[np.bool_]:
    kept = np.zeros(len(features), bool)
    if band.parameters.keep_rank is not None:
        kept |= features.rank >= band.parameters.keep_rank
    for name, values in band.parameters.keep.items():
        column = features.attributes[name].combine_chunks()
        wanted = pa.array(list(values)).cast(column.type)
        kept |= pa.compute.is_in(column, wanted).to_numpy(zero_copy_only=False)
    return kept


def _rows(
    features: Features,
    segments: Segments,
    chains: Chains,
    band: Band,
    cell: Cell,
    texts: list[str],
) -> Rows:
    total = len(chains.shapes)
    # Which features each chain is made of, and whose place it holds.
    pairs = np.unique(np.stack([chains.of_segment, segments.line], 1), axis=0)
    parts = np.bincount(pairs[:, 0], minlength=total)
    first = np.full(total, 0)
    first[pairs[::-1, 0]] = pairs[::-1, 1]
    held = segments.place
    members = np.bincount(
        chains.of_segment[held], features.members[segments.line[held]], minlength=total
    ).astype(np.int64)
    rank = np.full(total, -np.inf)
    np.maximum.at(rank, pairs[:, 0], features.rank[pairs[:, 1]])
    single = (parts == 1) & (features.feature_ids[first] != NO_FEATURE)
    ids = np.where(single, features.feature_ids[first], NO_FEATURE)
    shapes = snapped_lines(_simplified(chains.shapes, band.parameters.tolerance))
    rows = Rows(
        in_metres(shapes, band.unit),
        ids,
        _attributes(features, first, single, band),
        rank,
        members,
        np.where(single, ids, _made_ids(chains, band, cell, texts)),
    )
    order = np.lexsort((*shapely.bounds(shapes).T, rows.tile_ids))
    return rows.take(order[~shapely.is_empty(shapes[order])])


def _simplified(chains: Shapes, tolerance: float) -> Shapes:
    """Return chains within the tolerance; rings keep an inside."""
    chains = chains.copy()
    ring = shapely.is_closed(chains)
    chains[ring] = shapely.simplify(chains[ring], tolerance)
    chains[~ring] = shapely.simplify(chains[~ring], tolerance, preserve_topology=False)
    return chains


def _made_ids(chains: Chains, band: Band, cell: Cell, texts: list[str]) -> Integers:
    """Return ids that stay while a chain keeps its class and its ends."""
    ends = [shapely.get_point(chains.shapes, place) for place in (0, -1)]
    codes = np.sort(np.stack([point_codes(shapely.get_coordinates(end)) for end in ends], 1))
    numbers = np.array([stable_number(text) for text in texts], np.int64)
    length = shapely.length(chains.shapes).astype(np.int64)
    return made_ids(band, cell.code, codes[:, 0], codes[:, 1], numbers[chains.classes], length)


def _attributes(
    features: Features, example: Integers, single: NDArray[np.bool_], band: Band
) -> pa.Table:
    table = features.attributes.select(list(band.fields)).take(pa.array(example))
    by = band.fields if band.parameters.by is None else band.parameters.by
    for place, name in enumerate(band.fields):
        if name not in by:
            column = table[name].combine_chunks()
            blank = pa.nulls(len(column), column.type)
            table = table.set_column(place, name, pa.compute.if_else(single, column, blank))
    return table


GENERALISER: Generaliser = Merge()
