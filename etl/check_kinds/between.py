"""A number within bounds; usually under a condition, or warned of rather than refused."""

from dataclasses import dataclass
from typing import Self

from pydantic import model_validator

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, FieldType, LayerDefinition


class Between(Parameters):
    """``field`` is at least ``min`` and at most ``max``."""

    field: str
    min: float | None = None
    max: float | None = None

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.field,)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        return self


@dataclass(frozen=True)
class _Check:
    parameters: Between
    unit: str

    def breaches(self, rows: CheckRows) -> Breach:
        field, low, high = self.parameters.field, self.parameters.min, self.parameters.max
        values = rows.quantity(field)
        below = values < (low if low is not None else float("-inf"))
        above = values > (high if high is not None else float("inf"))

        def describe(row: int) -> str:
            shown = f"{field} = {rows.shown(field, row)}{self.unit}"
            if below[row]:
                return f"{shown} is below {low:g}{self.unit}"
            return f"{shown} is above {high:g}{self.unit}"

        return Breach(below | above, describe)


def _make(parameters: Between, layer: LayerDefinition) -> _Check:
    field = layer.field(parameters.field)
    if field.type not in (FieldType.INTEGER, FieldType.NUMBER):
        raise ValueError(f"the field '{field.name}' is not a number")
    return _Check(parameters, f" {field.unit}" if field.unit else "")


KIND = CheckKind(Bilingual(zh="取值范围", en="a number within bounds"), Between, _make)
