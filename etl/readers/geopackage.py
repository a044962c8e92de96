"""OGC GeoPackage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.ogr_source import Dataset, open_layer
from etl.reader import Reader, Source, SourceOptions

_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True)
class GeoPackageReader(Reader):
    """Reads GeoPackages; of several layers one must be named."""

    name: str = "GeoPackage"
    suffixes: frozenset[str] = frozenset({".gpkg"})

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Say whether it is an SQLite database; see :class:`etl.reader.Reader`."""
        with path.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a GeoPackage; see :class:`etl.reader.Reader`."""
        with open_layer(Dataset(path, self.name, ("GPKG",)), options) as source:
            yield source


READER: Reader = GeoPackageReader()
