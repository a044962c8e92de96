"""OGC GeoPackage."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.ogr_source import Dataset, open_layer
from etl.reader import Reader, Source, SourceOptions
from layers.errors import LoadRefused

_MAGIC = b"SQLite format 3\0"
#: Bytes after the last page that are taken for carelessness.
_SURPLUS = 1 << 16


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
        _check_size(path)
        with open_layer(Dataset(path, self.name, ("GPKG",)), options) as source:
            yield source


def _check_size(path: Path) -> None:
    """Compare the size with the number of pages in the header (SQLite file format, 1.3.7)."""
    with path.open("rb") as stream:
        header = stream.read(100)
    size = path.stat().st_size
    if len(header) < 100:
        raise LoadRefused(f"{path}: is truncated: it has {size} bytes")
    page, pages = struct.unpack_from(">H", header, 16)[0], struct.unpack_from(">I", header, 28)[0]
    declared = pages * (page if page > 1 else 1 << 16)
    # The number holds only if the last writer was one that keeps it.
    if header[24:28] != header[92:96] or not pages:
        return
    if size < declared:
        raise LoadRefused(f"{path}: is truncated: it has {size:,} of {declared:,} bytes")
    if size > declared + _SURPLUS:
        raise LoadRefused(f"{path}: has {size:,} bytes, but its header says {declared:,}")


READER: Reader = GeoPackageReader()
