"""Of some fields exactly one has a value: a point is a feature or an appurtenance, not both."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition


class ExactlyOne(Parameters):
    """Which fields; with ``optional`` none may be filled either."""

    among: tuple[str, ...] = Field(min_length=2)
    optional: bool = False

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return self.among


@dataclass(frozen=True)
class _Check:
    parameters: ExactlyOne

    def breaches(self, rows: CheckRows) -> Breach:
        among = self.parameters.among
        filled = np.sum([rows.filled(name) for name in among], axis=0)
        broken = filled > 1 if self.parameters.optional else filled != 1

        def describe(row: int) -> str:
            names = ", ".join(among)
            if filled[row]:
                values = ", ".join(f"{name} = {rows.shown(name, row)}" for name in among)
                return f"only one of {names} may have a value, but {values}"
            return f"one of {names} must have a value, but all are empty"

        return Breach(broken, describe)


def _make(parameters: ExactlyOne, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="若干字段中恰有一个有值", en="exactly one of some fields has a value"),
    ExactlyOne,
    _make,
)
