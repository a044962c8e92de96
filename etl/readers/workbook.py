"""XLSX and XLS workbooks with coordinates: each sheet is a layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.attribute_tables import SheetTable, sheet_names
from etl.positions import column_names, find_columns, make_points, order_note
from etl.reader import CoordinateColumns, Reader, Source, SourceBatch, SourceInfo, SourceOptions
from layers.errors import LoadRefused

_MAGIC = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


@dataclass(frozen=True)
class SheetSource:
    """An open sheet; every column is text."""

    table: SheetTable
    info: SourceInfo
    position: CoordinateColumns
    degrees: bool
    batch_rows: int

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        first_row = 1
        for part in self.table.chunks(self.batch_rows):
            points = make_points(part, self.position, degrees=self.degrees)
            yield SourceBatch(first_row, part, points.wkb, points.problems)
            first_row += part.num_rows


@dataclass(frozen=True)
class WorkbookReader(Reader):
    """Reads a sheet of a workbook; of several with content one must be named.

    A sheet is held in memory as a whole, at most some 40 million cells: larger tables come as CSV.
    """

    name: str = "XLSX"
    suffixes: frozenset[str] = frozenset({".xlsx", ".xlsm", ".xls"})

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Say whether it has the magic bytes; see :class:`etl.reader.Reader`."""
        with path.open("rb") as stream:
            return stream.read(8).startswith(_MAGIC)

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a workbook; see :class:`etl.reader.Reader`."""
        table = _sheet(path, options.layer)
        names = list(table.columns)
        if len(names) < 2:
            raise LoadRefused(f"{path}: sheet '{table.name}' has no header with several columns")
        position = find_columns(path, names, options)
        info = SourceInfo(
            format=self.name,
            layer=table.name,
            crs=None,
            columns=table.columns,
            position=column_names(position),
            notes=tuple(order_note(position)),
        )
        degrees = options.crs is not None and not options.crs.is_projected
        yield SheetSource(table, info, position, degrees, options.batch_rows)


def _sheet(path: Path, wanted: str | None) -> SheetTable:
    names = sheet_names(path)
    if wanted is not None and wanted not in names:
        raise LoadRefused(f"{path}: has no sheet '{wanted}'; it has {', '.join(names)}")
    tables = [SheetTable.of(path, name) for name in ([wanted] if wanted else names)]
    filled = [table for table in tables if table.columns]
    if not filled:
        raise LoadRefused(f"{path}: its sheets are empty")
    if len(filled) > 1:
        listed = ", ".join(table.name for table in filled)
        raise LoadRefused(f"{path}: has several sheets ({listed}); say --source-layer")
    return filled[0]


READER: Reader = WorkbookReader()
