"""KML, and KMZ, which is a zip around it."""

import tempfile
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from etl.archives import BROKEN, checked_members, unpack_member
from etl.encodings import encoding_of_text, known_encoding, text_chunks
from etl.kml_rows import KmlError, placemarks
from etl.reader import Reader, Source, SourceInfo, SourceOptions
from etl.rows import Row, RowSource
from etl.xml_heads import check_prolog, declared_encoding, without_declaration
from gis.scratch import ScratchFolder
from layers.disk_room import is_no_room
from layers.errors import LoadRefused

#: Unpacked size above which a KMZ is refused.
_MAX_UNPACKED = 8 << 30


@dataclass(frozen=True)
class KmlReader(Reader):
    """Reads the placemarks of a document; links to other documents are not followed."""

    name: str = "KML"
    suffixes: frozenset[str] = frozenset({".kml", ".kmz"})

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        """Open a KML document; see :class:`etl.reader.Reader`."""
        with ExitStack() as stack:
            whole = path
            if path.suffix.lower() == ".kmz":
                whole = stack.enter_context(_document(path))
            document = _Document(whole, path, _encoding(whole, options))
            document.check()
            columns: dict[str, None] = {}
            count = 0
            for row in document.rows():
                columns.update(dict.fromkeys(row.values))
                count += 1
            info = SourceInfo(
                format=self.name,
                layer=path.stem,
                crs="EPSG:4326",
                columns=tuple(columns),
                encoding=document.encoding,
                features=count,
            )
            schema = pa.schema([(name, pa.string()) for name in columns])
            yield RowSource(info, document.rows(), schema, options.batch_rows)


@dataclass(frozen=True)
class _Document:
    path: Path
    #: What people know it by.
    named: Path
    encoding: str

    def check(self) -> None:
        """Refuse a document type declaration before the document is parsed."""
        with tempfile.TemporaryFile() as prolog:
            prolog.write(next(self._chunks(), "").encode())
            prolog.seek(0)
            root = check_prolog(prolog, str(self.named))
        if root.name != "kml":
            raise LoadRefused(f"{self.named}: is not KML: its root element is {root.name}")

    def rows(self) -> Iterator[Row]:
        number = 0
        try:
            for row in placemarks(self._chunks()):
                number += 1
                yield row
        except (ET.ParseError, KmlError, RecursionError) as error:
            raise LoadRefused(
                f"{self.named}: cannot be read as KML after placemark {number}: {error}"
            ) from error

    def _chunks(self) -> Iterator[str]:
        chunks = text_chunks(self.path, self.encoding)
        yield without_declaration(next(chunks, ""))
        yield from chunks


def _encoding(path: Path, options: SourceOptions) -> str:
    said = options.encoding or declared_encoding(path)
    return known_encoding(said) if said else encoding_of_text(path)[0]


@contextmanager
def _document(path: Path) -> Iterator[Path]:
    """Unpack the document of a KMZ: the first ``.kml`` in it (OGC KML 2.3, annex C)."""
    with ScratchFolder() as folder:
        target = folder / "doc.kml"
        try:
            with zipfile.ZipFile(path) as archive:
                for member, place in checked_members(archive, path, _MAX_UNPACKED):
                    if place.suffix.lower() == ".kml":
                        unpack_member(path, archive, member, target)
                        break
                else:
                    raise LoadRefused(f"{path}: holds no KML document")
        except BROKEN as error:
            if is_no_room(error):
                raise
            raise LoadRefused(f"{path}: cannot be unpacked: {error}") from error
        yield target


READER: Reader = KmlReader()
