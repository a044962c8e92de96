"""Faults: which rows of a batch break which rule, and why, in words."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
