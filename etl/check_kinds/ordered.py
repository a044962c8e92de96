"""Numbers or dates in ascending order: a licence begins before it ends."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition


class Ordered(Parameters):
    """The fields from the least to the greatest; empty ones are passed over."""

    ascending: tuple[str, ...] = Field(min_length=2)
    #: Whether equal values break the order.
    strict: bool = False

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return self.ascending


@dataclass(frozen=True)
class _Check:
    parameters: Ordered

    def breaches(self, rows: CheckRows) -> Breach:
        names = self.parameters.ascending
        before = np.full(rows.count, -np.inf)
        behind = np.full(rows.count, -1, dtype=int)
        broken = np.zeros(rows.count, dtype=bool)
        first = np.zeros((rows.count, 2), dtype=int)
        for place, name in enumerate(names):
            values = rows.quantity(name)
            wrong = values <= before if self.parameters.strict else values < before
            wrong &= behind >= 0
            fresh = wrong & ~broken
            first[fresh, 0], first[fresh, 1] = behind[fresh], place
            broken |= wrong
            known = np.isfinite(values)
            before = np.where(known, np.maximum(before, values), before)
            behind[known] = place

        def describe(row: int) -> str:
            low, high = names[first[row, 0]], names[first[row, 1]]
            must = "greater than" if self.parameters.strict else "at least"
            return f"{high} = {rows.shown(high, row)} must be {must} {low} = {rows.shown(low, row)}"

        return Breach(broken, describe)


def _make(parameters: Ordered, layer: LayerDefinition) -> _Check:
    for name in parameters.ascending:
        if layer.field(name).type in ("text", "boolean"):
            raise ValueError(f"the field '{name}' is neither a number nor a date")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="数值或日期的先后", en="numbers or dates in ascending order"), Ordered, _make
)
