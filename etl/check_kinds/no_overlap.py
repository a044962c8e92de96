"""Areas of a layer do not overlap: within a survey, and with what stays of the layer."""

from collections.abc import Iterable

from pydantic import Field

from etl.check_kind import CheckKind, Parameters
from etl.check_survey import Finding, SurveyView
from etl.coverage_survey import CoverageCheck
from layers.definition import Bilingual, LayerDefinition


class NoOverlap(Parameters):
    """Overlaps whose mean width is at most ``tolerance`` metres are none."""

    tolerance: float = Field(default=0.001, gt=0, le=1)


class _Check(CoverageCheck):
    def findings(self, view: SurveyView) -> Iterable[Finding]:
        return self.conflicts(view).overlap_findings()


def _make(parameters: NoOverlap, layer: LayerDefinition) -> _Check:
    if layer.geometry.dimension != 2:
        raise ValueError("only areas have overlaps")
    return _Check(parameters.tolerance)


KIND = CheckKind(Bilingual(zh="图斑不重叠", en="areas that do not overlap"), NoOverlap, _make)
