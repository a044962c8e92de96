"""From a batch of the source to good rows in the layer's form and bad rows with their reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from etl.check_rows import CheckRows, Delivered
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
from layers.geometry_column import GeometryColumn
from layers.store import BadRow

#: Warnings that are put into words for each rule of a batch; the others are counted.
_SHOWN = 100


@dataclass(frozen=True)
class PreparedBatch:
    """A batch after all checks."""

    #: ``source_row`` and the fields of the good rows, as the store stages them.
    good: pa.Table
    #: Their geometries.
    geometry: GeometryColumn
    #: Hashes of their business keys.
    hashes: NDArray[np.uint64]
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


@dataclass(frozen=True)
class ExaminedBatch:
    """A batch after the checks that look at no other batch."""

    batch: SourceBatch
    shapes: Shapes
    columns: list[Column]
    faults: list[Fault]
    warnings: list[Fault]
    rows: CheckRows
    #: Hashes of the business keys.
    hashes: NDArray[np.uint64]


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
        self._notes: Sequence[str] = ()
        self._heights = heights
        self._checks = checks
        self._valid_from = valid_from
        self._keys = DuplicateKeys(layer.key)

    def prepare(self, batch: SourceBatch) -> PreparedBatch:
        """Prepare one batch: ``settle``, ``examine`` and ``finish``."""
        self.settle(batch)
        return self.finish(self.examine(batch))

    def examine(self, batch: SourceBatch) -> ExaminedBatch:
        """Do all that needs no other batch; several may be examined at once.

        Raises:
            LoadRefused: If the batch shows that the file as a whole is misunderstood (CRS,
                encoding).
        """
        count = batch.attributes.num_rows
        shapes = self._shape_maker.make(batch.wkb, self._read_heights(batch))
        columns = self._columns(batch, lambda what: measure(what, shapes.geometries))
        faults = told_by_format(batch.problems, count) + shapes.faults
        faults += [fault for column in columns for fault in column.faults]
        faults += check_columns(self._layer, columns, self._codes, count)
        rows = self._check_rows(batch, columns, shapes)
        errors, warnings = self._checks.check_rows(rows)
        self._checks.look(rows)
        hashes = self._keys.hashes(columns)
        return ExaminedBatch(batch, shapes, columns, faults + errors, warnings, rows, hashes)

    def finish(self, examined: ExaminedBatch) -> PreparedBatch:
        """Do what looks at earlier batches too; batches must come in their order."""
        batch, shapes, columns = examined.batch, examined.shapes, examined.columns
        count = batch.attributes.num_rows
        numbers = batch.row_numbers
        faults = list(examined.faults)
        good = ~rows_of(faults, count)
        repeated = self._keys.check(columns, numbers, good, examined.hashes)
        good &= ~rows_of(repeated, count)
        faults += repeated
        self._checks.watch(examined.rows, good)
        return PreparedBatch(
            good=_good_rows(numbers, columns, good),
            geometry=shapes.column(good),
            hashes=examined.hashes[good],
            bad=self._bad_rows(batch, columns, faults, good),
            broken=_broken(numbers, faults),
            warned=_warned(numbers, examined.warnings, good),
            rows=count,
            repaired=[
                (int(numbers[row]), shapes.reasons[row])
                for row in np.flatnonzero(shapes.repaired & good).tolist()
            ],
            without_height=shapes.without_height,
            flattened=shapes.flattened,
            part=batch.part,
            last_row=int(numbers[-1]) if count else 0,
            notes=self._take_notes(),
        )

    def _columns(self, batch: SourceBatch, measures: Measure) -> list[Column]:
        """Fill the layer's fields."""
        return build_columns(self._plans, batch, measures)

    def _take_notes(self) -> Sequence[str]:
        notes, self._notes = self._notes, ()
        return notes

    def settle(self, batch: SourceBatch) -> None:
        """Decide by the first batch what only values can tell; before it is examined."""
        if self._settled or not batch.attributes.num_rows:
            return
        self._settled = True
        self._plans, self._notes = settle(self._layer, self._plans, batch, self._catalogue)

    def _check_rows(self, batch: SourceBatch, columns: list[Column], shapes: Shapes) -> CheckRows:
        return CheckRows(
            layer=self._layer,
            numbers=batch.row_numbers,
            columns={column.field.name: column.values for column in columns},
            shapes=shapes,
            codes=self._codes,
            valid_from=self._valid_from,
            delivered=Delivered(batch.wkb, self._shape_maker.projected),
        )

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


def _good_rows(numbers: NDArray[np.int64], columns: list[Column], good: Mask) -> pa.Table:
    everything = bool(good.all())
    chosen = pa.array(good)
    arrays = [pa.array(numbers[good])]
    arrays += [column.values if everything else column.values.filter(chosen) for column in columns]
    return pa.table(arrays, names=["source_row", *(column.field.name for column in columns)])


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
