"""The area that is written agrees with the area of the geometry on the ellipsoid."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition

#: Square metres of the units that areas are written in.
_UNITS = {"m2": 1.0, "km2": 1e6, "ha": 1e4, "mu": 10_000 / 15}


class AreaAgrees(Parameters):
    """``field`` differs from the computed area by no more than the larger of both tolerances."""

    field: str
    #: Share of the written area, 0 to 1.
    relative: float = Field(default=0.0, ge=0)
    #: m².
    absolute: float = Field(default=0.0, ge=0)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.field,)

    @model_validator(mode="after")
    def _tolerant(self) -> Self:
        if not self.relative and not self.absolute:
            raise ValueError("give relative, absolute or both")
        return self


@dataclass(frozen=True)
class _Check:
    parameters: AreaAgrees
    unit: str

    def breaches(self, rows: CheckRows) -> Breach:
        field, factor = self.parameters.field, _UNITS[self.unit]
        written = rows.quantity(field) * factor
        apart = np.abs(rows.area - written)
        allowed = np.maximum(self.parameters.absolute, self.parameters.relative * np.abs(written))
        # Areas come rounded, to the last digit that is written.
        broken = apart > allowed + 0.005 * min(factor, 1.0)

        def describe(row: int) -> str:
            return (
                f"{field} = {rows.shown(field, row)} {self.unit}, but the geometry has "
                f"{rows.area[row] / factor:.5g} {self.unit} on the ellipsoid: "
                f"{apart[row] / written[row] if written[row] else 1:.2%} apart"
            )

        return Breach(broken, describe)


def _make(parameters: AreaAgrees, layer: LayerDefinition) -> _Check:
    unit = layer.field(parameters.field).unit or "m2"
    if unit not in _UNITS:
        raise ValueError(f"the field '{parameters.field}' is in {unit}, not a unit of area")
    if layer.geometry.dimension != 2:
        raise ValueError("only layers of areas have an area")
    return _Check(parameters, unit)


KIND = CheckKind(
    Bilingual(zh="登记面积与计算面积相符", en="the written area agrees with the geometry"),
    AreaAgrees,
    _make,
)
