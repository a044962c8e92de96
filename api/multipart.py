"""Uploads (multipart/form-data, RFC 7578), streamed to the disk as they come."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.errors import ContentTooLarge, InvalidParameter, StorageFull, UnsupportedContent
from etl.spool import safe_name
from layers.errors import LoadRefused

#: Bytes that are collected before they are parsed and written, in a thread.
_BLOCK = 1 << 20
#: Longest value of a field that is no file, bytes, and most parts.
_LONGEST_FIELD = 65_536
_MOST_PARTS = 100


@dataclass
class Upload:
    """What came: the fields by name, and the files where they were written."""

    fields: dict[str, str] = field(default_factory=dict)
    #: Name of the part → its files, in their order.
    files: dict[str, list[Path]] = field(default_factory=dict)
    #: SHA-256 over all parts, in hexadecimal.
    digest: str = ""


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a multipart body.

    Raises:
        UnsupportedContent: If the media type is another, or has none.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise UnsupportedContent("an upload must be multipart/form-data with a boundary")
    return boundary


async def receive_upload(
    body: AsyncIterator[bytes], boundary: bytes, folder: Path, most_bytes: int
) -> Upload:
    """Read a multipart body; its files are written into ``folder``, each part in its own folder.

    Args:
        body: The body's bytes as they come.
        boundary: The boundary between the parts.
        folder: An existing folder.
        most_bytes: More than so many are refused.

    Raises:
        ContentTooLarge: If more came.
        InvalidParameter: If it is no well-formed multipart body, or holds a field twice.
        StorageFull: If the disk has no room.
    """
    try:
        reader = _Reader(boundary, folder)
    except FormParserError as error:
        raise InvalidParameter("the boundary of the body cannot be used") from error
    try:
        seen = 0
        waiting = bytearray()
        async for chunk in body:
            seen += len(chunk)
            if seen > most_bytes:
                raise ContentTooLarge(f"the upload is larger than {most_bytes:,} bytes")
            waiting += chunk
            if len(waiting) >= _BLOCK:
                await asyncio.to_thread(reader.take, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(reader.take, bytes(waiting))
        return reader.result()
    finally:
        reader.close()


class _Reader:
    """Parses the parts of a body and writes its files."""

    def __init__(self, boundary: bytes, folder: Path) -> None:
        self._upload = Upload()
        self._folder = folder
        self._digest = sha256()
        self._parts = 0
        self._ended = False
        self._headers: dict[bytes, bytes] = {}
        self._header_name = b""
        self._header_value = b""
        self._name = ""
        self._value = bytearray()
        self._file: BinaryIO | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._field,
                "on_header_value": self._header,
                "on_header_end": self._header_end,
                "on_headers_finished": self._open,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def take(self, block: bytes) -> None:
        """Parse a block of the body."""
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise InvalidParameter("the body is no well-formed multipart/form-data") from error
        except OSError as error:
            raise StorageFull("there is no room for the upload at present") from error

    def result(self) -> Upload:
        """Return what was read, once the body is over."""
        if not self._ended:
            raise InvalidParameter("the body ends before its last boundary")
        self._upload.digest = self._digest.hexdigest()
        return self._upload

    def close(self) -> None:
        """Close the file that is open, if one is."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise InvalidParameter(f"the body has more than {_MOST_PARTS} parts")
        self._headers = {}
        self._value = bytearray()

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = _text(options.get(b"name", b""), "the name of a part")
        if not self._name:
            raise InvalidParameter("a part of the body has no name")
        self._digest.update(b"\0" + self._name.encode() + b"\0")
        named = options.get(b"filename")
        if named is None:
            return
        try:
            name = safe_name(_text(named, "the name of a file"))
        except LoadRefused as error:
            raise InvalidParameter(f"{self._name}: {error}") from error
        self._digest.update(name.encode() + b"\0")
        # The part's own name may be anything; only the two that are known get a folder.
        folder = self._folder / ("mapping" if self._name == "mapping" else "data")
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / name
        try:
            self._file = path.open("xb")
        except FileExistsError as error:
            raise InvalidParameter(f"{self._name}: two files are called {name}") from error
        self._upload.files.setdefault(self._name, []).append(path)

    def _data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        self._digest.update(piece)
        if self._file is not None:
            self._file.write(piece)
            return
        self._value += piece
        if len(self._value) > _LONGEST_FIELD:
            raise InvalidParameter(f"{self._name}: its value is too long")

    def _end(self) -> None:
        if self._file is not None:
            self.close()
            return
        if self._name in self._upload.fields:
            raise InvalidParameter(f"{self._name}: given twice")
        self._upload.fields[self._name] = _text(bytes(self._value), self._name)

    def _finish(self) -> None:
        self._ended = True


def _text(value: bytes, what: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise InvalidParameter(f"{what}: is not UTF-8") from error
