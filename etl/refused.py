"""Refused rows, written down whole: as they came, as they were understood, and every fault."""

import math
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from etl.columns import Column
from etl.faults import Fault, Mask
from etl.reader import SourceBatch
from layers.store import BadRow

#: Stands in ``original`` for the text (WKT) of a geometry whose place on Earth is not known.
SOURCE_GEOMETRY = "(geometry in source coordinates)"
#: Marks in ``values`` a field whose value is still in its source's form.
AS_DELIVERED = " (as delivered)"
_DECIMALS = 9


def bad_rows(
    batch: SourceBatch,
    numbers: NDArray[np.int64],
    columns: list[Column],
    faults: list[Fault],
    good: Mask,
    geometries: Sequence[bytes | None],
) -> list[BadRow]:
    """Write down every bad row once: the first rule it breaks, and all that is wrong with it.

    Args:
        batch: The rows as they came.
        numbers: Their numbers in the source.
        columns: The layer's fields.
        faults: All broken rules.
        good: Which rows break none.
        geometries: WKB (EPSG:4490) of the bad rows, in their order, where they have any.
    """
    bad = np.flatnonzero(~good).tolist()
    by_row: dict[int, list[Fault]] = {row: [] for row in bad}
    for fault in faults:
        for row in np.flatnonzero(fault.rows).tolist():
            if row in by_row:
                by_row[row].append(fault)
    found = []
    for row, geometry, original in zip(bad, geometries, originals(batch, bad), strict=True):
        told = tuple((fault.rule, fault.describe(row)) for fault in by_row[row])
        if geometry is None:
            original |= _source_geometry(batch, row)
        found.append(
            BadRow(
                source_row=int(numbers[row]),
                values=_values(columns, row, {rule for rule, _ in told}),
                rule=told[0][0],
                message="; ".join(message for _, message in told),
                geometry_wkb=geometry,
                original=original,
                rules=told,
            )
        )
    return found


def originals(batch: SourceBatch, rows: list[int]) -> list[dict[str, object]]:
    """Return rows (places in the batch) under the source's own names.

    A name that stands twice is numbered.
    """
    names: list[str] = []
    for raw in batch.attributes.schema.names:
        name = raw.replace("\0", "\ufffd")
        again = names.count(name)
        names.append(name if not again else f"{name} ({again + 1})")
    chosen = batch.attributes.take(np.asarray(rows, dtype=np.int64))
    columns = [column.to_pylist() for column in chosen.columns]
    return [
        {name: _plain(column[place]) for name, column in zip(names, columns, strict=True)}
        for place in range(len(rows))
    ]


def _source_geometry(batch: SourceBatch, row: int) -> dict[str, object]:
    raw = batch.wkb[row].as_py()
    if raw is None:
        return {}
    # Coordinates that are no numbers are what is told here; numpy need not warn of them.
    with np.errstate(invalid="ignore"):
        shape = shapely.from_wkb(raw, on_invalid="ignore")
    text = raw.hex() if shape is None else shapely.to_wkt(shape, rounding_precision=_DECIMALS)
    return {SOURCE_GEOMETRY: text}


def _values(columns: list[Column], row: int, rules: set[str]) -> dict[str, object]:
    """Return the row's fields; a value that breaks a rule of its own keeps its source's form.

    Such a value stands under ``FIELD (as delivered)``, so that nobody takes it for a good one.
    """
    values: dict[str, object] = {}
    for column in columns:
        name = column.field.name
        if any(rule.startswith(f"{name}: ") for rule in rules):
            values[f"{name}{AS_DELIVERED}"] = _plain(column.source[row].as_py())
        else:
            values[name] = _plain(column.values[row].as_py())
    return values


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        # PostgreSQL keeps no NUL, in JSON neither.
        return value.replace("\0", "\ufffd")
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)
