"""Areas, lines and circles painted by the paint of a style layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tiles.pictures.lines import closed, dashes, set_off
from tiles.pictures.shapes import POINT, POLYGON, Points, Shape, ring_area
from tiles.pictures.stamps import Stamp
from tiles.pictures.values import Color, StyleValue, read_color, with_opacity

#: Lines from so many pixels of the canvas on get round joints.
_JOINTED = 4
#: A wide blurred thing is drawn as bright as its middle part.
_BLURRED = 0.5
_BLACK = "#000000"


class Canvas:
    """An image in premultiplied colours, larger than the picture it becomes.

    Args:
        size: Pixels along an edge of the picture.
        scale: Pixels of the canvas along one of the picture.
        background: What the picture is filled with.
    """

    def __init__(self, size: int, scale: int, background: Color) -> None:
        self.scale = scale
        side = size * scale
        red, green, blue, opacity = background
        premultiplied = tuple(part * opacity // 255 for part in (red, green, blue))
        self._image = Image.new("RGBA", (side, side), (*premultiplied, opacity))
        self._side = side

    def paint(self, entry: Mapping[str, Any], shapes: list[Shape], zoom: float) -> None:
        """Paint the features of a style layer."""
        painter = _PAINTERS.get(entry["type"])
        if painter is None or not shapes:
            return
        paint = {**entry.get("layout", {}), **entry.get("paint", {})}
        painter(self, _Paint(paint, zoom), shapes)

    def stamp(self, stamps: list[Stamp]) -> None:
        """Put icons and letters on, which other things will cover."""
        for stamp in stamps:
            stamp.put(self._image, self.scale)

    def picture(self) -> Image.Image:
        """Return the picture, in premultiplied colours."""
        return self._image.reduce(self.scale)

    def draw(self, opacity: int) -> "_Sheet":
        """Return where to draw: the canvas, or a sheet that is laid over it."""
        return _Sheet(self._image, opaque=opacity == 255)


class _Sheet:
    """Where one style layer is drawn, so that what overlaps within it does not add up."""

    def __init__(self, image: Image.Image, *, opaque: bool) -> None:
        self._base = image
        self._own = None if opaque else Image.new("RGBA", image.size)
        self.brush = ImageDraw.Draw(image if self._own is None else self._own)

    def lay(self) -> None:
        """Lay the sheet over the canvas."""
        if self._own is None:
            return
        box = self._own.getbbox()
        if box is None:
            return
        part = self._own.crop(box)
        mask = part.getchannel("A")
        part.putalpha(255)
        self._base.paste(part, box[:2], mask)


class _Paint:
    """The properties of a style layer at a zoom."""

    def __init__(self, paint: Mapping[str, Any], zoom: float) -> None:
        self._paint = paint
        self._zoom = zoom

    def value(self, name: str, usual: Any = None) -> StyleValue:
        return StyleValue(self._paint.get(name), self._zoom, usual)

    def constant(self, name: str, usual: Any = None) -> Any:
        return self.value(name, usual).of({})


def _colors(paint: _Paint, color: str, opacity: str) -> "_Colors":
    return _Colors(paint.value(color, _BLACK), paint.value(opacity, 1))


class _Colors:
    def __init__(self, color: StyleValue, opacity: StyleValue) -> None:
        self._color = color
        self._opacity = opacity

    def of(self, shape: Shape) -> Color:
        attributes = shape.attributes
        color = read_color(str(self._color.of(attributes)))
        return with_opacity(color, self._opacity.of(attributes))

    def least(self, shapes: Sequence[Shape]) -> int:
        """Return the least opacity of all; one feature tells, where all are alike."""
        is_constant = self._color.is_constant and self._opacity.is_constant
        return min(self.of(shape)[3] for shape in (shapes[:1] if is_constant else shapes))


def _sorted(shapes: list[Shape], key: StyleValue) -> list[Shape]:
    if key.is_constant:
        return shapes
    return sorted(shapes, key=lambda shape: float(key.of(shape.attributes) or 0))


def _fill(canvas: Canvas, paint: _Paint, shapes: list[Shape]) -> None:
    _areas(canvas, _colors(paint, "fill-color", "fill-opacity"), paint, shapes)
    outline = paint.value("fill-outline-color")
    if outline.of(shapes[0].attributes) is not None:
        colors = _Colors(outline, paint.value("fill-opacity", 1))
        _strokes(canvas, colors, [(shape, 1.0, closed(ring)) for shape, ring in _rings(shapes)])


def _extrusion(canvas: Canvas, paint: _Paint, shapes: list[Shape]) -> None:
    # Seen from above, what stands is its roof.
    colors = _colors(paint, "fill-extrusion-color", "fill-extrusion-opacity")
    _areas(canvas, colors, paint, shapes)


def _areas(canvas: Canvas, colors: _Colors, paint: _Paint, shapes: list[Shape]) -> None:
    shift = np.array(paint.constant("fill-translate", [0, 0]), float)
    areas = [shape for shape in shapes if shape.kind == POLYGON]
    if not areas:
        return
    sheet = canvas.draw(colors.least(areas))
    for shape in areas:
        color = colors.of(shape)
        for outline in _outlines(shape.parts):
            points = (outline + shift) * canvas.scale
            sheet.brush.polygon(points.ravel().tolist(), fill=color)
    sheet.lay()


def _outlines(rings: list[Points]) -> Iterator[Points]:
    """Yield polygons as single rings: holes hang at bridges as wide as nothing."""
    current: Points | None = None
    for ring in rings:
        if len(ring) < 3:
            continue
        if current is None or ring_area(ring) > 0:
            if current is not None:
                yield current
            current = ring
        else:
            current = _bridged(current, ring)
    if current is not None:
        yield current


def _bridged(outer: Points, hole: Points) -> Points:
    at = int(np.argmin(((outer - hole[0]) ** 2).sum(axis=1)))
    return np.concatenate([outer[: at + 1], hole, hole[:1], outer[at:]])


def _rings(shapes: list[Shape]) -> Iterator[tuple[Shape, Points]]:
    for shape in shapes:
        if shape.kind == POLYGON:
            for ring in shape.parts:
                yield shape, ring


def _line(canvas: Canvas, paint: _Paint, shapes: list[Shape]) -> None:
    colors = _colors(paint, "line-color", "line-opacity")
    widths, offsets = paint.value("line-width", 1), paint.value("line-offset", 0)
    pattern = paint.constant("line-dasharray")
    strokes: list[tuple[Shape, float, Points]] = []
    for shape in _sorted(shapes, paint.value("line-sort-key")):
        width = float(widths.of(shape.attributes))
        if shape.kind == POINT or width <= 0:
            continue
        for part in shape.parts:
            line = closed(part) if shape.kind == POLYGON else part
            for moved in set_off(line, float(offsets.of(shape.attributes))):
                strokes.extend((shape, width, piece) for piece in _pieces(moved, pattern, width))
    is_round = paint.constant("line-cap", "butt") == "round" and not pattern
    _strokes(canvas, colors, strokes, is_round=is_round)


def _pieces(line: Points, pattern: Any, width: float) -> Iterator[Points]:
    if len(line) < 2:
        return
    if isinstance(pattern, list) and len(pattern) > 1:
        yield from dashes(line, [float(part) * width for part in pattern])
    else:
        yield line


def _strokes(
    canvas: Canvas,
    colors: _Colors,
    strokes: list[tuple[Shape, float, Points]],
    *,
    is_round: bool = False,
) -> None:
    if not strokes:
        return
    thinnest = min(width for _, width, _ in strokes) * canvas.scale
    least = colors.least([shape for shape, _, _ in strokes])
    sheet = canvas.draw(least if thinnest >= 1 else 0)
    for shape, width, line in strokes:
        color = colors.of(shape)
        wide = width * canvas.scale
        if wide < 1:
            color = with_opacity(color, wide)
        points = line * canvas.scale
        joint = "curve" if wide >= _JOINTED and len(line) > 2 else None
        sheet.brush.line(
            [(x, y) for x, y in points.tolist()], color, max(1, round(wide)), joint=joint
        )
        if is_round and wide >= _JOINTED:
            for end in (points[0], points[-1]):
                _disc(sheet.brush, end, wide / 2, color)
    sheet.lay()


def _disc(brush: ImageDraw.ImageDraw, at: Points, radius: float, color: Color) -> None:
    x, y = float(at[0]), float(at[1])
    # The last pixel of a box is within it.
    far = max(radius - 1, 0.0)
    brush.ellipse([x - radius, y - radius, x + far, y + far], fill=color)


def _circle(canvas: Canvas, paint: _Paint, shapes: list[Shape]) -> None:
    fills = _colors(paint, "circle-color", "circle-opacity")
    strokes = _colors(paint, "circle-stroke-color", "circle-stroke-opacity")
    radii, widths = paint.value("circle-radius", 5), paint.value("circle-stroke-width", 0)
    blur = _BLURRED if float(paint.constant("circle-blur", 0)) > 0 else 1.0
    sheet = canvas.draw(fills.least(shapes) if blur == 1 else 0)
    for shape in _sorted(shapes, paint.value("circle-sort-key")):
        radius, width = (
            float(value.of(shape.attributes)) * canvas.scale for value in (radii, widths)
        )
        color = with_opacity(fills.of(shape), blur)
        for part in shape.parts:
            for at in part * canvas.scale:
                if width:
                    _disc(sheet.brush, at, radius + width, strokes.of(shape))
                _disc(sheet.brush, at, radius, color)
    sheet.lay()


_PAINTERS = {
    "fill": _fill,
    "fill-extrusion": _extrusion,
    "line": _line,
    "circle": _circle,
}
