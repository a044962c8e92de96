"""Fields that may be filled only for some codes: a voltage is for power lines."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows, as_mask
from layers.code_list import CodeList
from layers.definition import Bilingual, LayerDefinition


class OnlyFor(Parameters):
    """``field`` may be filled only where ``by`` is one of ``codes`` or stands below one."""

    field: str
    by: str
    codes: tuple[str, ...] = Field(min_length=1)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.field, self.by)


@dataclass(frozen=True)
class _Check:
    parameters: OnlyFor
    #: The code list of ``by``, where it has one.
    code_list: str | None

    def breaches(self, rows: CheckRows) -> Breach:
        field, by = self.parameters.field, self.parameters.by
        allowed = set(self.parameters.codes)
        if self.code_list is not None:
            allowed |= _below(allowed, rows.codes[self.code_list])
        texts = rows.text(by)
        fits = as_mask(pc.is_in(texts, pa.array(sorted(allowed), pa.string())))
        broken = rows.filled(field) & rows.filled(by) & ~fits
        # A number of zero is how many programs write "none".
        if pa.types.is_floating(rows.values(field).type) or pa.types.is_integer(
            rows.values(field).type
        ):
            broken &= np.nan_to_num(rows.quantity(field)) != 0

        def describe(row: int) -> str:
            return (
                f"{field} = {rows.shown(field, row)} is for {by} {', '.join(self.parameters.codes)}"
                f" only, not for {rows.shown(by, row)}"
            )

        return Breach(broken, describe)


def _below(codes: set[str], known: CodeList) -> set[str]:
    found = set(codes)
    while True:
        more = {code for code, entry in known.codes.items() if entry.parent in found} - found
        if not more:
            return found
        found |= more


def _make(parameters: OnlyFor, layer: LayerDefinition) -> _Check:
    return _Check(parameters, layer.field(parameters.by).codes)


KIND = CheckKind(
    Bilingual(zh="仅某些类别可填", en="a field that is for some codes only"), OnlyFor, _make
)
