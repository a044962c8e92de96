"""A property of lines that changes only at points of some kinds: a diameter at a reducer."""

from collections.abc import Iterable
from dataclasses import dataclass

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


class ChangesOnlyAt(NetworkParameters):
    """``value`` of the lines at a point is one, but where a field of the point allows more."""

    value: str
    #: Field of the point to the values that allow a change; an empty list is any value.
    allowed: dict[str, tuple[str, ...]] = Field(min_length=1)

    def other_fields(self) -> list[tuple[str, str]]:
        """Return layer and field of what is named there."""
        points = [(self.points.layer, name) for name in self.allowed]
        return [*super().other_fields(), (self.lines.layer, self.value), *points]


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: ChangesOnlyAt

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        asked = self.parameters
        missing = missing_part(view, asked)
        if missing is not None:
            return [missing]
        network = network_of(view, asked, (asked.value,), tuple(asked.allowed))
        points = network.points
        ends = network.ends()
        ends["value"] = network.lines[asked.value].to_numpy()[ends["line"].to_numpy()]
        ends = ends.dropna(subset=["value"])
        ends = ends[ends["point"].isin(points.index)]
        kinds = ends.groupby("point")["value"].nunique()
        changing = kinds.index[kinds > 1]
        said = {}
        for point in changing:
            if any(self._allows(points.at[point, name], name) for name in asked.allowed):
                continue
            values = sorted(set(ends.loc[ends["point"] == point, "value"]))
            listed = " and ".join(
                f"{value:g}" if isinstance(value, float) else str(value) for value in values
            )
            said[point] = f"{asked.value} changes at the point {point}, which allows none: {listed}"
        return point_findings(view, asked, ends, points, said)

    def _allows(self, value: object, name: str) -> bool:
        allowed = self.parameters.allowed[name]
        return isinstance(value, str) and value != "" and (not allowed or value in allowed)


def _make(parameters: ChangesOnlyAt, layer: LayerDefinition) -> _Check:
    one_of_both(parameters, layer)
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="属性仅在特定点变化", en="a property that changes at some kinds of points only"),
    ChangesOnlyAt,
    _make,
)
