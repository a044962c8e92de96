"""A field that follows from others, within a tolerance: KCMJ = TBMJ × KCXS."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from etl.check_condition import FieldExpression
from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition
from layers.expressions import Kind


class Formula(Parameters):
    """``field`` equals ``is`` to within the larger of both tolerances."""

    field: str
    #: The expression of its value.
    value: str = Field(alias="is", min_length=1)
    absolute: float = Field(default=0.0, ge=0)
    #: Share of the computed value, 0 to 1.
    relative: float = Field(default=0.0, ge=0)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.field,)


@dataclass(frozen=True)
class _Check:
    parameters: Formula
    value: FieldExpression

    def breaches(self, rows: CheckRows) -> Breach:
        field = self.parameters.field
        written, computed = rows.quantity(field), self.value.numbers(rows)
        allowed = np.maximum(self.parameters.absolute, self.parameters.relative * np.abs(computed))
        # Doubles that mean the same decimal may differ in their last bits.
        broken = np.abs(written - computed) > allowed + 1e-9 * np.maximum(np.abs(computed), 1.0)

        def describe(row: int) -> str:
            return (
                f"{field} = {rows.shown(field, row)}, but {self.value.text} is {computed[row]:.10g}"
            )

        return Breach(broken, describe)


def _make(parameters: Formula, layer: LayerDefinition) -> _Check:
    return _Check(parameters, FieldExpression(parameters.value, layer, Kind.NUMBER))


KIND = CheckKind(
    Bilingual(zh="字段间的计算关系", en="a field that follows from others"), Formula, _make
)
