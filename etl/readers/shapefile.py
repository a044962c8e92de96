"""ESRI Shapefile: a ``.shp`` with its companions, in whatever encoding departments write."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from etl.encodings import encoding_of_shapefile, known_encoding, sibling
from etl.ogr_source import open_layer
from etl.reader import Reader, Source, SourceOptions
from layers.errors import LoadRefused


@dataclass(frozen=True)
class ShapefileReader(Reader):
    """Reads Shapefiles."""

    name: str = "Shapefile"
    suffixes: frozenset[str] = frozenset({".shp"})

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a Shapefile; see :class:`etl.reader.Reader`."""
        for suffix in (".shx", ".dbf"):
            if sibling(path, suffix) is None:
                raise LoadRefused(f"{path}: its {suffix} file is missing")
        note = None
        if options.encoding is not None:
            encoding = known_encoding(options.encoding)
        else:
            encoding, note = encoding_of_shapefile(path)
        with open_layer(path, self.name, options, encoding=encoding) as source:
            notes = source.info.notes + ((note,) if note else ())
            yield replace(source, info=replace(source.info, encoding=encoding, notes=notes))


READER: Reader = ShapefileReader()
