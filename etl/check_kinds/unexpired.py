"""A validity that reaches the survey's date: an expired licence is no right any more."""

from dataclasses import dataclass

import numpy as np

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, FieldType, LayerDefinition


class Unexpired(Parameters):
    """The field with the last day or moment."""

    until: str

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.until,)


@dataclass(frozen=True)
class _Check:
    parameters: Unexpired

    def breaches(self, rows: CheckRows) -> Breach:
        until = self.parameters.until
        survey = np.floor((rows.valid_from.timestamp() + 8 * 3600) / 86_400)
        broken = rows.quantity(until) < survey

        def describe(row: int) -> str:
            return (
                f"{until} = {rows.shown(until, row)} lies before the survey's date "
                f"{rows.valid_from.date()}"
            )

        return Breach(broken, describe)


def _make(parameters: Unexpired, layer: LayerDefinition) -> _Check:
    if layer.field(parameters.until).type not in (FieldType.DATE, FieldType.DATETIME):
        raise ValueError(f"the field '{parameters.until}' is not a date")
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="有效期未过", en="a validity that reaches the survey's date"), Unexpired, _make
)
