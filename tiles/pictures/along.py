"""Names along lines, letter by letter."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import shapely
from PIL import Image

from tiles.pictures.lettering import Lettering, Letters, advances, is_wide, letters
from tiles.pictures.lines import closed
from tiles.pictures.placing import Box, Room, widened
from tiles.pictures.shapes import POINT, POLYGON, Points, Shape
from tiles.pictures.stamps import Stamp
from tiles.pictures.values import Color

#: MapLibre's distance between names on a line in pixels, and the most degrees between letters.
_SPACING, _MOST_ANGLE = 250.0, 45.0
#: Letters are turned in steps of so many degrees, so that turned ones can be kept.
_STEP = 3


class LineLabels(Protocol):
    """What placing needs of a style layer's names."""

    def in_order(self, shapes: list[Shape]) -> list[Shape]:
        """Return features, those first that are placed first."""
        ...

    def text(self, shape: Shape) -> str:
        """Return a feature's name; empty if it has none."""
        ...

    def lettering(self, shape: Shape) -> Lettering:
        """Return how a feature's name is set."""
        ...

    def colors(self, shape: Shape) -> tuple[Color, Color]:
        """Return the colours of a name's halo and of its letters."""
        ...

    def text_stamp(self, shape: Shape, text: str, middle: tuple[float, float]) -> Stamp | None:
        """Return a feature's name with its middle somewhere; ``None`` without a font."""
        ...

    def constant(self, name: str, usual: Any = None) -> Any:
        """Return a property that does not depend on features."""
        ...

    def turn(self, shape: Shape) -> float:
        """Return by how many degrees letters are turned."""
        ...


@dataclass(frozen=True, slots=True)
class _Letter:
    text: str
    x: float
    y: float
    degrees: float


@dataclass(frozen=True, slots=True)
class _Name:
    middle: tuple[float, float]
    boxes: list[Box]
    stamps: list[Stamp]


def along_lines(layer: LineLabels, shapes: list[Shape], size: float, room: Room) -> Iterator[Stamp]:
    """Yield the letters of the names that find room on their lines.

    Args:
        layer: The style layer.
        shapes: Its features.
        size: Pixels along an edge of the picture.
        room: What is taken already; the names are added.
    """
    spacing = float(layer.constant("symbol-spacing", _SPACING))
    is_upright = layer.constant("text-rotation-alignment", "map") == "viewport"
    set_at = _upright if is_upright else _following
    for shape, text, lines in _named(layer, shapes):
        taken: list[tuple[float, float]] = []
        for line in lines:
            for middle in _middles(line, 0 if is_upright else _length(layer, shape, text), spacing):
                found = set_at(layer, shape, text, line, middle)
                if found is None or not _is_within(found, size):
                    continue
                if any(math.dist(found.middle, other) < spacing / 2 for other in taken):
                    continue
                if _find_room(layer, found, room):
                    taken.append(found.middle)
                    yield from found.stamps


def _find_room(layer: LineLabels, found: _Name, room: Room) -> bool:
    padding = float(layer.constant("text-padding", 2))
    boxes = [widened(box, padding) for box in found.boxes]
    if not layer.constant("text-allow-overlap", False) and not room.is_free(boxes):
        return False
    if not layer.constant("text-ignore-placement", False):
        room.take(found.boxes)
    return True


def _named(layer: LineLabels, shapes: list[Shape]) -> Iterator[tuple[Shape, str, list[Points]]]:
    """Yield names with their lines, joined where they meet."""
    named: dict[str, tuple[Shape, list[Points]]] = {}
    for shape in layer.in_order(shapes):
        text = layer.text(shape)
        if text and shape.kind != POINT:
            # What is turned by an attribute of its own is not joined to others.
            key = f"{text}\0{layer.turn(shape)}"
            lines = named.setdefault(key, (shape, []))[1]
            lines.extend(closed(p) if shape.kind == POLYGON else p for p in shape.parts)
    for key, (shape, lines) in named.items():
        kept = [shapely.LineString(part) for part in lines if len(part) > 1]
        merged = shapely.line_merge(shapely.MultiLineString(kept))
        parts = [np.asarray(shapely.get_coordinates(part)) for part in shapely.get_parts(merged)]
        parts.sort(key=lambda part: -float(np.hypot(*np.diff(part, axis=0).T).sum()))
        yield shape, key.split("\0")[0], parts


def _middles(line: Points, width: float, spacing: float) -> list[float]:
    length = float(np.hypot(*np.diff(line, axis=0).T).sum())
    if length < width:
        return []
    count = max(1, int(length // max(spacing, width)))
    return [length * (number + 0.5) / count for number in range(count)]


def _length(layer: LineLabels, shape: Shape, text: str) -> float:
    return sum(advances(text, layer.lettering(shape)) or [0.0])


def _along(line: Points) -> Points:
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def _upright(
    layer: LineLabels, shape: Shape, text: str, line: Points, middle: float
) -> _Name | None:
    """Return a name as it stands at points, at a place on a line; ``None`` without a font."""
    made = letters(text, layer.lettering(shape))
    if made is None:
        return None
    along = _along(line)
    x, y = (float(np.interp(middle, along, line[:, axis])) for axis in (0, 1))
    stamp = layer.text_stamp(shape, text, (x, y))
    half = (made.width / 2, made.height / 2)
    box = (x - half[0], y - half[1], x + half[0], y + half[1])
    return None if stamp is None else _Name((x, y), [box], [stamp])


def _following(
    layer: LineLabels, shape: Shape, text: str, line: Points, middle: float
) -> _Name | None:
    """Return a name that follows a line; ``None`` where that bends too much, or without a font."""
    how = layer.lettering(shape)
    steps = advances(text, how)
    if steps is None:
        return None
    found = _letters(layer, shape, text, steps, line, middle)
    if not found:
        return None
    centre = found[len(found) // 2]
    boxes = [_box(letter, how.size) for letter in found]
    return _Name((centre.x, centre.y), boxes, list(_stamps(layer.colors(shape), how, found)))


def _letters(
    layer: LineLabels,
    shape: Shape,
    text: str,
    steps: list[float],
    line: Points,
    middle: float,
) -> list[_Letter]:
    """Return the letters of a name around a place on a line; none where the line bends too much.

    On steep lines Chinese is written downwards, each character upright.
    """
    along = _along(line)
    start = middle - sum(steps) / 2
    ends = start + np.concatenate([[0.0], np.cumsum(steps)])
    xs, ys = (np.interp(ends, along, line[:, axis]) for axis in (0, 1))
    across, down = float(xs[-1] - xs[0]), float(ys[-1] - ys[0])
    turns = bool(layer.constant("text-keep-upright", True))
    is_downwards = turns and abs(down) > abs(across) and any(map(is_wide, text))
    if turns and (down if is_downwards else across) < 0:
        return _letters(layer, shape, text, steps, line[::-1], float(along[-1]) - middle)
    angles = np.degrees(np.arctan2(np.diff(ys), np.diff(xs)))
    bends = np.abs((np.diff(angles) + 180) % 360 - 180)
    most = float(layer.constant("text-max-angle", _MOST_ANGLE))
    if len(bends) and float(bends.max()) > most:
        return []
    turn = layer.turn(shape)
    return [
        _Letter(
            letter,
            float(xs[place] + xs[place + 1]) / 2,
            float(ys[place] + ys[place + 1]) / 2,
            float(angles[place]) + turn - (90 if is_downwards and is_wide(letter) else 0),
        )
        for place, letter in enumerate(text)
    ]


def _is_within(found: _Name, size: float) -> bool:
    return all(
        0 <= left and 0 <= top and right <= size and bottom <= size
        for left, top, right, bottom in found.boxes
    )


def _box(letter: _Letter, size: float) -> Box:
    half = size * 0.6
    return (letter.x - half, letter.y - half, letter.x + half, letter.y + half)


def _stamps(colors: tuple[Color, Color], how: Lettering, found: list[_Letter]) -> Iterator[Stamp]:
    turned = [(letter, _turned(letter.text, how, _whole(letter.degrees))) for letter in found]
    for layer in (0, 1):
        # All halos lie below all letters.
        for letter, masks in turned:
            mask = None if masks is None else masks[layer]
            if mask is not None:
                at = (letter.x - mask.width / 2, letter.y - mask.height / 2)
                yield Stamp(at, ((mask, colors[layer]),))


def _whole(degrees: float) -> int:
    return round(degrees / _STEP) * _STEP % 360


@lru_cache(maxsize=8192)
def _turned(
    text: str, how: Lettering, degrees: int
) -> tuple[Image.Image | None, Image.Image] | None:
    made: Letters | None = letters(text, how)
    if made is None:
        return None
    halo, fill = (
        None if mask is None else mask.rotate(-degrees, Image.Resampling.BICUBIC, expand=True)
        for mask in (made.halo, made.fill)
    )
    return (halo, fill) if fill is not None else None
