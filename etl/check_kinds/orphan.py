"""Points of a network that no line ends at."""

from collections.abc import Iterable
from dataclasses import dataclass

from etl.check_kind import CheckKind, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from etl.network import NetworkParameters, missing_part, network_of
from layers.definition import Bilingual, LayerDefinition


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: NetworkParameters

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        missing = missing_part(view, self.parameters)
        if missing is not None:
            return [missing]
        network = network_of(view, self.parameters)
        alone = network.points[~network.points.index.isin(network.ends()["point"])]
        return [
            Finding(int(row), f"no line begins or ends at the point {point}")
            for point, row in alone["row"].items()
            if row >= 0
        ]


def _make(parameters: NetworkParameters, layer: LayerDefinition) -> _Check:
    if layer.name != parameters.points.layer:
        raise ValueError(f"orphans are points, of the layer {parameters.points.layer}")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="无孤立点", en="points that no line ends at"), NetworkParameters, _make
)
