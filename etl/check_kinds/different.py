"""Two fields that must not be the same: a pipe does not begin where it ends."""

from dataclasses import dataclass

import numpy as np

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition


class Different(Parameters):
    """The two fields."""

    first: str
    second: str

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.first, self.second)


@dataclass(frozen=True)
class _Check:
    parameters: Different

    def breaches(self, rows: CheckRows) -> Breach:
        first, second = self.parameters.first, self.parameters.second
        same = rows.filled(first) & rows.filled(second)
        same &= np.asarray(rows.texts(first) == rows.texts(second), dtype=bool)

        def describe(row: int) -> str:
            return f"{first} and {second} are both '{rows.shown(first, row)}'"

        return Breach(same, describe)


def _make(parameters: Different, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(Bilingual(zh="两字段不得相同", en="two fields that must differ"), Different, _make)
