"""ESRI file geodatabase: a folder ``NAME.gdb``, also in a zip."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.ogr_source import Dataset, open_layer
from etl.reader import Reader, Source, SourceOptions
from layers.errors import LoadRefused

#: The table of tables, which every geodatabase has.
_CATALOGUE = "a00000001.gdbtable"


@dataclass(frozen=True)
class FileGeodatabaseReader(Reader):
    """Reads file geodatabases; of several feature classes one must be named."""

    name: str = "FileGDB"
    suffixes: frozenset[str] = frozenset()
    takes_folders: bool = True

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Say whether a folder is a geodatabase; see :class:`etl.reader.Reader`."""
        return path.is_dir() and (path.suffix.lower() == ".gdb" or (path / _CATALOGUE).is_file())

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a geodatabase; see :class:`etl.reader.Reader`."""
        _check_sizes(path)
        with open_layer(Dataset(path, self.name, ("OpenFileGDB",)), options) as source:
            yield source


def _check_sizes(path: Path) -> None:
    """Compare the tables with the sizes in their headers, over which GDAL reads on.

    The header's bytes 24 to 31 hold the size (E. Rouault, "FGDB file format", 2013).
    """
    for table in sorted(path.glob("*.gdbtable")):
        with table.open("rb") as stream:
            header = stream.read(40)
        size = table.stat().st_size
        declared = struct.unpack_from("<q", header, 24)[0] if len(header) == 40 else 40
        if size < declared:
            raise LoadRefused(
                f"{path}: {table.name} is truncated: it has {size:,} of {declared:,} bytes"
            )


READER: Reader = FileGeodatabaseReader()
