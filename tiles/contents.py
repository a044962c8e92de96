"""What an encoded vector tile holds, counted.

Encoding: Mapbox Vector Tile specification 2.1, section 4; protobuf wire format.
"""

import struct
from collections import Counter
from dataclasses import dataclass, field

from isal import igzip

from tiles.meta_layer import NAME
from tiles.protobuf import fields, varints

#: Numbers of fields of a tile, a layer, a feature and a value.
_LAYER = 3
_NAME, _FEATURE, _KEY, _VALUE = 1, 2, 3, 4
_ID, _TAGS, _GEOMETRY = 1, 2, 4
_STRING, _FLOAT, _DOUBLE, _SINT, _BOOL = 1, 2, 3, 6, 7
_CLOSE = 7

Value = str | int | float | bool


@dataclass(slots=True)
class LayerContents:
    """One layer of a tile."""

    name: str = ""
    features: int = 0
    vertices: int = 0
    #: Bytes before compression, and compressed alone.
    bytes: int = 0
    gzip_bytes: int = 0
    least_id: int | None = None
    greatest_id: int | None = None
    #: Attribute → value → number of features that have it.
    attributes: dict[str, Counter[Value]] = field(default_factory=dict)


def tile_contents(tile: bytes) -> list[LayerContents]:
    """Return the layers of a tile, but for the one that tells of the tile itself.

    Raises:
        ValueError: If the bytes are no vector tile.
    """
    found = [
        _layer(content)
        for number, _, content in fields(tile)
        if number == _LAYER and isinstance(content, bytes)
    ]
    return [layer for layer in found if layer.name != NAME]


def cut_layers(tile: bytes) -> dict[str, int]:
    """Return layer → features there are, of those layers that the tile could not hold whole.

    Raises:
        ValueError: If the bytes are no vector tile.
    """
    for number, _, content in fields(tile):
        if number == _LAYER and isinstance(content, bytes):
            keys, values, features = layer_parts(content)
            if _name(content) == NAME:
                rows = [_row(keys, values, feature) for feature in features]
                return {str(row["layer"]): int(row["of"]) for row in rows}
    return {}


def _layer(content: bytes) -> LayerContents:
    found = LayerContents(_name(content), bytes=len(content))
    found.gzip_bytes = len(igzip.compress(content, 2))
    keys, values, features = layer_parts(content)
    for feature in features:
        _count(found, keys, values, feature)
    return found


def _count(found: LayerContents, keys: list[str], values: list[Value], feature: bytes) -> None:
    found.features += 1
    for number, _, content in fields(feature):
        if number == _ID and isinstance(content, int):
            least, greatest = found.least_id, found.greatest_id
            found.least_id = content if least is None else min(least, content)
            found.greatest_id = content if greatest is None else max(greatest, content)
        elif number == _GEOMETRY and isinstance(content, bytes):
            found.vertices += _vertices(varints(content).tolist())
    for name, value in _row(keys, values, feature).items():
        found.attributes.setdefault(name, Counter())[value] += 1


def layer_parts(layer: bytes) -> tuple[list[str], list[Value], list[bytes]]:
    """Return a layer's keys, values and features, the latter encoded."""
    keys: list[str] = []
    values: list[Value] = []
    features: list[bytes] = []
    for number, _, content in fields(layer):
        if not isinstance(content, bytes):
            continue
        if number == _FEATURE:
            features.append(content)
        elif number == _KEY:
            keys.append(content.decode())
        elif number == _VALUE:
            values.append(_value(content))
    return keys, values, features


def _name(layer: bytes) -> str:
    return next(
        content.decode()
        for number, _, content in fields(layer)
        if number == _NAME and isinstance(content, bytes)
    )


def _row(keys: list[str], values: list[Value], feature: bytes) -> dict[str, Value]:
    for number, _, content in fields(feature):
        if number == _TAGS and isinstance(content, bytes):
            pairs = varints(content).tolist()
            return {
                keys[key]: values[value] for key, value in zip(pairs[::2], pairs[1::2], strict=True)
            }
    return {}


def _value(content: bytes) -> Value:
    kind = content[0] >> 3
    if kind in (_FLOAT, _DOUBLE):
        form = "<f" if kind == _FLOAT else "<d"
        return float(struct.unpack_from(form, content, 1)[0])
    _, _, value = next(fields(content))
    if isinstance(value, bytes):
        return value.decode()
    if kind == _SINT:
        return (value >> 1) ^ -(value & 1)
    if kind == _BOOL:
        return bool(value)
    # Negative numbers stand as 64 bits.
    return value - (1 << 64) if value >= 1 << 63 else value


def _vertices(commands: list[int]) -> int:
    count = place = 0
    while place < len(commands):
        kind, number = commands[place] & 7, commands[place] >> 3
        place += 1
        if kind != _CLOSE:
            count += number
            place += 2 * number
    return count
