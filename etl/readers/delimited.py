"""CSV, TSV and their like with coordinates: two columns of numbers or angles, or one of WKT."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from etl.encodings import encoding_of_text, known_encoding
from etl.positions import column_names, find_columns, make_points, order_note, recognised
from etl.reader import CoordinateColumns, Reader, Source, SourceBatch, SourceInfo, SourceOptions
from layers.errors import LoadRefused

_DELIMITERS = ",\t;|"
#: The first line of a table is not longer.
_MAX_HEADER = 1 << 20


@dataclass(frozen=True)
class DelimitedSource:
    """An open table; every column is text."""

    path: Path
    info: SourceInfo
    position: CoordinateColumns
    delimiter: str
    degrees: bool
    batch_rows: int

    def batches(self) -> Iterator[SourceBatch]:
        """Read all rows once; see :class:`etl.reader.Source`."""
        first_row = 1
        names = list(self.info.columns)
        try:
            stream = pa_csv.open_csv(
                self.path,
                read_options=pa_csv.ReadOptions(
                    encoding=self.info.encoding,
                    column_names=[str(place) for place in range(len(names))],
                    block_size=4 << 20,
                ),
                parse_options=pa_csv.ParseOptions(
                    newlines_in_values=True, delimiter=self.delimiter
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types={str(place): pa.string() for place in range(len(names))},
                    strings_can_be_null=False,
                ),
            )
            header = True
            for batch in stream:
                table = pa.Table.from_batches([batch]).rename_columns(names)
                if header:
                    table, header = table.slice(1), False
                for start in range(0, table.num_rows, self.batch_rows):
                    part = table.slice(start, self.batch_rows).combine_chunks()
                    points = make_points(part, self.position, degrees=self.degrees)
                    yield SourceBatch(first_row, part, points.wkb, points.problems)
                    first_row += part.num_rows
        except (pa.ArrowException, OSError, UnicodeError) as error:
            reason = str(error).splitlines()[0]
            raise LoadRefused(
                f"{self.path}: is broken after row {first_row - 1}: {reason}"
            ) from error


@dataclass(frozen=True)
class DelimitedReader(Reader):
    """Reads text tables with a header line, whatever divides their columns."""

    name: str = "CSV"
    suffixes: frozenset[str] = frozenset({".csv", ".tsv", ".tab", ".txt"})

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Say whether a ``.txt`` has a header with coordinates; see :class:`etl.reader.Reader`."""
        if path.suffix.lower() != ".txt":
            return True
        try:
            names, _ = _header(path, _encoding(path, options)[0])
        except LoadRefused:
            return False
        return options.coordinates is not None or recognised(names, options.crs) is not None

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a table; see :class:`etl.reader.Reader`."""
        encoding, note = _encoding(path, options)
        names, delimiter = _header(path, encoding)
        position = find_columns(path, names, options)
        info = SourceInfo(
            format=self.name,
            layer=path.stem,
            crs=None,
            columns=tuple(names),
            encoding=encoding,
            position=column_names(position),
            notes=(*([note] if note else []), *order_note(position)),
        )
        degrees = options.crs is not None and not options.crs.is_projected
        yield DelimitedSource(path, info, position, delimiter, degrees, options.batch_rows)


def _encoding(path: Path, options: SourceOptions) -> tuple[str, str | None]:
    if options.encoding is not None:
        return known_encoding(options.encoding), None
    return encoding_of_text(path)


def _header(path: Path, encoding: str) -> tuple[list[str], str]:
    """Return the names of the columns, and the sign between them."""
    try:
        with path.open(encoding=encoding, newline="") as stream:
            first = stream.readline(_MAX_HEADER)
            if "\0" in first or len(first) == _MAX_HEADER:
                raise LoadRefused(f"{path}: its first line is not a header")
            stream.seek(0)
            delimiter = max(_DELIMITERS, key=first.count)
            names = next(csv.reader(stream, delimiter=delimiter), [])
    except (OSError, UnicodeError, csv.Error) as error:
        raise LoadRefused(f"{path}: cannot be read as {encoding} text: {error}") from error
    if len(names) < 2:
        raise LoadRefused(f"{path}: its first line is not a CSV header with several columns")
    return [name.strip() for name in names], delimiter


READER: Reader = DelimitedReader()
