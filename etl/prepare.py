"""From a batch of the source to good rows in the layer's form and bad rows with their reasons."""

import math
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from etl.checks import check_columns
from etl.columns import Column, build_columns, column_of
from etl.convert import to_float
from etl.duplicates import DuplicateKeys
from etl.faults import Fault, Mask, rows_of, told_by_format
from etl.mapping import ColumnPlan
from etl.mapping import Heights as HeightRule
from etl.reader import SourceBatch
from etl.shapes import Heights, ShapeMaker, Shapes
from gis.geometry import ellipsoidal_area, geodesic_length
from layers.code_list import CodeList
from layers.definition import LayerDefinition
from layers.store import BadRow


@dataclass(frozen=True)
class PreparedBatch:
    """A batch after all checks."""

    #: ``source_row``, the fields, and ``geometry`` (WKB, EPSG:4490), as the store stages them.
    good: pa.Table
    bad: list[BadRow]
    #: Broken rule to the rows (number in the file, message) that broke it.
    broken: dict[str, list[tuple[int, str]]]
    rows: int
    #: Rows (number in the file, reason) whose geometry was repaired.
    repaired: list[tuple[int, str]]
    without_height: int
    flattened: int


class Preparer:
    """Prepares the batches of one source, in their order."""

    def __init__(
        self,
        layer: LayerDefinition,
        plans: list[ColumnPlan],
        shape_maker: ShapeMaker,
        codes: ReadOnly[str, CodeList],
        heights: HeightRule | None,
    ) -> None:
        self._layer = layer
        self._plans = plans
        self._shape_maker = shape_maker
        self._codes = codes
        self._heights = heights
        self._keys = DuplicateKeys(layer.key)

    def prepare(self, batch: SourceBatch) -> PreparedBatch:
        """Prepare one batch.

        Raises:
            LoadRefused: If the batch shows that the file as a whole is misunderstood (CRS,
                encoding).
        """
        count = batch.attributes.num_rows
        numbers = np.arange(batch.first_row, batch.first_row + count, dtype=np.int64)
        shapes = self._shape_maker.make(batch.wkb, self._read_heights(batch))
        columns = build_columns(self._plans, batch, lambda what: _measure(what, shapes))
        faults = told_by_format(batch.problems, count) + shapes.faults
        faults += check_columns(self._layer, columns, self._codes, count)
        good = ~rows_of(faults, count)
        repeated = self._keys.check(columns, numbers, good)
        good &= ~rows_of(repeated, count)
        faults += repeated
        return PreparedBatch(
            good=self._good_rows(numbers, columns, shapes, good),
            bad=_bad_rows(numbers, columns, shapes, faults, good),
            broken=_broken(numbers, faults),
            rows=count,
            repaired=[
                (int(numbers[row]), shapes.reasons[row])
                for row in np.flatnonzero(shapes.repaired & good).tolist()
            ],
            without_height=shapes.without_height,
            flattened=shapes.flattened,
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
    return np.where(unknown, np.nan, heights * rule.scale)


def _measure(what: str, shapes: Shapes) -> NDArray[np.float64]:
    function = ellipsoidal_area if what == "area" else geodesic_length
    present = np.asarray(shapes.geometries != np.array(None), dtype=bool)
    values = np.full(len(present), np.nan)
    values[present] = function(shapes.geometries[present])
    return values


def _broken(numbers: NDArray[np.int64], faults: list[Fault]) -> dict[str, list[tuple[int, str]]]:
    return {
        fault.rule: [
            (int(numbers[row]), fault.describe(int(row))) for row in np.flatnonzero(fault.rows)
        ]
        for fault in faults
        if fault.rows.any()
    }


def _bad_rows(
    numbers: NDArray[np.int64],
    columns: list[Column],
    shapes: Shapes,
    faults: list[Fault],
    good: Mask,
) -> list[BadRow]:
    """Write down every bad row once: the first rule it breaks, and all that is wrong with it."""
    by_row: dict[int, list[Fault]] = {}
    for fault in faults:
        for row in np.flatnonzero(fault.rows).tolist():
            by_row.setdefault(row, []).append(fault)
    return [
        BadRow(
            source_row=int(numbers[row]),
            values=_values(columns, row, {fault.rule for fault in by_row[row]}),
            rule=by_row[row][0].rule,
            message="; ".join(fault.describe(row) for fault in by_row[row]),
            geometry_wkb=_wkb(shapes, row),
        )
        for row in np.flatnonzero(~good).tolist()
    ]


def _values(columns: list[Column], row: int, rules: set[str]) -> dict[str, object]:
    """Return the row's fields; a value that breaks a rule of its own keeps its source's form.

    Such a value stands under ``FIELD (as delivered)``, so that nobody takes it for a good one.
    """
    values: dict[str, object] = {}
    for column in columns:
        name = column.field.name
        if any(rule.startswith(f"{name}: ") for rule in rules):
            values[f"{name} (as delivered)"] = _plain(column.source[row].as_py())
        else:
            values[name] = _plain(column.values[row].as_py())
    return values


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _wkb(shapes: Shapes, row: int) -> bytes | None:
    shape = shapes.geometries[row]
    return None if shape is None else bytes(shapely.to_wkb(shape))
