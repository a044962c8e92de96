"""A grade that follows from measured values: the worse of several criteria counts."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from etl.check_kind import Breach, CheckKind, Parameters
from etl.check_rows import CheckRows
from layers.definition import Bilingual, LayerDefinition


class Criterion(Parameters):
    """What one measured value makes of the grade."""

    value: str
    #: From which value on each grade but the last holds, in the order of ``grades``.
    limits: tuple[float, ...] = Field(min_length=1)
    #: Values of the field ``by`` for which the criterion is meant; empty means all.
    cases: tuple[str, ...] = ()


class Graded(Parameters):
    """``field`` has the grade that the criteria give; rows without any value are passed over."""

    field: str
    #: From the gravest to the lightest.
    grades: tuple[str, ...] = Field(min_length=2)
    by: str | None = None
    criteria: tuple[Criterion, ...] = Field(min_length=1)

    def fields(self) -> tuple[str, ...]:
        """Return the fields named."""
        by = (self.by,) if self.by else ()
        return (self.field, *by, *(criterion.value for criterion in self.criteria))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for criterion in self.criteria:
            if len(criterion.limits) != len(self.grades) - 1:
                raise ValueError(f"{len(self.grades)} grades have {len(self.grades) - 1} limits")
            if list(criterion.limits) != sorted(criterion.limits, reverse=True):
                raise ValueError("limits go from the largest to the smallest")
            if criterion.cases and self.by is None:
                raise ValueError("cases need the field 'by'")
        return self


@dataclass(frozen=True)
class _Check:
    parameters: Graded

    def breaches(self, rows: CheckRows) -> Breach:
        grades, field = self.parameters.grades, self.parameters.field
        last = len(grades)
        grave = np.full(rows.count, last)
        for criterion in self.parameters.criteria:
            place = self._grade(criterion, rows)
            grave = np.minimum(grave, place)
        order = {grade: place for place, grade in enumerate(grades)}
        texts = rows.texts(field)
        given = np.array([order.get(str(text), -1) for text in texts], dtype=int)
        broken = rows.filled(field) & (grave < last) & (given != grave)

        def describe(row: int) -> str:
            values = ", ".join(
                f"{name} = {rows.shown(name, row)}"
                for name in dict.fromkeys(entry.value for entry in self.parameters.criteria)
            )
            return f"{field} = {texts[row]}, but {values} make it {grades[grave[row]]}"

        return Breach(broken, describe)

    def _grade(
        self, criterion: Criterion, rows: CheckRows
    ) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        values = rows.quantity(criterion.value)
        known = np.isfinite(values)
        if criterion.cases and self.parameters.by is not None:
            known &= np.isin(rows.texts(self.parameters.by).astype(str), criterion.cases)
        rising = np.array(criterion.limits[::-1])
        place = len(rising) - np.searchsorted(rising, np.where(known, values, 0.0), side="right")
        return np.where(known, place, len(self.parameters.grades)).astype(np.int64)


def _make(parameters: Graded, layer: LayerDefinition) -> _Check:
    return _Check(parameters)


KIND = CheckKind(
    Bilingual(zh="等级与指标相符（就高）", en="a grade that follows from measured values"),
    Graded,
    _make,
)
