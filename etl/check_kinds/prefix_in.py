"""The beginning of a code is one of a list: the county of a unit code."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows, as_mask
from layers.definition import Bilingual, LayerDefinition


class PrefixIn(Parameters):
    """The first ``length`` characters of ``field`` are one of ``values``."""

    field: str
    length: int = Field(ge=1)
    values: tuple[str, ...] = Field(min_length=1)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.field,)


@dataclass(frozen=True)
class _Check:
    parameters: PrefixIn

    def breaches(self, rows: CheckRows) -> Breach:
        field, length = self.parameters.field, self.parameters.length
        texts = rows.text(field)
        starts = pc.utf8_slice_codeunits(texts, 0, length)
        known = as_mask(pc.is_in(starts, pa.array(self.parameters.values, pa.string())))

        def describe(row: int) -> str:
            return (
                f"{field} = '{rows.shown(field, row)}' does not begin with one of "
                f"{', '.join(self.parameters.values)}"
            )

        return Breach(np.asarray(rows.filled(field) & ~known), describe)


def _make(parameters: PrefixIn, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="编码前缀在给定范围内", en="the beginning of a code is one of a list"),
    PrefixIn,
    _make,
)
