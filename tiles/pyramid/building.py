"""Building a layer's pyramid: each band brought up to the last load, the finest first."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from layers.definition import LayerDefinition, PyramidBand
from layers.detail_tiles import TILE_LIMIT
from layers.pyramid_bands import bands_of
from layers.pyramid_store import Plan, PyramidStore
from layers.tile_changes import Tiles
from tiles.pyramid.cells import blocks_of
from tiles.pyramid.touched import SMALL, LayerChanges, cell_zoom
from tiles.pyramid.worker import BandTask, BlockResult, Hands, hands

#: How long another process may take that builds the same layer.
_WAIT_S = 3600.0


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
    hired = 1 if count <= SMALL else processes or os.cpu_count() or 1
    built = []
    changes = LayerChanges(store, layer)
    with store.building(layer, wait_s), hands(store.database_url, hired) as workers:
        for band in reversed(bands):
            plan = store.plan(layer, band, anew=anew)
            if plan.steps:
                built.append(_build(store, layer, plan, workers, changes, tell, count))
    return built


def _build(
    store: PyramidStore,
    layer: LayerDefinition,
    plan: Plan,
    workers: Hands,
    changes: LayerChanges,
    tell: Tell,
    count: int,
) -> BandBuilt:
    started = time.monotonic()
    band = plan.band
    work = changes.work(plan, count)
    blocks = blocks_of(work.cells, cell_zoom(layer, band), work.features)
    task = BandTask(layer, band, plan.anew, plan.steps)
    gathered = _Gathered(band, anew=plan.anew)
    with store.writing(layer, plan) as writer:
        results = workers.results(task, blocks)
        writer.copy(_pieces(results, gathered, len(blocks), layer, tell))
        writer.close_rows(gathered.closed)
        rows = writer.finish(time.monotonic() - started, gathered.tiles, gathered.current)
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
        #: How many more rows are current than before.
        self.current = 0

    def take(self, result: BlockResult) -> None:
        """Add what a block says."""
        self.opened += result.opened
        self.current += result.current
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
