"""A gravity pipe falls along its flow."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition


class Falls(Parameters):
    """Elevation at both ends, and the field that says from which end it flows."""

    start: str
    end: str
    direction: str
    #: Values of ``direction``: from start to end, and the other way.
    forward: str = "0"
    backward: str = "1"
    #: What a pipe may rise, metres: the accuracy of the survey.
    tolerance: float = Field(default=0.0, ge=0)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.start, self.end, self.direction)


@dataclass(frozen=True)
class _Check:
    parameters: Falls

    def breaches(self, rows: CheckRows) -> Breach:
        asked = self.parameters
        drop = rows.quantity(asked.start) - rows.quantity(asked.end)
        way = rows.texts(asked.direction)
        flow = np.where(way == asked.forward, 1.0, np.where(way == asked.backward, -1.0, np.nan))
        broken = drop * flow < -asked.tolerance - 1e-9

        def describe(row: int) -> str:
            return (
                f"it rises {-drop[row] * flow[row]:.3f} m along its flow: "
                f"{asked.start} = {rows.shown(asked.start, row)}, "
                f"{asked.end} = {rows.shown(asked.end, row)}, "
                f"{asked.direction} = {rows.shown(asked.direction, row)}"
            )

        return Breach(broken, describe)


def _make(parameters: Falls, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="管底沿流向下降", en="a pipe that falls along its flow"), Falls, _make
)
