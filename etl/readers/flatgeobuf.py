"""FlatGeobuf."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.ogr_source import Dataset, open_layer
from etl.reader import Reader, Source, SourceOptions

_MAGIC = b"fgb\x03fgb"


@dataclass(frozen=True)
class FlatGeobufReader(Reader):
    """Reads FlatGeobuf files."""

    name: str = "FlatGeobuf"
    suffixes: frozenset[str] = frozenset({".fgb"})

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Say whether it has the magic bytes; see :class:`etl.reader.Reader`."""
        with path.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a FlatGeobuf file; see :class:`etl.reader.Reader`."""
        with open_layer(Dataset(path, self.name, ("FlatGeobuf",)), options) as source:
            yield source


READER: Reader = FlatGeobufReader()
