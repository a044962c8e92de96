"""Areas that keep apart from those of other layers, or from each other, in plan or in height."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from sqlalchemy import and_, func, or_, true

from etl.check_kind import CheckKind, Parameters, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from etl.survey_pairs import Pair, overlapping
from layers.definition import Bilingual, LayerDefinition


class Heights(Parameters):
    """The fields of the lowest and the highest elevation."""

    bottom: str
    top: str


class Apart(Parameters):
    """No area overlaps one of ``layers`` (the layer's own name: another of the same survey)."""

    layers: tuple[str, ...] = Field(min_length=1)
    #: Overlaps whose mean width is at most this are none, metres.
    tolerance: float = Field(default=0.1, gt=0)
    #: Areas whose heights do not meet are apart; unknown heights meet all others. Only for the
    #: layer itself.
    heights: Heights | None = None
    #: Only areas that are equal in these fields must keep apart. Only for the layer itself.
    same: tuple[str, ...] = ()

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        heights = (self.heights.bottom, self.heights.top) if self.heights else ()
        return (*heights, *self.same)

    def other_fields(self) -> tuple[tuple[str, str], ...]:
        """Return nothing: of other layers no field is named."""
        return ()


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: Apart

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        condition = _condition(self.parameters)
        said: dict[int, list[str]] = {}
        for layer in self.parameters.layers:
            for pair in overlapping(view, layer, self.parameters.tolerance, condition):
                _note(said, pair, layer)
        for row, others in sorted(said.items()):
            yield Finding(row, f"overlaps {', '.join(others)}")


def _note(said: dict[int, list[str]], pair: Pair, layer: str) -> None:
    said.setdefault(pair.source_row, []).append(f"{layer} {pair.other_key} ({pair.area:.2f} m2)")
    if pair.other_row is not None:
        said.setdefault(pair.other_row, []).append(f"{layer} {pair.key} ({pair.area:.2f} m2)")


def _condition(parameters: Apart) -> Any:
    """Return what makes a condition of two rows: of the same kind, and not one above the other."""
    heights = parameters.heights

    def condition(one: Any, other: Any) -> Any:
        alike = [one.c[name] == other.c[name] for name in parameters.same]
        if heights is None:
            return and_(true(), *alike)

        def above(high: Any, low: Any) -> Any:
            # Known to lie wholly above; equal elevations touch and do not meet.
            return func.coalesce(high.c[heights.bottom] >= low.c[heights.top], False)

        return and_(~or_(above(one, other), above(other, one)), *alike)

    return condition


def _make(parameters: Apart, layer: LayerDefinition) -> _Check:
    if layer.geometry.dimension != 2:
        raise ValueError("only areas overlap")
    if parameters.fields() and parameters.layers != (layer.name,):
        raise ValueError("heights and same are compared within the layer only")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(
        zh="不同图层或同层图形互不压盖（可含高程）",
        en="areas that keep apart, in plan or in height",
    ),
    Apart,
    _make,
)
