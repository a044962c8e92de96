"""Building a layer's pyramid: each band brought up to the last load, the finest first."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from layers.definition import LayerDefinition, PyramidBand
from layers.detail_tiles import TILE_LIMIT
from layers.effective_changes import touched_shapes
from layers.pyramid_bands import band_fields, bands_of, finer_band
from layers.pyramid_store import Plan, PyramidStore
from layers.tile_changes import Tiles
from tiles.generaliser_registry import band_of, tile_generalisers
from tiles.pyramid.cells import blocks_of, cells_in, spread, tile_ranges
from tiles.pyramid.outlines import in_one_form
from tiles.pyramid.worker import (
    BandTask,
    BlockResult,
    Hands,
    hands,
    source_fields,
)

#: With more changed rows than so many, a load is taken to have changed everything.
_MOST_CHANGES = 200_000
#: How long another process may take that builds the same layer.
_WAIT_S = 3600.0
#: Layers of fewer features are built in this process: others would take longer to start.
_SMALL = 20_000


@dataclass(frozen=True)
class BandBuilt:
    """What was done for a band."""

    layer: str
    zooms: tuple[int, int]
    anew: bool
    cells: int
    opened: int
    closed: int
    #: Current rows in the end.
    rows: int
    seconds: float


@dataclass(frozen=True)
class BuildProgress:
    """How far the building of a band has come."""

    layer: str
    zooms: tuple[int, int]
    #: Blocks of cells done, and all.
    done: int
    total: int


Tell = Callable[[BuildProgress], None]


def build_pyramid(
    store: PyramidStore,
    layer: LayerDefinition,
    *,
    anew: bool = False,
    processes: int | None = None,
    tell: Tell = lambda _: None,
    wait_s: float = _WAIT_S,
) -> list[BandBuilt]:
    """Bring a layer's pyramid up to its last load; nothing is done where nothing is behind.

    Args:
        store: The database.
        layer: The layer.
        anew: Make all of it from the first load on, whatever is there.
        processes: In how many processes to compute; as many as there are processors.
        tell: Is told how far it has come.
        wait_s: How long to wait for another process that builds the same.

    Returns:
        The bands that something was done for, the finest first.

    Raises:
        LayerBusy: If another process builds it and does not come to an end.
        PyramidFailed: If a cell cannot be computed; the band stays as it was.
        DefinitionError: If a band's method or parameters are wrong.
        DatabaseUnavailable: If the database is not there.
    """
    bands = bands_of(layer)
    if not bands:
        return []
    count = store.feature_count(layer)
    hired = 1 if count <= _SMALL else processes or os.cpu_count() or 1
    built = []
    with store.building(layer, wait_s), hands(store.database_url, hired) as workers:
        for band in reversed(bands):
            plan = store.plan(layer, band, anew=anew)
            if plan.steps:
                built.append(_build(store, layer, plan, workers, tell, count))
    return built


def _build(
    store: PyramidStore,
    layer: LayerDefinition,
    plan: Plan,
    workers: Hands,
    tell: Tell,
    count: int,
) -> BandBuilt:
    started = time.monotonic()
    band = plan.band
    work = _work(store, layer, plan, count)
    blocks = blocks_of(work.cells, _cell_zoom(layer, band), work.features)
    task = BandTask(layer, band, plan.anew, plan.steps)
    gathered = _Gathered(band, anew=plan.anew)
    with store.writing(layer, plan) as writer:
        results = workers.results(task, blocks)
        writer.copy(_pieces(results, gathered, len(blocks), layer, tell))
        writer.close_rows(gathered.closed)
        rows = writer.finish(time.monotonic() - started, gathered.tiles)
    return BandBuilt(
        layer.name,
        band.zooms,
        plan.anew,
        len(work.cells),
        gathered.opened,
        len(gathered.closed),
        rows,
        time.monotonic() - started,
    )


class _Gathered:
    """What the blocks of a band have said, beside their rows."""

    def __init__(self, band: PyramidBand, *, anew: bool) -> None:
        self.zooms = band.zooms
        zooms = range(band.zooms[0], band.zooms[1] + 1)
        nothing = np.empty(0, np.int64)
        self.tiles: dict[int, Tiles] = dict.fromkeys(zooms, None if anew else nothing)
        self.closed: list[tuple[str, int]] = []
        self.opened = 0

    def take(self, result: BlockResult) -> None:
        """Add what a block says."""
        self.opened += result.opened
        self.closed.extend(result.closed)
        for zoom, tiles in result.tiles.items():
            known = self.tiles[zoom]
            if known is None or tiles is None:
                self.tiles[zoom] = None
            else:
                union = np.union1d(known, tiles)
                self.tiles[zoom] = union if len(union) <= TILE_LIMIT else None


def _pieces(
    results: Iterator[BlockResult],
    gathered: _Gathered,
    total: int,
    layer: LayerDefinition,
    tell: Tell,
) -> Iterator[memoryview]:
    for done, result in enumerate(results, 1):
        gathered.take(result)
        tell(BuildProgress(layer.name, gathered.zooms, done, total))
        yield from (memoryview(packed) for packed in result.packed)


def _cell_zoom(layer: LayerDefinition, band: PyramidBand) -> int:
    return band_of(layer, band, band_fields(layer, band)).cell_zoom


def _margin(layer: LayerDefinition, band: PyramidBand) -> float:
    whole = band_of(layer, band, band_fields(layer, band))
    return tile_generalisers()[band.method].margin_m(whole)


@dataclass(frozen=True)
class _Touched:
    """What of a band is to be computed."""

    #: Code of the cell → about how many versions it has.
    cells: dict[int, int]
    #: Code of the cell → the features to be renewed in it; ``None`` is all.
    features: dict[int, set[int]] | None = None


def _work(store: PyramidStore, layer: LayerDefinition, plan: Plan, count: int) -> _Touched:
    """Return what a plan's loads touch."""
    touched = None if plan.anew else _touched(store, layer, plan, count)
    if touched is not None:
        return touched
    source = finer_band(layer, plan.band)
    everything = store.ranges(
        layer, source, _cell_zoom(layer, plan.band), _margin(layer, plan.band)
    )
    return _Touched(cells_in(everything[:, :4], everything[:, 4]))


def _touched(
    store: PyramidStore, layer: LayerDefinition, plan: Plan, count: int
) -> _Touched | None:
    """Return what a plan's loads touch; ``None`` is all."""
    source = finer_band(layer, plan.band)
    band = band_of(layer, plan.band, band_fields(layer, plan.band))
    method = tile_generalisers()[plan.band.method]
    found: dict[int, set[int]] = defaultdict(set)
    fields = source_fields(layer, plan.band)
    if source is None and layer.tiles.importance is not None:
        fields = (*fields, layer.tiles.importance)
    for step in plan.steps:
        rows = store.changed_rows(layer, source, fields, step, _MOST_CHANGES)
        if rows is None:
            return None
        ids, shapes = _band_shapes(rows) if source else _differing(layer, rows)
        bounds = shapely.bounds(shapes).reshape(-1, 4)
        each, codes = spread(tile_ranges(bounds, band.cell_zoom, method.margin_m(band)))
        for code, feature in zip(codes.tolist(), ids[each].tolist(), strict=True):
            found[code].add(feature)
    if source is None and method.one_by_one(band):
        return _Touched({code: len(features) for code, features in found.items()}, dict(found))
    # Cells of a small layer are read together, those of a large one each by itself.
    return _Touched(dict.fromkeys(found, 1 if count <= _SMALL else _SMALL))


def _band_shapes(rows: Sequence[Any]) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Return no feature (0) and the shape, for each of the shapes of a finer band's rows."""
    shapes = np.array(shapely.from_wkb(list({bytes(row.wkb) for row in rows})), dtype=object)
    shapes = shapes[~shapely.is_empty(shapes)]
    return np.zeros(len(shapes), np.int64), shapes


def _differing(
    layer: LayerDefinition, rows: Sequence[Any]
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Return the features, and the shapes before and after, that make a band different.

    Args:
        layer: The layer.
        rows: Its own rows, as ``PyramidStore.changed_rows`` has them; something else of them
            may have changed, or an outline be told from another corner on.
    """
    told = [None if row.wkb is None else bytes(row.wkb) for row in rows]
    outlines = shapely.to_wkb(in_one_form(layer, np.array(shapely.from_wkb(told), dtype=object)))
    seen = [(*row[:4], wkb, *row[5:]) for row, wkb in zip(rows, outlines, strict=True)]
    touched = touched_shapes(seen)
    pairs = sorted(
        {(row[0], wkb) for row, wkb in zip(rows, outlines, strict=True) if wkb in touched}
    )
    shapes = np.array(shapely.from_wkb([wkb for _, wkb in pairs]), dtype=object)
    there = ~shapely.is_empty(shapes)
    return np.array([feature for feature, _ in pairs], np.int64)[there], shapes[there]
