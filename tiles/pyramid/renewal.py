"""One cell of a band brought up to date, in valid and in record time: pure.

What a cell shows follows from the versions around it alone: for each load, in the order of record
times, its generalised rows are computed for every span of valid time in which nothing changes, like
rows of neighbouring spans are joined, and what then differs from what was held so far is closed and
opened. So the rows are the same whether loads are caught up with one by one or all at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from layers.copy_binary import ARROW_TYPES
from layers.pyramid_reading import HeldRows, Versions
from layers.pyramid_rows import NewRows
from layers.pyramid_store import Step
from layers.pyramid_times import FOREVER
from tiles.generaliser import Band, Cell, Features, Generaliser, Rows

#: What a row shows: id in tiles, feature, members, rank, WKB, and the fields.
Content = tuple[Any, ...]
_FIELDS = 5


@dataclass
class _Row:
    """A row that is held."""

    start: int
    end: int
    #: Record time, where this renewal opened it; ``None`` for those of the table.
    since: int | None
    #: Its place in the table, or in the list of rows that this renewal opened.
    place: int


@dataclass(frozen=True)
class CellChange:
    """What is to be written for a cell."""

    opened: NewRows
    #: Rows of the table that end: the place among those held, and the record time.
    closed: list[tuple[int, int]]


def renewed(
    versions: Versions,
    held: HeldRows | None,
    steps: Sequence[Step],
    method: Generaliser,
    band: Band,
    cell: Cell,
) -> CellChange:
    """Return what loads change in a cell.

    Args:
        versions: All whose box meets the cell's box widened by the method's margin, and that were
            held at or after the first step or closed by it.
        held: The cell's rows; ``None`` if the cell was never computed.
        steps: The loads, in the order of record times.
        method: How the band is generalised.
        band: The band.
        cell: The cell.
    """
    if held is None and (only := _only_state(versions, steps)) is not None:
        step, start = only
        made = _generalised(versions, np.ones(len(versions.shapes), bool), method, band, cell)
        times = np.array([[start, FOREVER, step.recorded_at, FOREVER]], np.int64)
        return CellChange(_as_new(made, np.repeat(times, len(made), axis=0)), [])
    renewal = _Renewal(held, band)
    for step in steps:
        if _touches(versions, step):
            renewal.take(step, _spans(versions, step, method, band, cell))
    return renewal.change()


def _only_state(versions: Versions, steps: Sequence[Step]) -> tuple[Step, int] | None:
    """Return the load and the valid time that all versions have in common, if they do."""
    times = versions.times
    if len(times) == 0 or (times != times[0]).any() or times[0, 1] != FOREVER:
        return None
    if times[0, 3] != FOREVER:
        return None
    for step in steps:
        if step.recorded_at == times[0, 2]:
            return step, int(times[0, 0])
    return None


def _touches(versions: Versions, step: Step) -> bool:
    moments = versions.times[:, 2:]
    return bool((moments == step.recorded_at).any())


def _spans(
    versions: Versions, step: Step, method: Generaliser, band: Band, cell: Cell
) -> Iterator[tuple[int, int, Sequence[Content]]]:
    """Yield spans of valid time from the load's date on, and what the cell shows in each."""
    valid_from, valid_to, since, until = versions.times.T
    known = (since <= step.recorded_at) & (until > step.recorded_at) & (valid_to > step.valid_from)
    edges = np.concatenate([valid_from[known], valid_to[known]])
    edges = np.unique(np.append(edges[edges > step.valid_from], [step.valid_from, FOREVER]))
    last: NDArray[np.bool_] | None = None
    contents: Sequence[Content] = ()
    for start, end in pairwise(edges.tolist()):
        there = known & (valid_from <= start) & (valid_to > start)
        if last is None or (there != last).any():
            contents = _contents(_generalised(versions, there, method, band, cell), band)
            last = there
        yield start, end, contents


def _generalised(
    versions: Versions, there: NDArray[np.bool_], method: Generaliser, band: Band, cell: Cell
) -> Rows:
    whole = Features(
        versions.shapes,
        versions.feature_ids,
        versions.attributes,
        versions.rank,
        versions.members,
    )
    return method.generalise(whole if there.all() else whole.take(there), band, cell)


def _wkb(shapes: NDArray[np.object_]) -> list[bytes]:
    return list(shapely.to_wkb(shapes, output_dimension=2)) if len(shapes) else []


def _as_new(made: Rows, times: NDArray[np.int64]) -> NewRows:
    return NewRows(
        np.asarray(made.tile_ids, np.int64),
        np.asarray(made.feature_ids, np.int64),
        np.asarray(made.members, np.int64),
        np.asarray(made.rank, np.float64),
        made.attributes,
        pa.array(_wkb(made.shapes), pa.binary()),
        times,
    )


def _contents(made: Rows, band: Band) -> list[Content]:
    return _as_contents(
        made.tile_ids.tolist(),
        made.feature_ids.tolist(),
        made.members.tolist(),
        made.rank.tolist(),
        _wkb(made.shapes),
        made.attributes,
        band,
    )


def _as_contents(
    tile_ids: Iterable[int],
    feature_ids: Iterable[int],
    members: Iterable[int],
    rank: Iterable[float],
    wkb: Iterable[bytes],
    attributes: pa.Table,
    band: Band,
) -> list[Content]:
    columns = [attributes[name].to_pylist() for name in band.fields]
    return list(zip(tile_ids, feature_ids, members, rank, wkb, *columns, strict=True))


class _Renewal:
    """What a cell holds while loads are taken in."""

    def __init__(self, held: HeldRows | None, band: Band) -> None:
        self._band = band
        self._held: dict[Content, list[_Row]] = defaultdict(list)
        self._opened: list[tuple[Content, _Row, int]] = []
        self._closed: list[tuple[int, int]] = []
        if held is not None:
            contents = _as_contents(
                held.tile_ids,
                held.feature_ids,
                held.members,
                held.rank,
                held.wkb,
                held.attributes,
                band,
            )
            for place, (content, times) in enumerate(
                zip(contents, held.times.tolist(), strict=True)
            ):
                self._held[content].append(_Row(times[0], times[1], None, place))

    def take(self, step: Step, spans: Iterable[tuple[int, int, Sequence[Content]]]) -> None:
        """Close and open what a load makes different from its date on."""
        wanted: dict[Content, list[list[int]]] = defaultdict(list)
        for content, rows in self._held.items():
            for row in rows:
                # What was before the load's date stays; it may go on in what is computed.
                if row.start < step.valid_from <= row.end:
                    wanted[content].append([row.start, step.valid_from])
        for start, end, contents in spans:
            for content in dict.fromkeys(contents):
                joined = wanted[content]
                if joined and joined[-1][1] == start:
                    joined[-1][1] = end
                else:
                    joined.append([start, end])
        for content in {**self._held, **wanted}:
            self._renew(content, wanted.get(content, []), step)

    def _renew(self, content: Content, wanted: list[list[int]], step: Step) -> None:
        missing = {(start, end) for start, end in wanted}
        kept = []
        for row in self._held.get(content, []):
            if row.end < step.valid_from or (row.start, row.end) in missing:
                missing.discard((row.start, row.end))
                kept.append(row)
            else:
                self._close(row, step.recorded_at)
        for start, end in sorted(missing):
            row = _Row(start, end, step.recorded_at, len(self._opened))
            self._opened.append((content, row, FOREVER))
            kept.append(row)
        self._held[content] = kept

    def _close(self, row: _Row, moment: int) -> None:
        if row.since is None:
            self._closed.append((row.place, moment))
        else:
            content, mine, _ = self._opened[row.place]
            self._opened[row.place] = (content, mine, moment)

    def change(self) -> CellChange:
        """Return what is to be written."""
        contents = [content for content, _, _ in self._opened]
        columns = list(zip(*contents, strict=True)) or [()] * (_FIELDS + len(self._band.fields))
        times = [(row.start, row.end, row.since, until) for _, row, until in self._opened]
        opened = NewRows(
            np.array(columns[0], np.int64),
            np.array(columns[1], np.int64),
            np.array(columns[2], np.int64),
            np.array(columns[3], np.float64),
            _attributes(self._band, columns[_FIELDS:]),
            pa.array(columns[4], pa.binary()),
            np.array(times, np.int64).reshape(-1, 4),
        )
        return CellChange(opened, self._closed)


def _attributes(band: Band, columns: Sequence[Sequence[Any]]) -> pa.Table:
    arrays = [
        pa.array(column, ARROW_TYPES[band.layer.field(name).type])
        for name, column in zip(band.fields, columns, strict=True)
    ]
    return pa.table(dict(zip(band.fields, arrays, strict=True)))
