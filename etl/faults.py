"""Faults: which rows of a batch break which rule, and why, in words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from etl.reader import RowProblem

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Fault:
    """One rule broken by some rows of a batch."""

    #: The rule's name, such as ``geometry_missing`` or ``dlbm: codes``.
    rule: str
    #: One entry a row of the batch.
    rows: Mask
    #: Says for a row (its place in the batch) what is wrong, in one sentence.
    describe: Callable[[int], str]


def rows_of(faults: Iterable[Fault], count: int) -> Mask:
    """Return which of ``count`` rows break any rule."""
    bad = np.zeros(count, dtype=bool)
    for fault in faults:
        bad |= fault.rows
    return bad


def without(fault: Fault, places: Sequence[int]) -> Fault:
    """Return a fault of fewer rows: those at ``places`` of the batch are mended."""
    rows = fault.rows.copy()
    rows[list(places)] = False
    return replace(fault, rows=rows)


def told_by_format(problems: Mapping[int, RowProblem], count: int) -> list[Fault]:
    """Return what the source format itself found wrong, one fault a rule.

    Args:
        problems: By the row's place in the batch.
        count: The number of rows of the batch.
    """
    by_rule: dict[str, Mask] = {}
    for row, problem in problems.items():
        by_rule.setdefault(problem.rule, np.zeros(count, dtype=bool))[row] = True
    return [Fault(rule, rows, lambda row: problems[row].message) for rule, rows in by_rule.items()]
