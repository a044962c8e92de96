"""Findings of checks that look at a whole survey."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layers.survey_view import SurveyView

__all__ = ["Finding", "ManyFindings", "SurveyView"]


@dataclass(frozen=True)
class Finding:
    """Something wrong with a survey."""

    #: The row of the file; ``None`` where the survey as a whole is meant (never refused).
    source_row: int | None
    #: What is wrong, in one sentence.
    message: str


@dataclass(frozen=True)
class ManyFindings:
    """The same thing wrong with many rows, each put into words only when somebody reads it."""

    #: Numbers of the rows, each once, ascending.
    source_rows: NDArray[np.int64]
    #: Says of one of them what is wrong, in one sentence.
    describe: Callable[[int], str]

    def chosen(self, meant: NDArray[np.int64]) -> "ManyFindings":
        """Return those of the rows that are among some."""
        return ManyFindings(np.intersect1d(self.source_rows, meant), self.describe)
