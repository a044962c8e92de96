"""The sum of a field over a unit agrees with the unit's control value."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field
from sqlalchemy import func, select

from etl.check_kind import CheckKind, Parameters, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from layers.definition import Bilingual, LayerDefinition


class ControlTotal(Parameters):
    """The sum of ``field`` over rows whose ``unit`` begins with a code is its ``control``."""

    field: str
    unit: str
    #: Characters of the code.
    length: int = Field(ge=1)
    layer: str
    code: str
    control: str
    #: Difference allowed, as a share of the control value.
    relative: float = Field(default=0.0, ge=0)
    #: Difference allowed, in the unit of the field.
    absolute: float = Field(default=0.0, ge=0)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.field, self.unit)

    def other_fields(self) -> tuple[tuple[str, str], ...]:
        """Return layer and fields of the control values."""
        return ((self.layer, self.code), (self.layer, self.control))


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: ControlTotal

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        asked = self.parameters
        if view.is_empty(asked.layer):
            return
        state = view.state(view.layer.name, (asked.field, asked.unit))
        code = func.substr(state.c[asked.unit], 1, asked.length).label("code")
        sums = (
            select(
                code,
                func.sum(state.c[asked.field]).label("total"),
                func.min(state.c.source_row).label("first"),
            )
            .group_by(code)
            .subquery("sums")
        )
        units = view.held(asked.layer)
        control = units.c[asked.control]
        allowed = func.greatest(asked.absolute, asked.relative * control)
        statement = (
            select(sums.c.first, sums.c.code, sums.c.total, control)
            .join(units, units.c[asked.code] == sums.c.code)
            .where(sums.c.first.is_not(None), func.abs(sums.c.total - control) > allowed)
            .order_by(sums.c.code)
        )
        for row, unit, total, value in view.fetch(statement):
            yield Finding(
                row,
                f"the sum of {asked.field} in {unit} is {total:.2f}, its control value "
                f"{value:.2f}: {total - value:+.2f}",
            )


def _make(parameters: ControlTotal, layer: LayerDefinition) -> _Check:
    if not parameters.relative and not parameters.absolute:
        raise ValueError("give relative, absolute or both")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="汇总值与控制值相符", en="sums that agree with a control value"),
    ControlTotal,
    _make,
)
