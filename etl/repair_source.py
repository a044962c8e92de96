"""Refused rows as a source: what they came with, and what was mended since."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from etl.reader import RowProblem, SourceBatch, SourceInfo
from etl.refused import AS_DELIVERED, SOURCE_GEOMETRY
from layers.quarantine import SOURCE_COLUMN, RefusedRow

#: Rules that are checked again from a row's columns and geometry, beside those of the layer.
_SEEN_AGAIN = ("geometry_",)


@dataclass(frozen=True)
class RepairBatch(SourceBatch):
    """Refused rows, all of which have the source's own columns or none of which have."""

    #: Whether the columns are the source's own; otherwise they are fields of the layer.
    mapped: bool = True
    #: Values by field of the layer, by the row's place in the batch.
    fixes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


class RepairSource:
    """Reads refused rows of one load; see :class:`etl.reader.Source`."""

    def __init__(
        self,
        rows: Sequence[RefusedRow],
        key: Sequence[str],
        checked: frozenset[str],
        batch_rows: int,
    ) -> None:
        """Make the source.

        Args:
            rows: The rows.
            key: The fields of the layer's business key.
            checked: Names of the rules that the layer itself checks.
            batch_rows: How many rows are given at once.
        """
        self._rows = rows
        self._key = frozenset(key)
        self._checked = checked
        self._batch_rows = batch_rows
        columns = {name: None for row in rows if row.is_mapped for name in _columns(row)}
        self.info = SourceInfo(
            format="repair",
            layer="",
            crs=None,
            columns=tuple(columns),
            features=len(rows),
        )

    def batches(self) -> Iterator[RepairBatch]:
        """Give all rows once."""
        for mapped in (True, False):
            alike = [row for row in self._rows if row.is_mapped == mapped]
            for start in range(0, len(alike), self._batch_rows):
                yield self._batch(alike[start : start + self._batch_rows], mapped=mapped)

    def _batch(self, rows: list[RefusedRow], *, mapped: bool) -> RepairBatch:
        records = [_columns(row) if mapped else _understood(row) for row in rows]
        names = self.info.columns if mapped else tuple({n: None for r in records for n in r})
        arrays = [_array([record.get(name) for record in records]) for name in names]
        marks = pa.array(np.zeros(len(rows), dtype=np.int8))
        attributes = pa.table([*arrays, marks], names=[*names, ""]).drop_columns([""])
        if not names:
            attributes = pa.table({"": marks})
        problems: dict[int, RowProblem] = {}
        for place, row in enumerate(rows):
            problem = self._still_wrong(row)
            if problem is not None:
                problems[place] = problem
        return RepairBatch(
            first_row=rows[0].source_row,
            attributes=attributes,
            wkb=pa.array([row.wkb for row in rows], pa.binary()),
            problems=problems,
            numbers=np.array([row.source_row for row in rows], dtype=np.int64),
            mapped=mapped,
            fixes={place: fixes for place, row in enumerate(rows) if (fixes := _field_fixes(row))},
        )

    def _still_wrong(self, row: RefusedRow) -> RowProblem | None:
        """Return a fault that cannot be seen in the row as it is kept, unless it was mended."""
        for rule, message in row.rules:
            if rule == "duplicate_key":
                touched = any(
                    name in self._key or name.startswith(SOURCE_COLUMN) for name in row.fixed
                )
                if not touched:
                    return RowProblem(rule, message)
            elif rule.startswith(_SEEN_AGAIN):
                if row.wkb is None:
                    return RowProblem(rule, message)
            elif ": " not in rule and rule not in self._checked:
                # What the format found: in the file, which is not at hand.
                if not row.fixed and not row.geometry_is_fixed:
                    return RowProblem(rule, message)
        return None


def _columns(row: RefusedRow) -> dict[str, Any]:
    """Return a row's own columns, as mended."""
    columns = {
        name: value for name, value in (row.original or {}).items() if name != SOURCE_GEOMETRY
    }
    for name, value in row.fixed.items():
        if name.startswith(SOURCE_COLUMN):
            columns[name.removeprefix(SOURCE_COLUMN)] = value
    return columns


def _understood(row: RefusedRow) -> dict[str, Any]:
    """Return the layer's fields of a row, in their source's form where they broke a rule."""
    return {name.removesuffix(AS_DELIVERED): value for name, value in row.values.items()}


def _field_fixes(row: RefusedRow) -> dict[str, Any]:
    return {name: value for name, value in row.fixed.items() if not name.startswith(SOURCE_COLUMN)}


def _array(values: list[Any]) -> pa.Array:
    """Return values as JSON keeps them as a column; of several types, as text."""
    try:
        column = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        column = pa.array([None if value is None else str(value) for value in values])
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column
