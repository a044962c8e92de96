"""From a batch of the source to good rows in the layer's form and bad rows with their reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from etl.check_rows import CheckRows
from etl.checks import check_columns
from etl.columns import Column, Measure, build_columns, column_of
from etl.convert import to_float
from etl.duplicates import DuplicateKeys
from etl.editions import settle
from etl.faults import Fault, Mask, rows_of, told_by_format
from etl.layer_checks import LayerChecks
from etl.mapping import Heights as HeightRule
from etl.measures import measure
from etl.plan import ColumnPlan
from etl.reader import SourceBatch
from etl.refused import bad_rows
from etl.shapes import Heights, ShapeMaker, Shapes
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.store import BadRow

#: Warnings that are put into words for each rule of a batch; the others are counted.
_SHOWN = 100


@dataclass(frozen=True)
class PreparedBatch:
    """A batch after all checks."""

    #: ``source_row``, the fields, and ``geometry`` (WKB, EPSG:4490), as the store stages them.
    good: pa.Table
    bad: list[BadRow]
    #: Broken rule to the rows (number in the file, message) that broke it.
    broken: dict[str, list[tuple[int, str]]]
    #: The same of rules that only warn, for good rows: how many, and the first of them.
    warned: dict[str, tuple[int, list[tuple[int, str]]]]
    rows: int
    #: Rows (number in the file, reason) whose geometry was repaired.
    repaired: list[tuple[int, str]]
    without_height: int
    flattened: int
    #: The file of the source that the rows come from, where there are several.
    part: str | None = None
    last_row: int = 0
    #: What a person should know of the whole survey.
    notes: Sequence[str] = ()


class Preparer:
    """Prepares the batches of one source, in their order."""

    def __init__(
        self,
        layer: LayerDefinition,
        plans: list[ColumnPlan],
        shape_maker: ShapeMaker,
        catalogue: Catalogue,
        heights: HeightRule | None,
        checks: LayerChecks,
        valid_from: datetime,
    ) -> None:
        self._layer = layer
        self._plans = plans
        self._shape_maker = shape_maker
        self._catalogue = catalogue
        self._codes = catalogue.codes
        self._settled = False
        self._heights = heights
        self._checks = checks
        self._valid_from = valid_from
        self._keys = DuplicateKeys(layer.key)

    def prepare(self, batch: SourceBatch) -> PreparedBatch:
        """Prepare one batch.

        Raises:
            LoadRefused: If the batch shows that the file as a whole is misunderstood (CRS,
                encoding).
        """
        count = batch.attributes.num_rows
        numbers = batch.row_numbers
        notes = self._settle(batch)
        shapes = self._shape_maker.make(batch.wkb, self._read_heights(batch))
        columns = self._columns(batch, lambda what: measure(what, shapes.geometries))
        faults = told_by_format(batch.problems, count) + shapes.faults
        faults += [fault for column in columns for fault in column.faults]
        faults += check_columns(self._layer, columns, self._codes, count)
        rows = self._check_rows(numbers, columns, shapes)
        errors, warnings = self._checks.check_rows(rows)
        faults += errors
        good = ~rows_of(faults, count)
        repeated = self._keys.check(columns, numbers, good)
        good &= ~rows_of(repeated, count)
        faults += repeated
        self._checks.watch(rows, good)
        return PreparedBatch(
            good=self._good_rows(numbers, columns, shapes, good),
            bad=self._bad_rows(batch, columns, faults, good),
            broken=_broken(numbers, faults),
            warned=_warned(numbers, warnings, good),
            rows=count,
            repaired=[
                (int(numbers[row]), shapes.reasons[row])
                for row in np.flatnonzero(shapes.repaired & good).tolist()
            ],
            without_height=shapes.without_height,
            flattened=shapes.flattened,
            part=batch.part,
            last_row=int(numbers[-1]) if count else 0,
            notes=notes,
        )

    def _columns(self, batch: SourceBatch, measures: Measure) -> list[Column]:
        """Fill the layer's fields."""
        return build_columns(self._plans, batch, measures)

    def _settle(self, batch: SourceBatch) -> list[str]:
        """Look at the first rows for codes of other editions; return what to tell."""
        if self._settled or not batch.attributes.num_rows:
            return []
        self._settled = True
        self._plans, notes = settle(self._layer, self._plans, batch, self._catalogue)
        return notes

    def _check_rows(
        self, numbers: NDArray[np.int64], columns: list[Column], shapes: Shapes
    ) -> CheckRows:
        return CheckRows(
            layer=self._layer,
            numbers=numbers,
            columns={column.field.name: column.values for column in columns},
            geometries=shapes.geometries,
            codes=self._codes,
            valid_from=self._valid_from,
        )

    def _good_rows(
        self, numbers: NDArray[np.int64], columns: list[Column], shapes: Shapes, good: Mask
    ) -> pa.Table:
        everything = bool(good.all())
        chosen = pa.array(good)
        arrays = [pa.array(numbers[good])]
        arrays += [
            column.values if everything else column.values.filter(chosen) for column in columns
        ]
        arrays.append(shapes.wkb(good, z=self._layer.geometry.z))
        names = ["source_row", *(column.field.name for column in columns), "geometry"]
        return pa.table(arrays, names=names)

    def _bad_rows(
        self, batch: SourceBatch, columns: list[Column], faults: list[Fault], good: Mask
    ) -> list[BadRow]:
        bad = np.flatnonzero(~good)
        if not len(bad):
            return []
        geometries = self._shape_maker.delivered(batch.wkb, bad)
        return bad_rows(batch, batch.row_numbers, columns, faults, good, geometries)

    def _read_heights(self, batch: SourceBatch) -> Heights | None:
        rule = self._heights
        if rule is None:
            return None
        start = _heights_of(batch, rule.start, rule)
        return Heights(start, start if rule.end is None else _heights_of(batch, rule.end, rule))


def _heights_of(batch: SourceBatch, name: str, rule: HeightRule) -> NDArray[np.float64]:
    numbers, _ = to_float(column_of(batch, name))
    heights: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False).astype(float)
    unknown = np.isin(heights, rule.null)
    return np.where(unknown, np.nan, heights * rule.metres)


def _warned(
    numbers: NDArray[np.int64], warnings: list[Fault], good: Mask
) -> dict[str, tuple[int, list[tuple[int, str]]]]:
    found: dict[str, tuple[int, list[tuple[int, str]]]] = {}
    for fault in warnings:
        rows = np.flatnonzero(fault.rows & good)
        if len(rows):
            shown = [(int(numbers[row]), fault.describe(int(row))) for row in rows[:_SHOWN]]
            found[fault.rule] = (len(rows), shown)
    return found


def _broken(numbers: NDArray[np.int64], faults: list[Fault]) -> dict[str, list[tuple[int, str]]]:
    return {
        fault.rule: [
            (int(numbers[row]), fault.describe(int(row))) for row in np.flatnonzero(fault.rows)
        ]
        for fault in faults
        if fault.rows.any()
    }
