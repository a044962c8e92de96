"""OGC GeoPackage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.ogr_source import open_layer
from etl.reader import Reader, Source, SourceOptions


@dataclass(frozen=True)
class GeoPackageReader(Reader):
    """Reads GeoPackages; of several layers one must be named."""

    name: str = "GeoPackage"
    suffixes: frozenset[str] = frozenset({".gpkg"})

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a GeoPackage; see :class:`etl.reader.Reader`."""
        with open_layer(path, self.name, options) as source:
            yield source


READER: Reader = GeoPackageReader()
