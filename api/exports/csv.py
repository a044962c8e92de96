"""CSV (RFC 4180) in UTF-8, with points as two columns and other geometry as WKT."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as arrow_csv

from api.exporting.flat import flat_columns, form_of, guarded
from api.exporting.format import ExportFormat, ExportJob, Rows, UsualFormat
from api.exporting.text import plain_text
from api.negotiation import Representation


class Csv(UsualFormat):
    """Numbers, dates and true/false stand as they are; no text begins like a formula."""

    name: str = "csv"
    representation: Representation = Representation(("csv",), ("text/csv",))
    extension: str = "csv"
    is_streamed: bool = True
    options: Mapping[str, tuple[str, ...]] = MappingProxyType(
        {
            "encoding": ("UTF-8", "UTF-8-BOM"),
            "geometry": ("auto", "xy", "wkt", "none"),
            "formulas": ("guard", "keep"),
        }
    )

    def write(self, job: ExportJob, schema: pa.Schema, rows: Rows, target: BinaryIO | Path) -> None:
        """Write rows; see ``ExportFormat``."""
        assert not isinstance(target, Path)  # noqa: S101 -- it is streamed
        form = form_of(job, usual="wkt")
        guard = job.options["formulas"] == "guard"
        if job.options["encoding"] == "UTF-8-BOM":
            target.write(b"\xef\xbb\xbf")
        plain = arrow_csv.WriteOptions(include_header=False, quoting_style="needed")
        names = [column.name for column in job.columns]
        names += [name for name, _ in flat_columns(job, form, schema.empty_table().to_batches())]
        target.write((",".join(names) + "\r\n").encode())
        for batch in rows:
            columns = [_cell(column, guard=guard) for column in batch.columns[:-1]]
            columns += [column for _, column in flat_columns(job, form, [batch])]
            arrow_csv.write_csv(pa.record_batch(columns, names=names), target, plain)


def _cell(column: pa.Array, *, guard: bool) -> pa.Array:
    if pa.types.is_string(column.type):
        return guarded(column) if guard else column
    if pa.types.is_timestamp(column.type):
        return plain_text(column)
    return column


EXPORT: ExportFormat = Csv()
