"""From rows that a format yields one by one to the batches of a source."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import shapely
from shapely.geometry.base import BaseGeometry

from etl.reader import RowProblem, SourceBatch, SourceInfo


@dataclass(frozen=True)
class Row:
    """One row of a source."""

    #: By column; columns that are missing are empty.
    values: Mapping[str, Any]
    #: In the source's CRS, x = easting or longitude; ``None`` if there is none.
    shape: BaseGeometry | None
    #: Why the row cannot be used as it is, if so.
    problem: RowProblem | None = None


@dataclass(frozen=True)
class RowSource:
    """An open source whose format yields rows one by one."""

    info: SourceInfo
    rows: Iterable[Row]
    schema: pa.Schema
    batch_rows: int

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        return batches_of(self.rows, self.schema, self.batch_rows)


def batches_of(rows: Iterable[Row], schema: pa.Schema, batch_rows: int) -> Iterator[SourceBatch]:
    """Gather rows into batches.

    Args:
        rows: The rows, from the first of the file to the last.
        schema: The columns and their types.
        batch_rows: Rows of a batch.
    """
    stream = iter(rows)
    first_row = 1
    while chunk := list(islice(stream, batch_rows)):
        arrays = [
            pa.array([row.values.get(column.name) for row in chunk], column.type)
            for column in schema
        ]
        shapes = shapely.to_wkb([row.shape for row in chunk])
        problems = {
            place: row.problem for place, row in enumerate(chunk) if row.problem is not None
        }
        yield SourceBatch(
            first_row,
            pa.Table.from_arrays(arrays, schema=schema),
            pa.array(shapes, pa.binary()),
            problems,
        )
        first_row += len(chunk)


def text_schema(names: Iterable[str]) -> pa.Schema:
    """Return a schema of text columns."""
    return pa.schema([(name, pa.string()) for name in names])
