"""ESRI file geodatabase: a folder ``NAME.gdb``, also in a zip."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.ogr_source import Dataset, open_layer
from etl.reader import Reader, Source, SourceOptions

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
        with open_layer(Dataset(path, self.name, ("OpenFileGDB",)), options) as source:
            yield source


READER: Reader = FileGeodatabaseReader()
