"""The sprite sheet of the map's icons, drawn from ``tiles.icon_shapes`` at any pixel ratio."""

import io
import math
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw

from tiles.icon_shapes import ICON_NAMES, ICONS, Brush, Drawing

#: Side of an icon in CSS pixels, and the transparent rim between two on the sheet.
ICON_SIZE = 22
_RIM = 1
#: Each icon is drawn this many times larger and brought down, which smooths its edges.
_OVERSAMPLING = 8


@dataclass(frozen=True)
class SpriteSheet:
    """A MapLibre sprite: an image, and where on it each icon lies."""

    png: bytes
    index: dict[str, dict[str, int]]


@cache
def sprite_sheet(pixel_ratio: int) -> SpriteSheet:
    """Return the sheet for screens of ``pixel_ratio`` device pixels a CSS pixel.

    The same ratio always gives the same bytes.
    """
    side = ICON_SIZE * pixel_ratio
    step = side + _RIM * pixel_ratio
    columns = math.ceil(math.sqrt(len(ICON_NAMES)))
    rows = math.ceil(len(ICON_NAMES) / columns)
    sheet = Image.new("RGBA", (columns * step, rows * step))
    index: dict[str, dict[str, int]] = {}
    for number, name in enumerate(ICON_NAMES):
        x, y = number % columns * step, number // columns * step
        sheet.paste(_icon(ICONS[name], side), (x, y))
        index[name] = {
            "x": x,
            "y": y,
            "width": side,
            "height": side,
            "pixelRatio": pixel_ratio,
        }
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return SpriteSheet(stream.getvalue(), index)


@cache
def icon_png(name: str) -> bytes | None:
    """Return one icon as a PNG of two pixels a CSS pixel; ``None`` if there is none."""
    drawing = ICONS.get(name)
    if drawing is None:
        return None
    stream = io.BytesIO()
    _icon(drawing, 2 * ICON_SIZE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def icon_image(name: str, side: int) -> Image.Image | None:
    """Return one icon, ``side`` pixels along an edge; ``None`` if there is none."""
    drawing = ICONS.get(name)
    return None if drawing is None else _icon(drawing, side)


def _icon(drawing: Drawing, side: int) -> Image.Image:
    large = side * _OVERSAMPLING
    image = Image.new("RGBA", (large, large), (255, 255, 255, 0))
    drawing(Brush(ImageDraw.Draw(image), large / 100))
    return image.resize((side, side), Image.Resampling.LANCZOS)
