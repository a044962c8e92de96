"""Fields that must be filled, usually under a condition (``when``)."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition


class Required(Parameters):
    """Which fields must have a value, each of them."""

    all_of: tuple[str, ...] = Field(min_length=1)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return self.all_of


@dataclass(frozen=True)
class _Check:
    parameters: Required

    def breaches(self, rows: CheckRows) -> Breach:
        names = self.parameters.all_of
        filled = {name: rows.filled(name) for name in names}
        broken = ~np.logical_and.reduce(list(filled.values()))

        def describe(row: int) -> str:
            empty = [name for name in names if not filled[name][row]]
            return f"{', '.join(empty)} must have a value here"

        return Breach(broken, describe)


def _make(parameters: Required, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(Bilingual(zh="必填（可附条件）", en="fields that must be filled"), Required, _make)
