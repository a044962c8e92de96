"""Downstream a pipe is not smaller than the one that flows into it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from etl.check_kind import CheckKind, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from etl.network import NetworkParameters, network_of
from layers.definition import Bilingual, LayerDefinition


class NotNarrower(NetworkParameters):
    """``value`` of a line is at least the largest of the lines that flow into its upper end."""

    value: str
    direction: str
    #: Values of ``direction``: from start to end, and the other way.
    forward: str = "0"
    backward: str = "1"
    #: The field with the class of a line, and the classes that are meant.
    by: str
    classes: tuple[str, ...] = Field(min_length=1)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.value, self.direction, self.by)


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: NotNarrower

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        asked = self.parameters
        lines = network_of(view, asked, line_fields=asked.fields()).lines
        way = lines[asked.direction]
        lines = lines[
            way.isin([asked.forward, asked.backward])
            & lines[asked.by].isin(asked.classes)
            & lines[asked.value].notna()
        ]
        back = (lines[asked.direction] == asked.backward).to_numpy()
        value = lines[asked.value].astype(float)
        upper = np.where(back, lines["end"], lines["start"])
        lower = np.where(back, lines["start"], lines["end"])
        arriving = value.groupby(lower).max()
        before = arriving.reindex(upper).to_numpy()
        mine = lines["row"].to_numpy()
        wrong = (before > value.to_numpy()) & (mine >= 0)
        return [
            Finding(
                int(row),
                f"{asked.value} = {own:g} flows on from {from_:g} at the point {point}",
            )
            for row, own, from_, point in zip(
                mine[wrong], value.to_numpy()[wrong], before[wrong], upper[wrong], strict=True
            )
        ]


def _make(parameters: NotNarrower, layer: LayerDefinition) -> _Check:
    if layer.name != parameters.lines.layer:
        raise ValueError(f"lines are of the layer {parameters.lines.layer}")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="下游管径不小于上游", en="a pipe that is not smaller than the one before it"),
    NotNarrower,
    _make,
)
