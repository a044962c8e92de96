"""Text of one of several forms; for forms that are warned of rather than refused."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows, as_mask
from layers.definition import Bilingual, LayerDefinition


class Pattern(Parameters):
    """``field`` matches, as a whole, one of some regular expressions (RE2 syntax)."""

    field: str
    any_of: tuple[str, ...] = Field(min_length=1)
    #: What the form is, for messages.
    form: str = Field(min_length=1)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        return (self.field,)

    @field_validator("any_of")
    @classmethod
    def _compile(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
                pc.match_substring_regex(pa.array([""]), pattern)
            except (re.error, pa.ArrowInvalid) as error:
                raise ValueError(f"'{pattern}' is not a regular expression: {error}") from error
        return value


@dataclass(frozen=True)
class _Check:
    parameters: Pattern

    def breaches(self, rows: CheckRows) -> Breach:
        field = self.parameters.field
        texts = rows.text(field)
        fits = np.zeros(rows.count, dtype=bool)
        for pattern in self.parameters.any_of:
            fits |= as_mask(pc.match_substring_regex(texts, f"^(?:{pattern})$"))

        def describe(row: int) -> str:
            return f"{field} = '{rows.shown(field, row)}' is not {self.parameters.form}"

        return Breach(rows.filled(field) & ~fits, describe)


def _make(parameters: Pattern, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(Bilingual(zh="文本格式", en="text of one of several forms"), Pattern, _make)
