"""The layer of a vector tile that says what the tile could not hold.

Encoding: Mapbox Vector Tile specification 2.1, section 4; protobuf wire format.
"""

import struct

NAME = "onemap:meta"
_EXTENT = 4096
_KEYS = ("layer", "shown", "of")
#: Wire types of protobuf.
_VARINT, _BYTES = 0, 2


def meta_layer(cuts: dict[str, tuple[int, int]]) -> bytes:
    """Return the encoded layer; without cuts nothing.

    Each feature is a point in the middle of the tile with the attributes ``layer`` (name),
    ``shown`` and ``of`` (numbers of features).

    Args:
        cuts: Layer → features shown, features there are.
    """
    if not cuts:
        return b""
    values: list[bytes] = []
    features: list[bytes] = []
    for name, (shown, there) in cuts.items():
        tags = b""
        for place, value in enumerate(
            (_field(1, name.encode()), _number(5, shown), _number(5, there))
        ):
            tags += _varint(place) + _varint(len(values))
            values.append(value)
        features.append(_number(1, len(features) + 1) + _field(2, tags) + _POINT)
    layer = _number(15, 2) + _field(1, NAME.encode())
    layer += b"".join(_field(2, feature) for feature in features)
    layer += b"".join(_field(3, key.encode()) for key in _KEYS)
    layer += b"".join(_field(4, value) for value in values)
    return _field(3, layer + _number(5, _EXTENT))


def read_number(data: bytes) -> int:
    """Return a number that PostgreSQL's ``int8send`` wrote."""
    return int(struct.unpack(">q", data)[0])


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


#: Type and geometry of a point: one MoveTo to the middle of the tile.
_POINT = _number(3, 1) + _field(4, _varint(9) + _varint(_EXTENT) + _varint(_EXTENT))
