"""Sort any number of rows along the Hilbert curve with little memory: an external merge sort.

Batches are sorted as they come and written to a file that has no name; what stays in memory is a
key and two lengths a row. Then the rows come out in pieces: from each batch a run of neighbouring
rows is read, and these runs are merged.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from layers.copy_stream import PackedRows
from layers.disk_room import room_needed
from layers.errors import DiskFull

Keys = NDArray[np.int64]
#: Rows of a piece, about; a piece holds no more bytes than ``_PIECE_BYTES`` where rows are large.
_PIECE_ROWS = 16_384
_PIECE_BYTES = 64 << 20


@dataclass(frozen=True)
class _Run:
    """One batch in the file, sorted."""

    keys: Keys
    #: Places in the file of each row's fields and vertices, with the end as a last one more.
    fields: NDArray[np.int64]
    vertices: NDArray[np.int64]

    def bytes_between(self, begin: int, end: int) -> int:
        """Return how many bytes some rows take."""
        return int(
            self.fields[end] - self.fields[begin] + self.vertices[end] - self.vertices[begin]
        )


class RowSorter:
    """Takes packed rows with their keys, gives them back in the order of the keys."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="onemap-sort-", buffering=0)
        self._runs: list[_Run] = []
        self._end = 0

    def __len__(self) -> int:
        """Return the number of rows taken."""
        return sum(len(run.keys) for run in self._runs)

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()

    def add(self, rows: PackedRows, keys: Keys) -> None:
        """Take a batch.

        Raises:
            DiskFull: If the folder of temporary files has no room.
        """
        order = np.argsort(keys, kind="stable")
        rows = rows.take(order)
        with room_needed():
            fields, vertices = self._write(rows.fields), self._write(rows.vertices)
        self._runs.append(_Run(keys[order], fields, vertices))

    def _write(self, values: pa.Array) -> NDArray[np.int64]:
        """Append the values of a binary array; return where each begins and the last ends."""
        offsets = np.frombuffer(values.buffers()[1], dtype=np.int32, count=len(values) + 1)
        begin, end = int(offsets[0]), int(offsets[-1])
        data = values.buffers()[2]
        view = memoryview(data)[begin:end] if data is not None else memoryview(b"")
        start = self._end
        while len(view):
            view = view[self._file.write(view) or 0 :]
        self._end += end - begin
        return offsets.astype(np.int64) - begin + start

    def pieces(self) -> Iterator[PackedRows]:
        """Yield all rows in the order of their keys, some thousands at a time."""
        at = [0] * len(self._runs)
        for bound in self._bounds():
            upto = [int(np.searchsorted(run.keys, bound, side="left")) for run in self._runs]
            yield from self._merged(at, upto)
            at = upto
        yield from self._merged(at, [len(run.keys) for run in self._runs])

    def _bounds(self) -> Keys:
        """Return keys that part the rows into pieces of about ``_PIECE_ROWS``."""
        total = len(self)
        if total <= _PIECE_ROWS:
            return np.empty(0, dtype=np.int64)
        # Every so many-th key of each sorted run: enough to find quantiles closely.
        step = max(1, min(_PIECE_ROWS // 64, _PIECE_ROWS // max(len(self._runs), 1)))
        sample = np.sort(np.concatenate([run.keys[::step] for run in self._runs]))
        every = max(1, _PIECE_ROWS // step)
        return np.unique(sample[every::every])

    def _merged(self, begin: list[int], end: list[int]) -> Iterator[PackedRows]:
        """Yield the rows between two places of each run, merged; large ones in halves."""
        spans = list(zip(self._runs, begin, end, strict=True))
        rows = sum(b - a for _, a, b in spans)
        size = sum(run.bytes_between(a, b) for run, a, b in spans)
        if not rows:
            return
        if size > _PIECE_BYTES and rows > 1:
            middle = self._halves(spans)
            if middle is not None:
                yield from self._merged(begin, middle)
                yield from self._merged(middle, end)
                return
        chosen = [(run, a, b) for run, a, b in spans if b > a]
        keys = np.concatenate([run.keys[a:b] for run, a, b in chosen])
        fields = pa.concat_arrays([self._read(run.fields[a : b + 1]) for run, a, b in chosen])
        vertices = pa.concat_arrays([self._read(run.vertices[a : b + 1]) for run, a, b in chosen])
        merged = PackedRows(fields, vertices)
        yield merged.take(np.argsort(keys, kind="stable")) if len(chosen) > 1 else merged

    @staticmethod
    def _halves(spans: list[tuple[_Run, int, int]]) -> list[int] | None:
        """Return places in the middle by key, or ``None`` where all keys are equal."""
        keys = np.sort(np.concatenate([run.keys[a:b] for run, a, b in spans]))
        pivot = keys[len(keys) // 2]
        if pivot == keys[0]:
            above = keys[keys > pivot]
            if not len(above):
                return None
            pivot = above[0]
        return [a + int(np.searchsorted(run.keys[a:b], pivot, side="left")) for run, a, b in spans]

    def _read(self, places: NDArray[np.int64]) -> pa.Array:
        """Read back successive values as a binary array."""
        start, stop = int(places[0]), int(places[-1])
        self._file.seek(start)
        buffer = bytearray(stop - start)
        view = memoryview(buffer)
        while len(view):
            view = view[self._file.readinto(view) or _broken_off() :]  # type: ignore[attr-defined]
        offsets = (places - start).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(buffer)]
        return pa.Array.from_buffers(pa.binary(), len(places) - 1, buffers)


def _broken_off() -> int:
    raise DiskFull("a temporary file of the load has become shorter: is the disk full or broken?")
