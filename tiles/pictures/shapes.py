"""The features of a vector tile, in pixels.

Encoding: Mapbox Vector Tile specification 2.1, section 4.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiles.contents import Value, layer_parts
from tiles.protobuf import fields, varints
from tiles.style_evaluation import GEOMETRY_TYPE

#: Positions, shape (n, 2): pixels to the right and downwards.
Points = NDArray[np.float64]
_LAYER = 3
_NAME, _EXTENT = 1, 5
_TAGS, _TYPE, _GEOMETRY = 2, 3, 4
_MOVE_TO, _LINE_TO, _CLOSE = 1, 2, 7
POINT, LINE, POLYGON = 1, 2, 3
_KINDS = {POINT: "Point", LINE: "LineString", POLYGON: "Polygon"}


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a tile a picture shows."""

    #: Pixels that the whole tile is wide.
    side: float
    #: Pixels from the tile's left upper corner to the picture's.
    left: float = 0.0
    top: float = 0.0


@dataclass(slots=True)
class Shape:
    """A feature: points in one part, lines, or rings without their last position."""

    kind: int
    parts: list[Points]
    attributes: dict[str, Value]


def tile_shapes(tile: bytes, window: Window, wanted: frozenset[str]) -> dict[str, list[Shape]]:
    """Return layer → features, of the layers that are wanted.

    Raises:
        ValueError: If the bytes are no vector tile.
    """
    found: dict[str, list[Shape]] = {}
    for number, _, content in fields(tile):
        if number == _LAYER and isinstance(content, bytes):
            name, extent = _about(content)
            if name in wanted:
                found[name] = _shapes(content, extent, window)
    return found


def _about(layer: bytes) -> tuple[str, int]:
    name, extent = "", 4096
    for number, _, content in fields(layer):
        if number == _NAME and isinstance(content, bytes):
            name = content.decode()
        elif number == _EXTENT and isinstance(content, int):
            extent = content
    return name, extent


def _shapes(layer: bytes, extent: int, window: Window) -> list[Shape]:
    keys, values, features = layer_parts(layer)
    split = [_split(feature) for feature in features]
    placed = _parts([geometry for _, geometry, _ in split], extent, window)
    shapes = []
    for (kind, _, tags), parts in zip(split, placed, strict=True):
        pairs = _numbers(tags)
        attributes = {
            keys[key]: values[value] for key, value in zip(pairs[::2], pairs[1::2], strict=True)
        }
        attributes[GEOMETRY_TYPE] = _KINDS.get(kind, "Unknown")
        shapes.append(Shape(kind, parts, attributes))
    return shapes


def _split(feature: bytes) -> tuple[int, bytes, bytes]:
    """Return a feature's kind, geometry and tags, the latter two encoded."""
    kind, geometry, tags = 0, b"", b""
    for number, _, content in fields(feature):
        if number == _TYPE and isinstance(content, int):
            kind = content
        elif number == _GEOMETRY and isinstance(content, bytes):
            geometry = content
        elif number == _TAGS and isinstance(content, bytes):
            tags = content
    return kind, geometry, tags


def _numbers(packed: bytes) -> list[int]:
    # Nearly all tags are small: a byte each.
    if not packed or max(packed) < 0x80:
        return list(packed)
    numbers: list[int] = varints(packed).tolist()
    return numbers


def _parts(geometries: list[bytes], extent: int, window: Window) -> Iterator[list[Points]]:
    """Yield each geometry's parts; the numbers of all are read at once."""
    packed = b"".join(geometries)
    numbers = varints(packed)
    ends = np.flatnonzero(np.frombuffer(packed, np.uint8) < 0x80)
    # How many numbers stand before the end of each geometry.
    sizes = np.cumsum([len(geometry) for geometry in geometries])
    stops = np.searchsorted(ends, sizes)
    plain = numbers.tolist()
    is_step = np.zeros(len(numbers), bool)
    spans: list[list[tuple[int, int]]] = []
    start, done = 0, 0
    for stop in stops.tolist():
        there, done = _spans(plain, start, stop, is_step, done)
        spans.append(there)
        start = stop
    signed = numbers[is_step].astype(np.int64)
    places = ((signed >> 1) ^ -(signed & 1)).reshape(-1, 2).cumsum(axis=0).astype(np.float64)
    scale = window.side / extent
    shift = np.array([window.left, window.top])
    before = np.zeros(2)
    for there in spans:
        yield [(places[first:last] - before) * scale - shift for first, last in there]
        if there:
            before = places[there[-1][1] - 1]


def _spans(
    numbers: list[int], place: int, stop: int, is_step: NDArray[np.bool_], done: int
) -> tuple[list[tuple[int, int]], int]:
    """Return where a geometry's parts begin and end among all positions, and how many there were.

    Args:
        numbers: The numbers of all geometries.
        place: Where this one's begin.
        stop: Where they end.
        is_step: Where numbers are steps from position to position; it is filled in here.
        done: Positions of the geometries before.
    """
    found: list[tuple[int, int]] = []
    while place < stop:
        command, count = numbers[place] & 7, numbers[place] >> 3
        place += 1
        if command == _CLOSE:
            continue
        is_step[place : place + 2 * count] = True
        place += 2 * count
        if command == _MOVE_TO:
            found.append((done, done + count))
        elif command == _LINE_TO and found:
            found[-1] = (found[-1][0], done + count)
        done += count
    return found, done


def ring_area(ring: Points) -> float:
    """Return twice a ring's area by the surveyor's formula; outer rings have a positive one."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y))
