"""Areas of a layer leave no gap: none within a survey, none where one has shrunk."""

from collections.abc import Iterable

from pydantic import Field

from etl.check_kind import CheckKind, Parameters
from etl.check_survey import Finding, SurveyView
from etl.coverage_survey import CoverageCheck
from layers.definition import Bilingual, LayerDefinition


class NoGap(Parameters):
    """Gaps whose mean width is at most ``tolerance`` metres are none."""

    tolerance: float = Field(default=0.001, gt=0, le=1)


class _Check(CoverageCheck):
    def findings(self, view: SurveyView) -> Iterable[Finding]:
        return self.conflicts(view).gap_findings()


def _make(parameters: NoGap, layer: LayerDefinition) -> _Check:
    if layer.geometry.dimension != 2:
        raise ValueError("only areas have gaps")
    return _Check(parameters.tolerance)


KIND = CheckKind(
    Bilingual(zh="图斑间无缝隙", en="areas that leave no gap between them"), NoGap, _make
)
