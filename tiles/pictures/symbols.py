"""Names and icons: placed from the topmost style layer down, as MapLibre does."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import shapely
from PIL import Image

from tiles.pictures.along import along_lines
from tiles.pictures.lettering import Lettering, letters
from tiles.pictures.placing import Box, Room, widened
from tiles.pictures.shapes import LINE, POLYGON, Points, Shape, ring_area
from tiles.pictures.stamps import Stamp
from tiles.pictures.values import Color, StyleValue, read_color, with_opacity
from tiles.sprites import ICON_SIZE, icon_image

_NO_FONT = "Noto Sans CJK SC"
#: Of a text's size: lines of texts at points are broken here, as MapLibre's ``text-max-width``.
_WIDEST = 10
_TEXT_PADDING = 2.0
#: At most so much of its width a name is moved sideways to stay within the picture.
_MOST_SHIFT = 0.5
#: Fineness of the middle of an area, in pixels.
_TOLERANCE = 4.0


class SymbolLayer:
    """The names and icons of one style layer.

    Args:
        entry: The style layer.
        zoom: MapLibre's zoom.
    """

    def __init__(self, entry: Mapping[str, Any], zoom: float) -> None:
        self._values = {**entry.get("layout", {}), **entry.get("paint", {})}
        self._zoom = zoom
        self.on_lines = self.constant("symbol-placement", "point") != "point"
        self._sort = self.value("symbol-sort-key", 0)
        self._text = self.value("text-field", "")
        self._size = self.value("text-size", 16)
        self._color = self.value("text-color", "#000000")
        self._opacity = self.value("text-opacity", 1)
        self._halo = self.value("text-halo-color", "rgba(0,0,0,0)")
        self._offset = self.value("text-offset", [0, 0])
        self._turn = self.value("text-rotate", 0)
        self._icon = self.value("icon-image")
        self._icon_size = self.value("icon-size", 1)
        self._icon_opacity = self.value("icon-opacity", 1)
        fonts = self.constant("text-font", [_NO_FONT])
        self._font = str(fonts[0]) if isinstance(fonts, list) else _NO_FONT

    def value(self, name: str, usual: Any = None) -> StyleValue:
        """Return a property."""
        return StyleValue(self._values.get(name), self._zoom, usual)

    def constant(self, name: str, usual: Any = None) -> Any:
        """Return a property that does not depend on features."""
        return self.value(name, usual).of({})

    def in_order(self, shapes: list[Shape]) -> list[Shape]:
        """Return features, those first that are placed first."""
        if self._sort.is_constant:
            return shapes
        return sorted(shapes, key=lambda shape: float(self._sort.of(shape.attributes) or 0))

    def text(self, shape: Shape) -> str:
        """Return a feature's name; empty if it has none."""
        lines = str(self._text.of(shape.attributes)).split("\n")
        plain = ("".join(filter(str.isprintable, line)).strip() for line in lines)
        # A name along a line is one line of text.
        return (" " if self.on_lines else "\n").join(line for line in plain if line)

    def lettering(self, shape: Shape) -> Lettering:
        """Return how a feature's name is set."""
        size = float(self._size.of(shape.attributes))
        wide = math.inf if self.on_lines else float(self.constant("text-max-width", _WIDEST)) * size
        spacing = float(self.constant("text-letter-spacing", 0)) * size
        halo = float(self.constant("text-halo-width", 0))
        return Lettering(self._font, size, halo, spacing, wide)

    def text_stamp(self, shape: Shape, text: str, middle: tuple[float, float]) -> Stamp | None:
        """Return a feature's name, placed with its middle somewhere; ``None`` without a font."""
        made = letters(text, self.lettering(shape))
        if made is None:
            return None
        halo, color = self.colors(shape)
        at = (middle[0] - made.fill.width / 2, middle[1] - made.fill.height / 2)
        return Stamp(at, ((made.halo, halo), (made.fill, color)))

    def colors(self, shape: Shape) -> tuple[Color, Color]:
        """Return the colours of a name's halo and of its letters."""
        opacity = float(self._opacity.of(shape.attributes))
        halo = with_opacity(read_color(str(self._halo.of(shape.attributes))), opacity)
        return halo, with_opacity(read_color(str(self._color.of(shape.attributes))), opacity)

    def turn(self, shape: Shape) -> float:
        """Return by how many degrees a name is turned."""
        return float(self._turn.of(shape.attributes))

    def text_middle(self, shape: Shape, text: str, at: Points) -> tuple[float, float, float, float]:
        """Return the middle of a name at a point, its width and its height: 0 without a font."""
        how = self.lettering(shape)
        made = letters(text, how)
        width, height = (made.width, made.height) if made is not None else (0.0, 0.0)
        right, down = self._offset.of(shape.attributes)
        anchor = str(self.constant("text-anchor", "center"))
        x = float(at[0]) + float(right) * how.size
        y = float(at[1]) + float(down) * how.size
        x += width / 2 * (("left" in anchor) - ("right" in anchor))
        y += height / 2 * (anchor.startswith("top") - anchor.startswith("bottom"))
        return x, y, width, height

    def icon(self, shape: Shape) -> tuple[Image.Image, float] | None:
        """Return a feature's icon, and its side in pixels."""
        name = self._icon.of(shape.attributes)
        if not name:
            return None
        side = ICON_SIZE * float(self._icon_size.of(shape.attributes))
        opacity = float(self._icon_opacity.of(shape.attributes))
        made = _icon(str(name), max(1, round(side)), opacity)
        return None if made is None else (made, side)


@cache
def _icon(name: str, side: int, opacity: float) -> Image.Image | None:
    made = icon_image(name, side)
    if made is None or opacity >= 1:
        return made
    faded = made.copy()
    faded.putalpha(made.getchannel("A").point(lambda value: value * opacity))
    return faded


@dataclass(frozen=True, slots=True)
class _Piece:
    stamp: Stamp | None
    box: Box
    always: bool
    ignored: bool


def place_symbols(layers: list[tuple[SymbolLayer, list[Shape]]], size: float) -> list[list[Stamp]]:
    """Return what is drawn of each layer, from bottom to top.

    Args:
        layers: Style layers from bottom to top, with their features.
        size: Pixels along an edge of the picture.
    """
    room = Room()
    placed: list[list[Stamp]] = []
    for layer, shapes in reversed(layers):
        if layer.on_lines:
            placed.append(list(along_lines(layer, shapes, size, room)))
        else:
            ordered = layer.in_order(shapes)
            found = [stamp for shape in ordered for stamp in _at_points(layer, shape, size, room)]
            placed.append(found[::-1])
    return placed[::-1]


def _at_points(layer: SymbolLayer, shape: Shape, size: float, room: Room) -> Iterator[Stamp]:
    text, icon = layer.text(shape), layer.icon(shape)
    if not text and icon is None:
        return
    for at in _anchors(shape):
        pieces = []
        if icon is not None and _is_near(at, size, icon[1] / 2):
            pieces.append(_icon_piece(layer, icon, at))
        if text and _is_near(at, size, 0):
            piece = _text_piece(layer, shape, text, at, size)
            if piece is not None:
                pieces.append(piece)
        yield from _fitting(layer, pieces, room)


def _fitting(layer: SymbolLayer, pieces: list[_Piece], room: Room) -> Iterator[Stamp]:
    fits = [piece.always or room.is_free([piece.box]) for piece in pieces]
    if len(pieces) == 2:
        icon_optional = layer.constant("icon-optional", False)
        text_optional = layer.constant("text-optional", False)
        fits = [
            fits[0] and (fits[1] or bool(text_optional)),
            fits[1] and (fits[0] or bool(icon_optional)),
        ]
    for piece, is_fit in zip(pieces, fits, strict=True):
        if is_fit and piece.stamp is not None:
            if not piece.ignored:
                room.take([piece.box])
            yield piece.stamp


def _icon_piece(layer: SymbolLayer, icon: tuple[Image.Image, float], at: Points) -> _Piece:
    image, side = icon
    x, y = float(at[0]) - side / 2, float(at[1]) - side / 2
    return _Piece(
        Stamp((x, y), (), image),
        widened((x, y, x + side, y + side), float(layer.constant("icon-padding", 2))),
        bool(layer.constant("icon-allow-overlap", False)),
        bool(layer.constant("icon-ignore-placement", False)),
    )


def _text_piece(
    layer: SymbolLayer, shape: Shape, text: str, at: Points, size: float
) -> _Piece | None:
    x, y, width, height = layer.text_middle(shape, text, at)
    wanted = x
    # Another picture goes on beyond the edge, and does not have this name.
    x = min(max(x, width / 2 + 1), size - width / 2 - 1)
    y = min(max(y, height / 2 + 1), size - height / 2 - 1)
    if not width or width > size or abs(x - wanted) > _MOST_SHIFT * width + 1:
        return None
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return _Piece(
        layer.text_stamp(shape, text, (x, y)),
        widened(box, float(layer.constant("text-padding", _TEXT_PADDING))),
        bool(layer.constant("text-allow-overlap", False)),
        bool(layer.constant("text-ignore-placement", False)),
    )


def _is_near(at: Points, size: float, margin: float) -> bool:
    x, y = float(at[0]), float(at[1])
    return -margin <= x < size + margin and -margin <= y < size + margin


def _anchors(shape: Shape) -> Iterator[Points]:
    """Yield where a feature's symbols stand."""
    if shape.kind == POLYGON:
        largest = max(shape.parts, key=ring_area, default=None)
        if largest is not None and len(largest) > 2:
            yield _middle(largest)
    elif shape.kind == LINE:
        for line in shape.parts:
            yield line[len(line) // 2]
    else:
        for part in shape.parts:
            yield from part


def _middle(ring: Points) -> Points:
    """Return the point of an area that is farthest from its edge."""
    whole = shapely.Polygon(ring).buffer(0)
    if whole.is_empty:
        return np.asarray(ring.mean(axis=0))
    circle = shapely.maximum_inscribed_circle(np.array([whole], object), tolerance=_TOLERANCE)
    return np.asarray(shapely.get_coordinates(circle[0])[0])
