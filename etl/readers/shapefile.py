"""ESRI Shapefile: a ``.shp`` with its companions, in whatever encoding departments write."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from etl.encodings import encoding_of_shapefile, known_encoding, sibling
from etl.ogr_source import Dataset, open_layer
from etl.reader import Reader, Source, SourceOptions
from etl.shapefile_parts import (
    MAGIC,
    check_geometry_file,
    check_index,
    companion,
    read_table,
    with_restored_index,
)


@dataclass(frozen=True)
class ShapefileReader(Reader):
    """Reads Shapefiles."""

    name: str = "Shapefile"
    suffixes: frozenset[str] = frozenset({".shp"})

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        """Say whether it has the magic bytes; see :class:`etl.reader.Reader`."""
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a Shapefile; see :class:`etl.reader.Reader`."""
        check_geometry_file(path)
        table = read_table(companion(path, ".dbf"))
        index = sibling(path, ".shx")
        if index is not None:
            check_index(path, index, table)
        deleted = table.deleted()
        notes: list[str] = []
        if options.encoding is not None:
            encoding = known_encoding(options.encoding)
        else:
            encoding, note = encoding_of_shapefile(path)
            notes += [note] if note else []
        with ExitStack() as stack:
            whole = path
            if index is None:
                whole = stack.enter_context(with_restored_index(path, table))
                notes.append("its .shx file was missing and was restored without loss")
            if deleted:
                notes.append(f"{deleted:,} records are marked as deleted and were left out")
            dataset = Dataset(whole, self.name, ("ESRI Shapefile",), named=path)
            # As an option of the data set: what pyogrio calls the encoding it sets for a whole
            # thread, and a source may be closed by another one.
            source = stack.enter_context(open_layer(dataset, options, ENCODING=encoding))
            info = replace(
                source.info,
                encoding=encoding,
                features=table.records - deleted,
                notes=(*source.info.notes, *notes),
            )
            yield replace(source, info=info)


READER: Reader = ShapefileReader()
