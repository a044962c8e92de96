"""Texts as masks: what is letter and what is halo."""

import math
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from tiles.pictures.fonts import font

#: Of a font's size: from one line to the next, as MapLibre's ``text-line-height`` has it.
_LINE_HEIGHT = 1.2
_FIRST_WIDE = "\u2e80"


@dataclass(frozen=True, slots=True)
class Lettering:
    """How a text is set; lengths in pixels."""

    font: str
    size: float
    halo: float = 0.0
    #: Between letters.
    spacing: float = 0.0
    #: Lines are broken from here on.
    widest: float = math.inf


@dataclass(frozen=True, slots=True)
class Letters:
    """A text that was set: masks of the same size, with room for the halo around the text."""

    fill: Image.Image
    halo: Image.Image | None
    #: Of the text alone.
    width: float
    height: float
    #: Room around it.
    margin: int


@lru_cache(maxsize=4096)
def letters(text: str, how: Lettering) -> Letters | None:
    """Return a text in lines, each in the middle; ``None`` where there is no font."""
    face = font(how.font, round(how.size * 2) / 2)
    if face is None:
        return None
    lines = [part for line in text.split("\n") for part in _broken(line, face, how)]
    widths = [_width(line, face, how.spacing) for line in lines]
    step = how.size * _LINE_HEIGHT
    width, height = max(widths), step * len(lines)
    margin = math.ceil(how.halo) + 1
    size = (math.ceil(width) + 2 * margin, math.ceil(height) + 2 * margin)
    fill = Image.new("L", size)
    halo = Image.new("L", size) if how.halo > 0 else None
    for number, (line, wide) in enumerate(zip(lines, widths, strict=True)):
        x = margin + (width - wide) / 2
        y = margin + (number + 0.5) * step
        _set(fill, (x, y), line, face, how.spacing, 0.0)
        if halo is not None:
            _set(halo, (x, y), line, face, how.spacing, how.halo)
    return Letters(fill, halo, width, height, margin)


def is_wide(letter: str) -> bool:
    """Tell whether a letter is one of those that are also written downwards, such as Chinese."""
    return letter >= _FIRST_WIDE


def advances(text: str, how: Lettering) -> list[float] | None:
    """Return how far each letter takes a line of text; ``None`` where there is no font."""
    face = font(how.font, round(how.size * 2) / 2)
    if face is None:
        return None
    return [face.getlength(letter) + how.spacing for letter in text]


def _set(
    mask: Image.Image,
    at: tuple[float, float],
    line: str,
    face: ImageFont.FreeTypeFont,
    spacing: float,
    stroke: float,
) -> None:
    brush = ImageDraw.Draw(mask)
    if not spacing:
        brush.text(at, line, fill=255, font=face, anchor="lm", stroke_width=stroke)
        return
    x, y = at
    for letter in line:
        brush.text((x, y), letter, fill=255, font=face, anchor="lm", stroke_width=stroke)
        x += face.getlength(letter) + spacing


def _width(line: str, face: ImageFont.FreeTypeFont, spacing: float) -> float:
    return face.getlength(line) + spacing * max(len(line) - 1, 0)


def _broken(line: str, face: ImageFont.FreeTypeFont, how: Lettering) -> list[str]:
    """Return a line in lines of about the same width, none wider than may be."""
    whole = _width(line, face, how.spacing)
    if whole <= how.widest:
        return [line]
    aim = whole / math.ceil(whole / how.widest)
    lines, current = [], ""
    for word in _words(line):
        if current and _width(current + word, face, how.spacing) > aim + how.size / 2:
            lines.append(current.strip())
            current = ""
        current += word
    return [*lines, current.strip()]


def _words(line: str) -> list[str]:
    """Return the parts between which a line may be broken: words, and each Chinese character."""
    words = [""]
    for letter in line:
        if is_wide(letter) or words[-1][-1:] == " " or is_wide(words[-1][-1:]):
            words.append(letter)
        else:
            words[-1] += letter
    return [word for word in words if word]
