"""Two lines between the same two points, also where one runs the other way."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from etl.check_kind import CheckKind, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from etl.network import NetworkParameters, network_of
from layers.definition import Bilingual, LayerDefinition


class SameEnds(NetworkParameters):
    """Lines that differ in one of the fields ``within`` may have the same ends."""

    within: tuple[str, ...] = ()

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return self.within


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: SameEnds

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        within = self.parameters.within
        lines = network_of(view, self.parameters, line_fields=within).lines
        if lines.empty:
            return []
        start, end = lines["start"].astype(str), lines["end"].astype(str)
        turned = (start > end).to_numpy()
        pair = pd.DataFrame(
            {
                "low": np.where(turned, end, start),
                "high": np.where(turned, start, end),
                **{name: lines[name].fillna("") for name in within},
            }
        )
        again = pair.duplicated(keep=False) & (lines["row"] >= 0)
        return [
            Finding(int(row), f"another line runs between {one} and {other}")
            for row, one, other in zip(
                lines["row"][again], lines["start"][again], lines["end"][again], strict=True
            )
        ]


def _make(parameters: SameEnds, layer: LayerDefinition) -> _Check:
    if layer.name != parameters.lines.layer:
        raise ValueError(f"lines with the same ends are of the layer {parameters.lines.layer}")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="无重复或反向重复管段", en="two lines between the same two points"),
    SameEnds,
    _make,
)
