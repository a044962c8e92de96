"""What computes cells: in this process, or in several beside it."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
import pyarrow as pa
import shapely

from layers.definition import LayerDefinition, PyramidBand
from layers.detail_tiles import tiles_of
from layers.pyramid_bands import band_fields, finer_band
from layers.pyramid_reading import HeldRows, PyramidReader, Versions
from layers.pyramid_rows import Integers, pack_band_rows
from layers.pyramid_store import Step
from layers.pyramid_times import FOREVER
from layers.tile_changes import Tiles
from tiles.generaliser import Band, Cell, Generaliser
from tiles.generaliser_registry import band_of, tile_generalisers
from tiles.pyramid.cells import Block, PyramidFailed
from tiles.pyramid.outlines import in_one_form
from tiles.pyramid.renewal import CellChange, renewed

#: Blocks that are given out ahead of the one whose rows are written, for each process.
_AHEAD = 3
_WATCH_S = 1.0


@dataclass(frozen=True)
class BandTask:
    """What the cells of one band have in common."""

    layer: LayerDefinition
    band: PyramidBand
    #: Whether the band is made anew: nothing is held, and no tile is told.
    anew: bool
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class BlockResult:
    """What is to be written for a block."""

    #: Rows of COPY BINARY.
    packed: tuple[bytes, ...]
    opened: int
    #: How many more rows are current than before.
    current: int
    #: Where rows that end are, and the record time.
    closed: tuple[tuple[str, int], ...]
    #: The tiles that differ, by zoom.
    tiles: dict[int, Tiles]


class BandWorker:
    """Computes cells of one band."""

    def __init__(self, reader: PyramidReader, task: BandTask) -> None:
        self._reader = reader
        self._task = task
        layer = task.layer
        self._band: Band = band_of(layer, task.band, band_fields(layer, task.band))
        self._method: Generaliser = tile_generalisers()[task.band.method]
        self._source = finer_band(layer, task.band)
        self._margin = self._method.margin_m(self._band)
        self._fields = source_fields(layer, task.band)

    def run(self, block: Block) -> BlockResult:
        """Compute a block's cells.

        Raises:
            PyramidFailed: If a cell cannot be computed.
            DatabaseUnavailable: If the database is not there.
        """
        task = self._task
        recorded = (task.steps[0].recorded_at, task.steps[-1].recorded_at)
        versions = self._reader.versions(
            task.layer,
            self._source,
            self._fields,
            block.box(self._margin),
            recorded,
            None if block.features is None else sorted(set().union(*block.features)),
        )
        if self._source is None:
            versions = replace(versions, shapes=in_one_form(task.layer, versions.shapes))
        bounds = shapely.bounds(versions.shapes)
        packed, closed = [], []
        opened, current, shapes = 0, 0, []
        for place, cell in enumerate(block.cells):
            only = None if block.features is None else block.features[place]
            held = None if task.anew else self._held(cell, only)
            change = self._renewed(_around(versions, bounds, cell, self._margin, only), held, cell)
            if len(change.opened):
                packed.append(pack_band_rows(cell.code, change.opened))
                opened += len(change.opened)
                current += _current(change.opened.times)
            if held is not None:
                closed += [(held.places[place], moment) for place, moment in change.closed]
                current -= _current(held.times[[place for place, _ in change.closed]])
                shapes += change.opened.wkb.to_pylist()
                shapes += [held.wkb[place] for place, _ in change.closed]
        return BlockResult(tuple(packed), opened, current, tuple(closed), self._tiles(shapes))

    def _held(self, cell: Cell, only: tuple[int, ...] | None) -> HeldRows:
        return self._reader.held(self._task.layer, self._task.band, cell.code, only)

    def _renewed(self, versions: Versions, held: HeldRows | None, cell: Cell) -> CellChange:
        try:
            return renewed(versions, held, self._task.steps, self._method, self._band, cell)
        except (shapely.errors.GEOSException, pa.ArrowInvalid, ValueError, KeyError) as error:
            raise PyramidFailed(
                f"layer {self._task.layer.name}: zooms {self._band.zooms[0]} to "
                f"{self._band.zooms[1]}: the cell {cell.zoom}/{cell.x}/{cell.y} cannot be "
                f"generalised by '{self._task.band.method}': {str(error).splitlines()[0]}"
            ) from error

    def _tiles(self, shapes: Sequence[bytes]) -> dict[int, Tiles]:
        zooms = range(self._band.zooms[0], self._band.zooms[1] + 1)
        return tiles_of(self._task.layer, set(shapes), zooms)


def _current(times: Integers) -> int:
    """Return how many of some rows, (n, 4) times as ``Versions`` has them, are current."""
    return int((times[:, (1, 3)] == FOREVER).all(axis=1).sum())


def source_fields(layer: LayerDefinition, band: PyramidBand) -> tuple[str, ...]:
    """Return the fields that a band's method reads of what the band is made from."""
    own = band_fields(layer, band)
    method = tile_generalisers()[band.method]
    read = method.fields(band_of(layer, band, own).parameters)
    return tuple(dict.fromkeys((*own, *read)))


def _around(
    versions: Versions,
    bounds: np.ndarray,
    cell: Cell,
    margin: float,
    only: tuple[int, ...] | None,
) -> Versions:
    """Return the versions, of all features or some, whose box meets a cell's box, widened."""
    west, south, east, north = cell.box
    near = (
        (bounds[:, 0] <= east + margin)
        & (bounds[:, 2] >= west - margin)
        & (bounds[:, 1] <= north + margin)
        & (bounds[:, 3] >= south - margin)
    )
    if only is not None:
        near &= np.isin(versions.feature_ids, only)
    if near.all():
        return versions
    places = np.flatnonzero(near)
    return Versions(
        versions.shapes[places],
        versions.feature_ids[places],
        versions.attributes.take(pa.array(places)),
        versions.rank[places],
        versions.members[places],
        versions.times[places],
    )


class Hands:
    """Computes blocks in their order: here, or in processes of its own."""

    def __init__(self, database_url: str, processes: int) -> None:
        """Make hands.

        Args:
            database_url: The address of the database.
            processes: How many processes to compute in; with 1 or less in this one.
        """
        self._database_url = database_url
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._reader: PyramidReader | None = None

    def results(self, task: BandTask, blocks: Sequence[Block]) -> Iterator[BlockResult]:
        """Yield the results of blocks in their order; a few are computed ahead.

        Raises:
            PyramidFailed: If a cell cannot be computed, or a process died.
            DatabaseUnavailable: If the database is not there.
        """
        if self._processes <= 1 or len(blocks) == 1:
            if self._reader is None:
                self._reader = PyramidReader(self._database_url)
            worker = BandWorker(self._reader, task)
            yield from (worker.run(block) for block in blocks)
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._processes,
                mp_context=get_context("spawn"),
                initializer=_begin,
                initargs=(self._database_url, os.getpid()),
            )
        waiting: deque[Future[BlockResult]] = deque()
        try:
            for block in blocks:
                waiting.append(self._pool.submit(_compute, task, block))
                if len(waiting) > _AHEAD * self._processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise PyramidFailed(
                f"layer {task.layer.name}: a process that built its pyramid was killed"
            ) from error
        # What is still waiting is cancelled by ``close``, in the pool's own thread: where processes
        # die at the same time, a future that was cancelled here would trip that thread up.

    def close(self) -> None:
        """End the processes and give the connection back."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._reader is not None:
            self._reader.close()


@contextmanager
def hands(database_url: str, processes: int) -> Iterator[Hands]:
    """Lend hands, which are let go at the end."""
    made = Hands(database_url, processes)
    try:
        yield made
    finally:
        made.close()


class _Process:
    """What a process of the pool keeps."""

    database_url = ""
    reader: PyramidReader | None = None
    task: BandTask | None = None
    worker: BandWorker | None = None


def _begin(database_url: str, parent: int) -> None:
    _Process.database_url = database_url
    # What a whole group of processes is told is for the one that gives out the work; it ends this
    # one itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def watch() -> None:
        # A parent that is killed leaves its processes behind; they see it by their new parent.
        while os.getppid() == parent:
            time.sleep(_WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _compute(task: BandTask, block: Block) -> BlockResult:
    if _Process.reader is None:
        _Process.reader = PyramidReader(_Process.database_url)
    if _Process.worker is None or task != _Process.task:
        _Process.task = task
        _Process.worker = BandWorker(_Process.reader, task)
    return _Process.worker.run(block)
