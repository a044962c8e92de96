"""Moving the vertices of an encoded vector tile.

Encoding: Mapbox Vector Tile specification 2.1, section 4; protobuf wire format.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiles.protobuf import BYTES, field, fields, number, varint, varints

Points = NDArray[np.float64]
#: Takes positions in tile units, shape (n, 2), and gives others; rows count downwards.
Move = Callable[[Points], Points]

_LAYER = 3
_FEATURE, _EXTENT = 2, 5
_TYPE, _GEOMETRY = 3, 4
_MOVE_TO, _LINE_TO, _CLOSE = 1, 2, 7
_POINT, _LINE, _POLYGON = 1, 2, 3


@dataclass(slots=True)
class _Feature:
    #: Everything but the geometry, encoded.
    rest: bytes
    kind: int
    geometry: bytes
    #: Where each part begins and ends among the layer's vertices.
    parts: list[tuple[int, int]]


def move_vertices(tile: bytes, move: Move, extent: int) -> bytes:
    """Return a tile whose vertices were moved and rounded to another extent.

    Vertices that fall together become one; lines and rings of which too little is left go, and so
    do features and layers without anything left.

    Args:
        tile: Whole layers.
        move: What happens to positions: from units of the tile's extent to units of ``extent``.
        extent: The new extent.
    """
    return b"".join(
        _moved_layer(content, move, extent)
        for name, _, content in fields(tile)
        if name == _LAYER and isinstance(content, bytes)
    )


def _moved_layer(layer: bytes, move: Move, extent: int) -> bytes:
    before, after = b"", b""
    features: list[_Feature] = []
    for name, _, content in fields(layer):
        if name == _FEATURE and isinstance(content, bytes):
            features.append(_split(content))
        elif name != _EXTENT:
            piece = field(name, content) if isinstance(content, bytes) else number(name, content)
            if features:
                after += piece
            else:
                before += piece
    vertices = _decode(features)
    moved = np.rint(move(vertices)).astype(np.int64)
    encoded = [
        field(_FEATURE, feature.rest + field(_GEOMETRY, geometry))
        for feature in features
        if (geometry := _encode(feature, vertices, moved))
    ]
    if not encoded:
        return b""
    return field(_LAYER, before + b"".join(encoded) + after + number(_EXTENT, extent))


def _split(feature: bytes) -> _Feature:
    rest, kind, geometry = b"", 0, b""
    for name, wire, content in fields(feature):
        if name == _GEOMETRY and isinstance(content, bytes):
            geometry = content
        elif wire == BYTES and isinstance(content, bytes):
            rest += field(name, content)
        elif isinstance(content, int):
            rest += number(name, content)
            kind = content if name == _TYPE else kind
    return _Feature(rest, kind, geometry, [])


def _decode(features: list[_Feature]) -> Points:
    """Return all vertices, and note with each feature where its parts are."""
    found: list[NDArray[np.int64]] = []
    count = 0
    for feature in features:
        numbers = varints(feature.geometry)
        steps: list[NDArray[np.int64]] = []
        for command, start, end in _commands(numbers):
            place = count + sum(len(step) for step in steps)
            step = numbers[start:end].astype(np.int64)
            steps.append(((step >> 1) ^ -(step & 1)).reshape(-1, 2))
            size = len(steps[-1])
            if command == _MOVE_TO:
                feature.parts.append((place, place + size))
            else:
                feature.parts[-1] = (feature.parts[-1][0], place + size)
        if steps:
            found.append(np.concatenate(steps).cumsum(axis=0))
            count += len(found[-1])
    if not found:
        return np.empty((0, 2))
    return np.concatenate(found).astype(np.float64)


def _commands(numbers: NDArray[np.uint64]) -> Iterator[tuple[int, int, int]]:
    """Yield each command that has parameters, and where they begin and end."""
    place = 0
    while place < len(numbers):
        command, repeats = int(numbers[place]) & 7, int(numbers[place]) >> 3
        place += 1
        if command != _CLOSE:
            yield command, place, place + 2 * repeats
            place += 2 * repeats


def _encode(feature: _Feature, vertices: Points, moved: NDArray[np.int64]) -> bytes:
    if feature.kind == _POINT:
        start, end = feature.parts[0] if feature.parts else (0, 0)
        return _written([(moved[start:end], _MOVE_TO)])
    least = 2 if feature.kind == _LINE else 3
    kept: list[tuple[NDArray[np.int64], int]] = []
    outer_is_there = False
    for start, end in feature.parts:
        part = _distinct(moved[start:end], is_ring=feature.kind == _POLYGON)
        is_outer = feature.kind == _POLYGON and _area(vertices[start:end]) > 0
        is_there = len(part) >= least and (least == 2 or _area(part) != 0)
        if is_outer:
            outer_is_there = is_there
        if is_there and (least == 2 or is_outer or outer_is_there):
            kept.append((part, _CLOSE if feature.kind == _POLYGON else _LINE_TO))
    return _written(kept)


def _distinct(part: NDArray[np.int64], *, is_ring: bool) -> NDArray[np.int64]:
    """Return a part without vertices that repeat the one before."""
    if len(part) < 2:
        return part
    new = np.any(part[1:] != part[:-1], axis=1)
    part = part[np.concatenate(([True], new))]
    if is_ring and len(part) > 1 and np.array_equal(part[0], part[-1]):
        part = part[:-1]
    return part


def _area(ring: NDArray[np.int64] | Points) -> float:
    """Return twice a ring's area by the surveyor's formula; outer rings have a positive one."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y))


def _written(parts: list[tuple[NDArray[np.int64], int]]) -> bytes:
    """Encode parts, of points (``_MOVE_TO``), lines (``_LINE_TO``) or rings (``_CLOSE``)."""
    written = bytearray()
    cursor = np.zeros((1, 2), np.int64)
    for part, kind in parts:
        if not len(part):
            continue
        steps = np.diff(part, axis=0, prepend=cursor)
        cursor = part[-1:]
        numbers = ((steps << 1) ^ (steps >> 63)).ravel().tolist()
        first = 2 * len(part) if kind == _MOVE_TO else 2
        written += varint((first // 2) << 3 | _MOVE_TO)
        written += b"".join(map(varint, numbers[:first]))
        if first < len(numbers):
            written += varint((len(part) - 1) << 3 | _LINE_TO)
            written += b"".join(map(varint, numbers[first:]))
        if kind == _CLOSE:
            written += varint(1 << 3 | _CLOSE)
    return bytes(written)
