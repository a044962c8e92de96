"""Plain tables without geometry, by name: CSV and dBASE files, sheets, tables of a geodatabase."""

import csv
import datetime
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from etl.convert import to_text
from etl.encodings import encoding_of_shapefile, encoding_of_text, known_encoding
from etl.workbooks import open_workbook
from layers.errors import LoadRefused

#: Files that hold one table, named as the file is, and files that hold several.
SINGLE = frozenset({".csv", ".dbf"})
SEVERAL = frozenset({".xlsx", ".xlsm", ".xls", ".gpkg", ".gdb"})
_SHEETS = frozenset({".xlsx", ".xlsm", ".xls"})
_SQLITE = b"SQLite format 3\0"
#: First bytes of dBASE tables by version.
_DBASE = frozenset(bytes([version]) for version in b"\x02\x03\x30\x31\x32\x43\x83\x8b\x8c\xf5")
#: A sheet may carry a title above its header.
_TITLE_ROWS = 10
#: No header is longer.
_LINE_CHARACTERS = 100_000


class AttributeTable(Protocol):
    """A table that can be read in pieces, as often as wanted."""

    @property
    def name(self) -> str:
        """The table's name, such as ``JS_POINT``."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """Yield its rows in order, every value as text or null.

        Raises:
            LoadRefused: If it breaks off.
        """


@dataclass(frozen=True)
class CsvTable:
    """A CSV file with a header line, separated by commas or tabs."""

    path: Path
    name: str
    columns: tuple[str, ...]
    encoding: str
    delimiter: str = ","

    @classmethod
    def of(cls, path: Path, encoding: str | None) -> "CsvTable":
        """Read the header.

        Raises:
            LoadRefused: If the text cannot be decoded.
        """
        codec = known_encoding(encoding) if encoding else encoding_of_text(path)[0]
        try:
            with path.open(encoding=codec, newline="") as stream:
                first = stream.readline(_LINE_CHARACTERS)
                delimiter = "\t" if first.count("\t") > first.count(",") else ","
                stream.seek(0)
                header = next(csv.reader(stream, delimiter=delimiter), [])
        except (UnicodeError, csv.Error) as error:
            raise LoadRefused(f"{path}: cannot be read as {codec} text: {error}") from error
        return cls(path, path.stem, tuple(name.strip() for name in header), codec, delimiter)

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """Yield its rows; see :class:`AttributeTable`."""
        line = 1
        try:
            with self.path.open(encoding=self.encoding, newline="") as stream:
                reader = csv.reader(stream, delimiter=self.delimiter)
                next(reader, None)
                filled = (row for row in reader if any(row))
                while part := list(islice(filled, rows)):
                    line = reader.line_num
                    _check_widths(self.path, line, part, len(self.columns))
                    yield _table(self.columns, part)
        except (UnicodeError, csv.Error) as error:
            raise LoadRefused(f"{self.path}: is broken after line {line}: {error}") from error


@dataclass(frozen=True)
class SheetTable:
    """A sheet of a workbook; its header may stand below a title."""

    path: Path
    name: str
    columns: tuple[str, ...]
    header_row: int

    @classmethod
    def of(cls, path: Path, name: str) -> "SheetTable":
        """Find the header: the fullest of the first rows.

        Raises:
            LoadRefused: If the sheet cannot be read.
        """
        head = list(islice(_sheet_rows(path, name), _TITLE_ROWS))
        if not head:
            return cls(path, name, (), 0)
        filled = [sum(isinstance(cell, str) and bool(cell.strip()) for cell in row) for row in head]
        place = filled.index(max(filled))
        return cls(path, name, tuple(str(cell).strip() for cell in head[place]), place)

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """Yield its rows; see :class:`AttributeTable`."""
        below = islice(_sheet_rows(self.path, self.name), self.header_row + 1, None)
        filled = (
            [_cell_text(cell) for cell in row] for row in below if any(cell != "" for cell in row)
        )
        while part := list(islice(filled, rows)):
            yield _table(self.columns, part)


@dataclass(frozen=True)
class OgrTable:
    """A table that GDAL reads."""

    path: Path
    layer: str
    columns: tuple[str, ...]
    encoding: str | None

    @property
    def name(self) -> str:
        """The table's name."""
        return self.layer

    @classmethod
    def of(cls, path: Path, layer: str, encoding: str | None = None) -> "OgrTable":
        """Read the header.

        Raises:
            LoadRefused: If the table cannot be read.
        """
        _check_head(path)
        with _refused(path):
            meta = pyogrio.read_info(path, layer=layer, encoding=encoding)
        return cls(path, layer, tuple(str(name) for name in meta["fields"]), encoding)

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """Yield its rows; see :class:`AttributeTable`."""
        with _refused(self.path):
            opened = pyogrio.open_arrow(
                self.path,
                layer=self.layer,
                batch_size=rows,
                use_pyarrow=True,
                read_geometry=False,
                encoding=self.encoding,
            )
            with opened as (_, stream):
                for batch in stream:
                    arrays = [to_text(_plain(array)) for array in batch.columns]
                    yield pa.table(arrays, names=list(self.columns))


def tables_of(path: Path, encoding: str | None) -> list[AttributeTable]:
    """Return the tables of a file, a geodatabase or a folder of such.

    A ``.dbf`` beside a ``.shp`` belongs to that and is no table of its own.

    Args:
        path: What to look through.
        encoding: Of CSV and dBASE text; found out if not said.

    Raises:
        LoadRefused: If a file cannot be read.
    """
    suffix = path.suffix.lower()
    if path.is_dir() and suffix != ".gdb":
        return list(chain.from_iterable(tables_of(part, encoding) for part in _files(path)))
    if suffix in (".csv", ".txt"):
        return [CsvTable.of(path, encoding)]
    if suffix == ".dbf":
        codec = known_encoding(encoding) if encoding else encoding_of_shapefile(path)[0]
        return [OgrTable.of(path, path.stem, codec)]
    if suffix in _SHEETS:
        return [SheetTable.of(path, name) for name in sheet_names(path)]
    return [OgrTable.of(path, name) for name in plain_layers(path)]


def table_names(path: Path) -> list[str]:
    """Return the names of the tables of a file, geodatabase or folder, from a cheap look.

    Raises:
        LoadRefused: If a file cannot be read.
    """
    suffix = path.suffix.lower()
    if path.is_dir() and suffix != ".gdb":
        return list(chain.from_iterable(table_names(part) for part in _files(path)))
    if suffix in SINGLE:
        return [path.stem]
    return sheet_names(path) if suffix in _SHEETS else plain_layers(path)


def sheet_names(path: Path) -> list[str]:
    """Return the names of a workbook's sheets.

    Raises:
        LoadRefused: If it is no workbook.
    """
    with open_workbook(path) as workbook:
        return list(workbook.sheet_names)


def plain_layers(path: Path) -> list[str]:
    """Return the layers without geometry of a GDAL data source.

    Raises:
        LoadRefused: If it cannot be read.
    """
    _check_head(path)
    with _refused(path):
        return [str(name) for name, geometry in pyogrio.list_layers(path) if geometry is None]


def _check_head(path: Path) -> None:
    """Refuse a file that is not what its name says: GDAL would take it for something else.

    Raises:
        LoadRefused: If so.
    """
    if path.is_dir():
        return
    with path.open("rb") as stream:
        head = stream.read(len(_SQLITE))
    if path.suffix.lower() == ".dbf":
        if head[:1] not in _DBASE:
            raise LoadRefused(f"{path}: is no dBASE table, as its name says")
    elif head != _SQLITE:
        raise LoadRefused(f"{path}: is no GeoPackage, as its name says")


def _files(folder: Path) -> list[Path]:
    files = [entry for entry in sorted(folder.iterdir()) if not entry.is_symlink()]
    shapes = {entry.stem.lower() for entry in files if entry.suffix.lower() == ".shp"}
    return [
        entry
        for entry in files
        if entry.suffix.lower() in SINGLE | SEVERAL
        and not (entry.suffix.lower() == ".dbf" and entry.stem.lower() in shapes)
    ]


def _sheet_rows(path: Path, name: str) -> Iterator[list[Any]]:
    with open_workbook(path) as workbook:
        yield from workbook.get_sheet_by_name(name).iter_rows()


def _cell_text(cell: Any) -> str | None:
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return str(cell)


def _table(columns: tuple[str, ...], rows: list[list[Any]]) -> pa.Table:
    width = len(columns)
    padded = [(row + [None] * width)[:width] for row in rows]
    arrays = [
        to_text(pa.array([row[place] for row in padded], pa.string())) for place in range(width)
    ]
    return pa.table(arrays, names=list(columns))


def _check_widths(path: Path, last: int, rows: list[list[str]], width: int) -> None:
    for row in rows:
        if len(row) > width and any(row[width:]):
            shown = ",".join(row)[:40]
            raise LoadRefused(
                f"{path}: a row before line {last + 1} has {len(row)} values for {width} columns: "
                f"'{shown}'"
            )


def _plain(array: Any) -> Any:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (DataSourceError, DataLayerError, pa.ArrowException, UnicodeDecodeError) as error:
            raise LoadRefused(f"{path}: cannot be read: {_one_line(error)}") from error


def _one_line(error: object) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
