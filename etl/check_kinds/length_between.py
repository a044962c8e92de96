"""Lines neither too short nor too long, in metres along the ellipsoid."""

from dataclasses import dataclass

from pydantic import Field

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition


class LengthBetween(Parameters):
    """The bounds, metres."""

    min: float = Field(default=0.0, ge=0)
    max: float = Field(default=float("inf"), gt=0)


@dataclass(frozen=True)
class _Check:
    parameters: LengthBetween

    def breaches(self, rows: CheckRows) -> Breach:
        low, high = self.parameters.min, self.parameters.max
        short, long = rows.length < low, rows.length > high

        def describe(row: int) -> str:
            limit = f"the least is {low:g} m" if short[row] else f"the most is {high:g} m"
            return f"the length is {rows.length[row]:.3f} m; {limit}"

        return Breach(short | long, describe)


def _make(parameters: LengthBetween, layer: LayerDefinition) -> _Check:
    if layer.geometry.dimension == 0:
        raise ValueError("points have no length")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="长度范围", en="lines neither too short nor too long"), LengthBetween, _make
)
