"""The protobuf wire format, as far as vector tiles need it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

#: Wire types.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def varint(value: int) -> bytes:
    """Return a number of at least 0 as a varint."""
    if value < 0x80:
        return value.to_bytes(1, "little")
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def field(name: int, content: bytes) -> bytes:
    """Return a field of bytes."""
    return varint(name << 3 | BYTES) + varint(len(content)) + content


def number(name: int, value: int) -> bytes:
    """Return a field with a varint."""
    return varint(name << 3 | VARINT) + varint(value)


def fields(message: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """Yield number, wire type and content of a message's fields, varints and bytes alone.

    Raises:
        ValueError: If the message is cut off, or has a field of another wire type.
    """
    place = 0
    while place < len(message):
        key, place = _read(message, place)
        name, wire = key >> 3, key & 7
        if wire == VARINT:
            value, place = _read(message, place)
            yield name, wire, value
        elif wire == BYTES:
            size, place = _read(message, place)
            if place + size > len(message):
                raise ValueError("the message is cut off")
            yield name, wire, message[place : place + size]
            place += size
        else:
            raise ValueError(f"a field of wire type {wire}")


def _read(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message):
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise ValueError("the message is cut off")


def varints(packed: bytes) -> NDArray[np.uint64]:
    """Return packed varints."""
    if not packed:
        return np.empty(0, np.uint64)
    octets = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    starts = np.concatenate(([0], ends[:-1] + 1))
    places = np.arange(len(octets)) - np.repeat(starts, ends - starts + 1)
    parts = (octets & 0x7F).astype(np.uint64) << (7 * places).astype(np.uint64)
    numbers: NDArray[np.uint64] = np.add.reduceat(parts, starts)
    return numbers
