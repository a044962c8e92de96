"""Values that name a feature of another layer, or of the same: it must be there."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field
from sqlalchemy import literal, select

from etl.check_kind import CheckKind, Parameters, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from layers.definition import Bilingual, LayerDefinition


class Reference(Parameters):
    """Each field of ``each``, where filled, is the value of ``field`` of some feature of ``layer``.

    A layer that holds nothing at the survey's date cannot be looked up; the report says so.
    """

    each: tuple[str, ...] = Field(min_length=1)
    layer: str
    field: str

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return self.each

    def other_fields(self) -> tuple[tuple[str, str], ...]:
        """Return layer and field of what is referred to."""
        return ((self.layer, self.field),)


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: Reference

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        other, field = self.parameters.layer, self.parameters.field
        if other != view.layer.name and view.is_empty(other):
            yield Finding(None, f"not checked: the layer {other} holds nothing at that date")
            return
        stage = view.stage
        for name in self.parameters.each:
            state = view.state(other, (field,))
            there = select(literal(1)).select_from(state).where(state.c[field] == stage.c[name])
            statement = select(stage.c.source_row, stage.c[name]).where(
                stage.c[name].is_not(None), stage.c[name] != "", ~there.correlate(stage).exists()
            )
            for row, value in view.fetch(statement):
                yield Finding(row, f"{name} = '{value}': {other} has no such {field}")


def _make(parameters: Reference, layer: LayerDefinition) -> _Check:
    for name in parameters.each:
        if layer.field(name).type != "text":
            raise ValueError(f"the field '{name}' is not text")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="引用的要素存在", en="values that name a feature of a layer"), Reference, _make
)
