"""Plot exchange text (报批坐标 txt), see ``etl/plot_text.py``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from etl.encodings import encoding_of_text, known_encoding
from etl.plot_text import (
    COLUMNS,
    HEADER_COLUMNS,
    PlotHeader,
    first_point,
    is_plot_text,
    read_header,
    read_plots,
)
from etl.reader import Reader, Source, SourceInfo, SourceOptions
from etl.rows import Row, RowSource
from layers.errors import LoadRefused

_HEAD_BYTES = 8192
_NUMBERS = ("DKMJ", "MJ_M2")
#: The file's name without its ending: departments put the project or document number there.
_FILE = "FILE"
#: Northings stay below this within China, eastings with their zone above.
_NORTHING_BELOW = 10_000_000


@dataclass(frozen=True)
class PlotExchangeReader(Reader):
    """Reads plot exchange text; one row a plot.

    The columns are ``JZDS`` (points as stated), ``DKMJ`` (stated area, ha), ``MJ_M2`` (the same in
    square metres), ``DKBH``, ``DKMC``, ``TXSX``, ``TFH``, ``DKYT``, ``DLBM``, ``QT`` (what more the
    plot's line holds), ``QS`` (rings), the header's values and ``FILE``. A plot whose points cannot
    be its area is a row without geometry and with the reason.
    """

    name: str = "Plot exchange text"
    suffixes: frozenset[str] = frozenset({".txt"})
    priority: int = 10

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Look for the headings of the form; see :class:`etl.reader.Reader`."""
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        return any(
            is_plot_text(head.decode(codec, "ignore")) for codec in ("utf-8", "gb18030", "utf-16")
        )

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a plot exchange text; see :class:`etl.reader.Reader`."""
        note = None
        if options.encoding is not None:
            encoding = known_encoding(options.encoding)
        else:
            encoding, note = encoding_of_text(path)
        with _refusals(path, encoding):
            with path.open(encoding=encoding) as stream:
                header, read = read_header(stream)
                first = first_point(stream, read)
            east_first = first is not None and _is_east_first(first)
            easting = None if first is None else first[0 if east_first else 1]
            crs = header.crs(easting) if options.crs is None else None
        notes = [note] if note else []
        if east_first:
            notes.append("points are written easting first, against the form, and read so")
        schema = pa.schema(
            [
                (name, pa.float64() if name in _NUMBERS else pa.string())
                for name in (*COLUMNS, *HEADER_COLUMNS.values(), _FILE)
            ]
        )
        info = SourceInfo(
            format=self.name,
            layer=path.stem,
            crs=crs,
            columns=tuple(schema.names),
            encoding=encoding,
            notes=tuple(notes),
        )
        rows = _rows(path, encoding, header, east_first=east_first)
        yield RowSource(info, rows, schema, options.batch_rows)


def _rows(path: Path, encoding: str, header: PlotHeader, *, east_first: bool) -> Iterator[Row]:
    with _refusals(path, encoding), path.open(encoding=encoding) as stream:
        _, read = read_header(stream)
        for row in read_plots(stream, read, east_first=east_first, header=header):
            yield replace(row, values={**row.values, _FILE: path.stem})


def _is_east_first(point: tuple[float, float]) -> bool:
    first, second = point
    if abs(first) <= 180 and abs(second) <= 180:
        return first > second
    return first >= _NORTHING_BELOW > second


@contextmanager
def _refusals(path: Path, encoding: str) -> Iterator[None]:
    try:
        yield
    except LoadRefused as error:
        raise LoadRefused(f"{path}: {error}") from error
    except UnicodeError as error:
        raise LoadRefused(f"{path}: its text is not {encoding}: say --encoding") from error


READER: Reader = PlotExchangeReader()
