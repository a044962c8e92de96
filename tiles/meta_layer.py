"""The layer of a vector tile that says what the tile could not hold.

Encoding: Mapbox Vector Tile specification 2.1, section 4; protobuf wire format.
"""

import struct

from tiles.protobuf import field, number, varint

NAME = "onemap:meta"
_EXTENT = 4096
_KEYS = ("layer", "shown", "of")


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
            (field(1, name.encode()), number(5, shown), number(5, there))
        ):
            tags += varint(place) + varint(len(values))
            values.append(value)
        features.append(number(1, len(features) + 1) + field(2, tags) + _POINT)
    layer = number(15, 2) + field(1, NAME.encode())
    layer += b"".join(field(2, feature) for feature in features)
    layer += b"".join(field(3, key.encode()) for key in _KEYS)
    layer += b"".join(field(4, value) for value in values)
    return field(3, layer + number(5, _EXTENT))


def read_number(data: bytes) -> int:
    """Return a number that PostgreSQL's ``int8send`` wrote."""
    return int(struct.unpack(">q", data)[0])


#: Type and geometry of a point: one MoveTo to the middle of the tile.
_POINT = number(3, 1) + field(4, varint(9) + varint(_EXTENT) + varint(_EXTENT))
