"""OGC GML 2 to 3.2: feature collections, also the answers of WFS servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.encodings import known_encoding, text_chunks
from etl.ogr_source import Dataset, open_layer
from etl.reader import Reader, Source, SourceOptions
from etl.xml_heads import check_file, declared_encoding, without_declaration
from gis.scratch import ScratchFolder
from layers.errors import LoadRefused

_SPACES = ("http://www.opengis.net/gml", "http://www.opengis.net/wfs")
_UTF8 = ("utf-8", "ascii", "utf-16")
#: The encoding of a file that declares none (XML 1.0, section 4.3.3).
_UNDECLARED = "utf-8"


@dataclass(frozen=True)
class GmlReader(Reader):
    """Reads GML features; all attributes are text.

    GDAL sees a link to the file in a folder of its own: it neither follows a schema or template
    that lies beside the file, nor leaves one there.
    """

    name: str = "GML"
    suffixes: frozenset[str] = frozenset({".gml"})

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a GML file; see :class:`etl.reader.Reader`."""
        encoding = options.encoding or declared_encoding(path) or _UNDECLARED
        with ScratchFolder() as folder:
            whole = folder / f"{path.stem}.gml"
            if known_encoding(encoding) in _UTF8:
                whole.symlink_to(path.resolve())
            else:
                _transcode(path, known_encoding(encoding), whole)
            _check_root(whole, path)
            dataset = Dataset(whole, self.name, ("GML",), named=path)
            with open_layer(dataset, options, DOWNLOAD_SCHEMA="NO") as source:
                yield source


def _check_root(path: Path, named: Path) -> None:
    """Refuse what is not GML: GDAL would follow a document of another kind elsewhere."""
    try:
        root = check_file(path)
    except LoadRefused as error:
        raise LoadRefused(str(error).replace(str(path), str(named))) from error
    known = [space for space in (root.namespace, *root.namespaces) if space.startswith(_SPACES)]
    if not known:
        raise LoadRefused(f"{named}: is not GML: its root element is {root.name}")


def _transcode(path: Path, encoding: str, target: Path) -> None:
    with target.open("w", encoding="utf-8", newline="") as sink:
        chunks = text_chunks(path, encoding)
        sink.write('<?xml version="1.0" encoding="UTF-8"?>')
        sink.write(without_declaration(next(chunks, "")))
        for chunk in chunks:
            sink.write(chunk)


READER: Reader = GmlReader()
