"""Whether an OSM PBF file is whole: GDAL reads a broken one up to the break and says nothing.

The form is that of https://wiki.openstreetmap.org/wiki/PBF_Format: a length (4 bytes, big endian),
a ``BlobHeader``, a ``Blob``, and so on to the end of the file.
"""

import zlib
from pathlib import Path
from typing import BinaryIO

from layers.errors import LoadRefused

#: The format's own limits, bytes.
_HEADER_BYTES, _BLOB_BYTES = 64 << 10, 32 << 20
_FIRST, _TYPE, _DATASIZE = "OSMHeader", 1, 3
_RAW, _RAW_SIZE, _ZLIB = 1, 2, 3


class _BrokenError(ValueError):
    """The file does not go on as it must."""


def check_whole(path: Path) -> None:
    """Walk through all blobs of a file, unpacking each.

    Memory is bounded by the largest blob the format allows.

    Raises:
        LoadRefused: If it is no such file, ends too early, or a blob is damaged.
    """
    blobs = 0
    with path.open("rb") as stream:
        try:
            while length := stream.read(4):
                _check_blob(stream, length, first=blobs == 0)
                blobs += 1
        except (_BrokenError, zlib.error, IndexError, UnicodeError) as error:
            place = "is no OSM PBF file" if not blobs else f"is broken after block {blobs}"
            raise LoadRefused(f"{path}: {place}: {error}") from error
    if blobs < 2:
        raise LoadRefused(f"{path}: holds no OSM data")


def _check_blob(stream: BinaryIO, length: bytes, *, first: bool) -> None:
    size = int.from_bytes(length, "big")
    if len(length) < 4 or not 0 < size <= _HEADER_BYTES:
        raise _BrokenError("the length of a block is impossible")
    header = _fields(_exactly(stream, size))
    kind = header.get(_TYPE, b"")
    if first and (not isinstance(kind, bytes) or kind.decode() != _FIRST):
        raise _BrokenError("it does not begin with its header")
    datasize = header.get(_DATASIZE, 0)
    if not isinstance(datasize, int) or not 0 < datasize <= _BLOB_BYTES:
        raise _BrokenError("the size of a block is impossible")
    blob = _fields(_exactly(stream, datasize))
    packed, raw_size = blob.get(_ZLIB), blob.get(_RAW_SIZE)
    if isinstance(packed, bytes):
        unpacker = zlib.decompressobj()
        if len(unpacker.decompress(packed, _BLOB_BYTES)) != raw_size or not unpacker.eof:
            raise _BrokenError("a block unpacks to another size than it says")


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise _BrokenError("the file ends too early")
    return data


def _fields(message: bytes) -> dict[int, int | bytes]:
    """Read the varints and byte strings of a protocol buffer message."""
    found: dict[int, int | bytes] = {}
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        if key & 7 == 0:
            found[key >> 3], place = _varint(message, place)
        elif key & 7 == 2:
            size, place = _varint(message, place)
            if place + size > len(message):
                raise _BrokenError("a field is longer than its message")
            found[key >> 3] = message[place : place + size]
            place += size
        else:
            raise _BrokenError("a field is of an unknown kind")
    return found


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise _BrokenError("a number is too long")
