"""Building a layer's pyramid: each band brought up to the last load, the finest first."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely

from layers.definition import LayerDefinition, PyramidBand
from layers.detail_tiles import TILE_LIMIT
from layers.effective_changes import touched_shapes
from layers.pyramid_bands import band_fields, bands_of, finer_band
from layers.pyramid_store import Plan, PyramidStore
from layers.tile_changes import Tiles
from tiles.generaliser_registry import band_of, tile_generalisers
from tiles.pyramid.cells import blocks_of, cells_in, tile_ranges
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
    cells = _cells(store, layer, plan, count)
    blocks = blocks_of(cells, _cell_zoom(layer, band))
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
        len(cells),
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


def _cells(store: PyramidStore, layer: LayerDefinition, plan: Plan, count: int) -> dict[int, int]:
    """Return the cells that a plan's loads touch, and about how many versions each has."""
    touched: dict[int, int] | None = None if plan.anew else _touched(store, layer, plan)
    if touched is None:
        source = finer_band(layer, plan.band)
        everything = store.ranges(
            layer, source, _cell_zoom(layer, plan.band), _margin(layer, plan.band)
        )
        return cells_in(everything[:, :4], everything[:, 4])
    # Cells of a small layer are read together, those of a large one each by itself.
    weight = 1 if count <= _SMALL else _SMALL
    return dict.fromkeys(touched, weight)


def _touched(store: PyramidStore, layer: LayerDefinition, plan: Plan) -> dict[int, int] | None:
    """Return the cells that a plan's loads touch; ``None`` is all."""
    source = finer_band(layer, plan.band)
    zoom, margin = _cell_zoom(layer, plan.band), _margin(layer, plan.band)
    touched: dict[int, int] = {}
    for step in plan.steps:
        fields = source_fields(layer, plan.band)
        if source is None and layer.tiles.importance is not None:
            fields = (*fields, layer.tiles.importance)
        rows = store.changed_rows(layer, source, fields, step, _MOST_CHANGES)
        if rows is None:
            return None
        shapes = touched_shapes(rows) if source is None else {bytes(row.wkb) for row in rows}
        found = np.array(shapely.from_wkb(list(shapes)), dtype=object)
        bounds = shapely.bounds(found[~shapely.is_empty(found)]).reshape(-1, 4)
        touched |= cells_in(tile_ranges(bounds, zoom, margin), np.ones(len(bounds), np.int64))
    return touched
