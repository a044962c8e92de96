"""The sprite sheet."""

import io

import pytest
from PIL import Image

from tiles.icon_shapes import ICON_NAMES
from tiles.sprites import ICON_SIZE, sprite_sheet


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_every_icon_lies_on_the_sheet_apart_from_the_others(ratio: int) -> None:
    sheet = sprite_sheet(ratio)
    image = Image.open(io.BytesIO(sheet.png))
    assert tuple(sheet.index) == ICON_NAMES
    covered: set[tuple[int, int]] = set()
    for place in sheet.index.values():
        assert place["pixelRatio"] == ratio
        assert place["width"] == place["height"] == ICON_SIZE * ratio
        assert place["x"] + place["width"] <= image.width
        assert place["y"] + place["height"] <= image.height
        corner = (place["x"], place["y"])
        assert corner not in covered
        covered.add(corner)
        icon = image.crop((*corner, corner[0] + place["width"], corner[1] + place["height"]))
        alpha = icon.getchannel("A").getextrema()
        assert alpha == (0, 255), "an icon is opaque somewhere and has clear corners"


def test_drawing_again_gives_the_same_bytes() -> None:
    first = sprite_sheet(2).png
    sprite_sheet.cache_clear()
    assert sprite_sheet(2).png == first
