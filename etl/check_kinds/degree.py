"""Points of a network have as many lines as their kind says: a tee three, a cross four."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from etl.check_kind import CheckKind, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from etl.network import (
    NetworkParameters,
    missing_part,
    network_of,
    one_of_both,
    point_findings,
)
from layers.definition import Bilingual, LayerDefinition


class Degree(NetworkParameters):
    """``degrees``: value of the point's field ``by`` to its number of lines."""

    by: str
    degrees: dict[str, int] = Field(min_length=1)

    def other_fields(self) -> list[tuple[str, str]]:
        """Return layer and field of what is named there."""
        return [*super().other_fields(), (self.points.layer, self.by)]


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: Degree

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        asked = self.parameters
        missing = missing_part(view, asked)
        if missing is not None:
            return [missing]
        network = network_of(view, asked, point_fields=(asked.by,))
        ends = network.ends()
        counts = ends["point"].value_counts()
        wanted = network.points[asked.by].map(asked.degrees).dropna().astype(int)
        has = counts.reindex(wanted.index).fillna(0).astype(int)
        wrong = wanted[(has != wanted) & (has > 0)].index
        kinds, numbers = network.points[asked.by].to_dict(), has.to_dict()
        said: dict[Any, str] = {
            point: (
                f"the point {point} is a {kinds[point]} with {numbers[point]} lines; "
                f"it should have {asked.degrees[kinds[point]]}"
            )
            for point in wrong.tolist()
        }
        return point_findings(view, asked, ends, network.points, said)


def _make(parameters: Degree, layer: LayerDefinition) -> _Check:
    one_of_both(parameters, layer)
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="点的连接数与特征相符", en="points with as many lines as their kind says"),
    Degree,
    _make,
)
