"""Neighbours that are the same in everything that divides areas should be one."""

from collections.abc import Iterable

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from etl.check_kind import CheckKind, Parameters
from etl.check_rows import CheckRows
from etl.check_survey import ManyFindings, SurveyView
from etl.coverage_survey import CoverageSurvey, coverage_of
from etl.faults import Mask
from layers.definition import Bilingual, LayerDefinition
from layers.key_hashes import key_texts, text_hashes


class Mergeable(Parameters):
    """Areas with a common side that are equal in all fields of ``same``; an empty one is unequal.

    Looked at where a survey stands alone: the first of a layer, or a full one.
    """

    same: tuple[str, ...] = Field(min_length=1)
    #: Vertices nearer than this are one, metres.
    tolerance: float = Field(default=0.001, gt=0, le=1)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return self.same


class _Check:
    def __init__(self, parameters: Mergeable) -> None:
        self._parameters = parameters
        self._coverage: CoverageSurvey | None = None
        #: Hash of what a row is the same in, by row number; 0 where it is not known.
        self._kinds: NDArray[np.uint64] = np.zeros(1 << 12, dtype=np.uint64)
        #: A neighbour of like kind with a higher number, by row number; 0 where there is none.
        self._neighbour: NDArray[np.int64] = np.zeros(1 << 12, dtype=np.int64)

    def begin(self, view: SurveyView) -> None:
        """Ask to be told of neighbours."""
        coverage = coverage_of(view, self._parameters.tolerance)
        if coverage.alone:
            self._coverage = coverage
            coverage.tell_meetings(self._see, self._meet)

    def look(self, rows: CheckRows) -> None:
        """Let the coverage look at a batch."""
        if self._coverage is not None:
            self._coverage.look(rows)
            self._look_at(rows)

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """Let the coverage see a batch."""
        if self._coverage is not None:
            self._coverage.watch(rows, good)

    def _see(self, rows: CheckRows, good: Mask) -> None:
        """Remember what the rows of a batch are."""
        last = int(rows.numbers.max())
        while last >= len(self._kinds):
            self._kinds = np.append(self._kinds, np.zeros_like(self._kinds))
            self._neighbour = np.append(self._neighbour, np.zeros_like(self._neighbour))
        if self not in rows.kept:
            self._look_at(rows)
        kinds: NDArray[np.uint64] = rows.kept[self]
        hashes = np.where(good, kinds, np.uint64(0))
        self._kinds[rows.numbers] = hashes

    def _look_at(self, rows: CheckRows) -> None:
        """Keep a hash of what each row is the same in; 0 where some of it is empty."""
        kinds = key_texts([rows.text(name) for name in self._parameters.same])
        known = pc.is_valid(kinds).to_numpy(zero_copy_only=False)
        rows.kept[self] = np.where(known, text_hashes(kinds), np.uint64(0))

    def findings(self, view: SurveyView) -> Iterable[ManyFindings]:
        """Return the rows with a later neighbour that they should be one with."""
        if self._coverage is None:
            return
        self._coverage.finish()
        rows = np.flatnonzero(self._neighbour)
        same = ", ".join(self._parameters.same)
        yield ManyFindings(
            rows, lambda row: f"its neighbour in row {self._neighbour[row]} is the same in {same}"
        )

    def _meet(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        kinds = self._kinds[one]
        alike = (kinds == self._kinds[other]) & (kinds != 0) & (one != other)
        low, high = np.minimum(one[alike], other[alike]), np.maximum(one[alike], other[alike])
        while len(low):
            # Of several such neighbours the first is told, whichever is met first.
            known = self._neighbour[low]
            nearer = (known == 0) | (high < known)
            low, high = low[nearer], high[nearer]
            self._neighbour[low] = high


def _make(parameters: Mergeable, layer: LayerDefinition) -> _Check:
    if layer.geometry.dimension != 2:
        raise ValueError("only areas have neighbours")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="同类同权属相邻图斑应合并", en="neighbours that should be one"), Mergeable, _make
)
