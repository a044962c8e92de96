"""Find business keys that a file holds more than once, without keeping the keys."""

import numpy as np
from numpy.typing import NDArray

from etl.columns import Column
from etl.faults import Fault, Mask
from layers.key_hashes import SEPARATOR, key_hashes, key_texts

#: Bits of a hash by which most keys are seen at once to be new.
_BITS = 23


class DuplicateKeys:
    """Remembers a 64-bit hash and the row number of each key seen: 16 bytes a row.

    Two different keys share a hash with a probability of 3e-8 for a million rows.
    """

    def __init__(self, key: tuple[str, ...]) -> None:
        self._key = key
        #: Sorted runs of hashes with their rows; neighbours are merged when of like size.
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []
        #: Whether a key was seen whose hash begins so.
        self._begun: Mask = np.zeros(1 << _BITS, dtype=bool)

    def hashes(self, columns: list[Column]) -> NDArray[np.uint64]:
        """Return a batch's hashes; this may be done for several batches at once."""
        by_name = {column.field.name: column for column in columns}
        return key_hashes([by_name[name].values for name in self._key])

    def check(
        self,
        columns: list[Column],
        rows: NDArray[np.int64],
        usable: Mask,
        hashes: NDArray[np.uint64],
    ) -> list[Fault]:
        """Tell which rows repeat a key of an earlier good row, in this batch or before.

        Args:
            columns: The batch's fields.
            rows: Row numbers in the file.
            usable: Rows that passed the other checks; only these count.
            hashes: What ``hashes`` gave for the batch.
        """
        by_name = {column.field.name: column for column in columns}
        parts = [by_name[name].values for name in self._key]
        places = np.flatnonzero(usable)
        hashes = hashes[places]
        order = _sorting(hashes)
        hashes, places = hashes[order], places[order]
        again = np.zeros(len(hashes), dtype=bool)
        again[1:] = hashes[1:] == hashes[:-1]
        first_of_run = np.maximum.accumulate(np.where(again, 0, np.arange(len(hashes))))
        earlier = rows[places[first_of_run]] if len(places) else rows[:0]
        doubtful = np.flatnonzero(self._begun[hashes >> np.uint64(64 - _BITS)])
        for known, known_rows in self._runs:
            at = np.minimum(np.searchsorted(known, hashes[doubtful]), len(known) - 1)
            hit = known[at] == hashes[doubtful]
            again[doubtful[hit]] = True
            earlier[doubtful[hit]] = known_rows[at[hit]]
        self._remember(hashes[~again], rows[places[~again]])
        if not again.any():
            return []
        repeated = np.zeros(len(usable), dtype=bool)
        repeated[places[again]] = True
        first = dict(zip(places[again].tolist(), earlier[again].tolist(), strict=True))
        name = ", ".join(self._key)

        texts = key_texts(parts)

        def describe(row: int) -> str:
            key = str(texts[row]).replace(SEPARATOR, ", ")
            return f"the key {name} = '{key}' already stands in row {first[row]}"

        return [Fault("duplicate_key", repeated, describe)]

    def _remember(self, hashes: NDArray[np.uint64], rows: NDArray[np.int64]) -> None:
        if not len(hashes):
            return
        self._begun[hashes >> np.uint64(64 - _BITS)] = True
        while self._runs and len(self._runs[-1][0]) <= len(hashes):
            known, known_rows = self._runs.pop()
            hashes, rows = np.concatenate([known, hashes]), np.concatenate([known_rows, rows])
            order = np.argsort(hashes)
            hashes, rows = hashes[order], rows[order]
        self._runs.append((hashes, rows))


def _sorting(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the order of hashes, equal ones in the order they came."""
    order = np.argsort(hashes)
    placed = hashes[order]
    # Of equal hashes, which are rare, only the slower way keeps the order.
    if (placed[1:] == placed[:-1]).any():
        return np.argsort(hashes, kind="stable")
    return order
