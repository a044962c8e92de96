"""Ground is elevation plus depth, and a point has one ground whichever line says so."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field

from etl.check_kind import CheckKind, Parameters, SurveyCheckBase
from etl.check_survey import Finding, SurveyView
from etl.network import Network, NetworkParameters, network_of
from layers.definition import Bilingual, LayerDefinition


class End(Parameters):
    """Fields of one end of a line."""

    elevation: str
    depth: str


class GroundAgrees(NetworkParameters):
    """Elevation and depth at both ends, the point's ground, and what they may differ, metres."""

    start: End
    end: End
    ground: str
    tolerance: float = Field(default=0.01, gt=0)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.start.elevation, self.start.depth, self.end.elevation, self.end.depth)

    def other_fields(self) -> list[tuple[str, str]]:
        """Return layer and field of what is named there."""
        return [*super().other_fields(), (self.points.layer, self.ground)]


@dataclass(frozen=True)
class _Check(SurveyCheckBase):
    parameters: GroundAgrees

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        asked = self.parameters
        network = network_of(view, asked, line_fields=asked.fields(), point_fields=(asked.ground,))
        ends = self._ends(network)
        known = network.points[asked.ground].astype(float)
        ends["ground"] = ends["point"].map(known).astype(float)
        # A point without a ground of its own has that of its first line.
        first = ends.groupby("point")["said"].transform("first")
        ends["from"] = np.where(ends["ground"].isna(), "another line there", "the point")
        ends["ground"] = ends["ground"].fillna(first)
        apart = (ends["said"] - ends["ground"]).abs() > asked.tolerance + 1e-9
        told = ends[apart & (ends["row"] >= 0)]
        columns = [told[name].tolist() for name in ("row", "point", "said", "from", "ground")]
        return [
            Finding(
                row,
                f"at {point} elevation and depth make the ground {said:.3f} m, "
                f"but {source} has {ground:.3f} m",
            )
            for row, point, said, source, ground in zip(*columns, strict=True)
        ]

    def _ends(self, network: Network) -> pd.DataFrame:
        asked, lines = self.parameters, network.lines
        said = [
            lines[end.elevation].astype(float) + lines[end.depth].astype(float)
            for end in (asked.start, asked.end)
        ]
        ends = network.ends()
        ends["said"] = pd.concat(said, ignore_index=True)
        return ends.dropna(subset=["said"])


def _make(parameters: GroundAgrees, layer: LayerDefinition) -> _Check:
    if layer.name != parameters.lines.layer:
        raise ValueError(f"depths are those of the layer {parameters.lines.layer}")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="地面高程=管线高程+埋深，同点一致", en="ground that is elevation plus depth"),
    GroundAgrees,
    _make,
)
