"""Coordinates are delivered with the decimals of a survey, not rounded for display."""

from collections.abc import Iterable

import numpy as np
from pydantic import Field

from etl.check_kind import CheckKind, Parameters
from etl.check_rows import CheckRows
from etl.check_survey import Finding, SurveyView
from etl.faults import Mask
from layers.definition import Bilingual, LayerDefinition

#: Coordinates that are looked at.
_SAMPLE = 20_000
#: Of unrounded numbers nine tenths have a last decimal other than zero.
_EXPECTED = 0.5


class CoordinateDecimals(Parameters):
    """Decimals of metres (or feet) and of degrees."""

    projected: int = Field(default=3, ge=1, le=6)
    degrees: int = Field(default=9, ge=1, le=11)


class _Check:
    def __init__(self, parameters: CoordinateDecimals) -> None:
        self._parameters = parameters
        self._looked_at = 0
        self._precise = 0
        self._decimals = 0

    def begin(self, view: SurveyView) -> None:
        """Nothing is needed before the rows."""

    def look(self, rows: CheckRows) -> None:
        """Nothing is needed out of order."""

    def watch(self, rows: CheckRows, good: Mask) -> None:
        """Look at some coordinates of a batch, as they were delivered."""
        if rows.delivered is None or self._looked_at >= _SAMPLE:
            return
        asked = self._parameters
        self._decimals = asked.projected if rows.delivered.projected else asked.degrees
        values = rows.delivered.coordinates().ravel()
        values = values[np.isfinite(values)]
        tens = values * 10.0 ** (self._decimals - 1)
        self._looked_at += len(values)
        self._precise += int((np.abs(tens - np.rint(tens)) > 1e-3).sum())

    def findings(self, view: SurveyView) -> Iterable[Finding]:
        """Return whether most coordinates are rounded."""
        if self._looked_at and self._precise < _EXPECTED * self._looked_at:
            share = 1 - self._precise / self._looked_at
            yield Finding(
                None,
                f"{share:.0%} of the coordinates have fewer than {self._decimals} decimals: "
                "they seem to be rounded",
            )


def _make(parameters: CoordinateDecimals, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="坐标小数位数", en="coordinates with the decimals of a survey"),
    CoordinateDecimals,
    _make,
)
