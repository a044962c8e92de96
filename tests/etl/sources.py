"""Read a source as a load would, for the tests of formats."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from etl.formats import open_source
from etl.reader import RowProblem, SourceInfo, SourceOptions


@dataclass(frozen=True)
class Read:
    """All that a source gave."""

    info: SourceInfo
    table: pa.Table
    shapes: list[Any]
    #: By row number, from 1.
    problems: dict[int, RowProblem]

    def column(self, name: str) -> list[Any]:
        values: list[Any] = self.table[name].to_pylist()
        return values


def read_source(path: Path | str, **options: Any) -> Read:
    """Read everything in batches of four rows, and check how the batches fit together."""
    settings = SourceOptions(**{"batch_rows": 4, **options})
    with open_source(path, settings, 1 << 30) as source:
        tables, shapes, problems = [], [], {}
        row = 1
        for batch in source.batches():
            assert batch.first_row == row
            assert batch.attributes.schema.names == list(source.info.columns)
            assert len(batch.wkb) == batch.attributes.num_rows > 0
            problems |= {row + place: problem for place, problem in batch.problems.items()}
            row += batch.attributes.num_rows
            tables.append(batch.attributes)
            with np.errstate(invalid="ignore"):
                shapes += list(shapely.from_wkb(batch.wkb.to_pylist(), on_invalid="ignore"))
        table = pa.concat_tables(tables) if tables else pa.table({})
        return Read(source.info, table, shapes, problems)
