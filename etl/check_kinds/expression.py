"""A condition on the fields of a row, as an expression."""

from dataclasses import dataclass

from pydantic import Field

from etl.check_condition import Condition
from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition


class ExpressionHolds(Parameters):
    """The condition, in the language of ``docs/mappings.md`` on the layer's fields."""

    holds: str = Field(min_length=1)


@dataclass(frozen=True)
class _Check:
    condition: Condition

    def breaches(self, rows: CheckRows) -> Breach:
        names = self.condition.names

        def describe(row: int) -> str:
            values = ", ".join(f"{name} = {rows.shown(name, row)}" for name in names)
            return f"{self.condition.text} does not hold" + (f": {values}" if values else "")

        return Breach(self.condition.fails(rows), describe)


def _make(parameters: ExpressionHolds, layer: LayerDefinition) -> _Check:
    return _Check(Condition(parameters.holds, layer))


KIND = CheckKind(Bilingual(zh="条件表达式", en="a condition on the fields"), ExpressionHolds, _make)
