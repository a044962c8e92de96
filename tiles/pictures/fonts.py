"""Fonts with Chinese characters that the system has, found through fontconfig."""

import shutil
import subprocess
from functools import cache, lru_cache

from PIL import ImageFont

_FORMAT = "%{file}\n%{index}\n%{lang}"
_SECONDS = 20
_STYLES = {"Bold": "bold", "Italic": "italic"}


@cache
def font_file(name: str) -> tuple[str, int] | None:
    """Return the file of the font nearest to a name, and its place in the file.

    Args:
        name: As styles name fonts, such as ``Noto Sans CJK SC Bold``.

    Returns:
        ``None`` if the system has no font with Chinese characters, or no fontconfig.
    """
    program = shutil.which("fc-match")
    if program is None:
        return None
    words = name.split()
    family = " ".join(word for word in words if word not in _STYLES)
    styles = "".join(f":{_STYLES[word]}" for word in words if word in _STYLES)
    try:
        done = subprocess.run(  # noqa: S603 -- fontconfig, with a pattern of a map's style
            [program, "-f", _FORMAT, f"{family}:lang=zh-cn{styles}"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        file, index, languages = done.stdout.split("\n", 2)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return (file, int(index)) if "zh-cn" in languages.split("|") else None


def has_fonts() -> bool:
    """Whether there is a font with Chinese characters; without one, pictures bear no names."""
    return font_file("Noto Sans CJK SC") is not None


@lru_cache(maxsize=128)
def font(name: str, size: float) -> ImageFont.FreeTypeFont | None:
    """Return a font at a size in pixels; ``None`` if there is none."""
    found = font_file(name)
    if found is None:
        return None
    # Chinese and Latin need no shaping; the engine that shapes refuses some texts.
    basic = ImageFont.Layout.BASIC
    return ImageFont.truetype(found[0], size, index=found[1], layout_engine=basic)
