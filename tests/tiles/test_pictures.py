"""Pictures drawn from vector tiles."""

from collections.abc import Sequence
from typing import Any

import mapbox_vector_tile
import pytest
from PIL import Image

from layers.definition import Bilingual
from tiles.grids import TileOutOfRange
from tiles.pictures import fonts
from tiles.pictures.drawing import SHEET, draw_sheet, quarters
from tiles.pictures.places import picture_numbers, picture_place
from tiles.pictures.shapes import Window
from tiles.tile_grids import TILE_GRIDS, tile_grid
from tiles.tileset import TileSet

WHOLE = Window(SHEET)
RED, BLUE, WHITE = (255, 0, 0, 255), (0, 0, 255, 255), (255, 255, 255, 255)
Feature = tuple[str, dict[str, Any]]


def tile(*features: Feature) -> bytes:
    """One layer, ``things``; rows count downwards, as in the picture."""
    told = [{"geometry": shape, "properties": values} for shape, values in features]
    encoded: bytes = mapbox_vector_tile.encode(
        {"name": "things", "features": told},
        default_options={"y_coord_down": True, "extents": 4096},
    )
    return encoded


def drawn(data: bytes, *entries: dict[str, Any], zoom: float = 14) -> Image.Image:
    return draw_sheet(data, [{"source-layer": "things", **entry} for entry in entries], zoom, WHOLE)


def colors(image: Image.Image, *places: tuple[int, int]) -> Sequence[Any]:
    return [image.getpixel(place) for place in places]


def test_areas_are_filled_where_they_are_and_holes_are_left() -> None:
    ring = "POLYGON((800 800, 2400 800, 2400 2400, 800 2400, 800 800)"
    hole = "(1200 1200, 1200 2000, 2000 2000, 2000 1200, 1200 1200))"
    data = tile((f"{ring}, {hole}", {"kind": "a"}), ("POLYGON((0 0,80 0,80 80,0 80,0 0))", {}))
    paint = {"fill-color": ["match", ["get", "kind"], "a", "#ff0000", "#0000ff"]}
    image = drawn(data, {"type": "fill", "paint": paint})
    assert colors(image, (125, 125), (5, 5), (200, 200), (400, 400)) == [
        RED,
        BLUE,
        (0, 0, 0, 0),
        (0, 0, 0, 0),
    ]
    box = image.getchannel("A").point(lambda value: value * (value > 200)).crop((50, 50, 400, 400))
    assert box.getbbox() == pytest.approx((50, 50, 250, 250), abs=1)


def test_what_is_see_through_lies_over_the_ground_and_does_not_add_up() -> None:
    square = "POLYGON((0 0, 2048 0, 2048 2048, 0 2048, 0 0))"
    data = tile((square, {}), (square, {}))
    paint = {"fill-color": "#ff0000", "fill-opacity": 0.5}
    ground = {"type": "background", "paint": {"background-color": "#ffffff"}}
    image = drawn(data, ground, {"type": "fill", "paint": paint})
    red, green, blue, opacity = image.getpixel((100, 100))  # type: ignore[misc]
    assert (red, opacity) == (255, 255)
    assert green == blue == pytest.approx(127, abs=2)
    assert image.getpixel((400, 400)) == WHITE


def test_lines_have_their_width_their_dashes_and_their_side() -> None:
    data = tile(("LINESTRING(0 2048, 4096 2048)", {}))
    line = {"type": "line", "paint": {"line-color": "#ff0000", "line-width": 8}}
    assert drawn(data, line).getchannel("A").getbbox() == pytest.approx((0, 252, 512, 260), abs=1)
    aside = {"type": "line", "paint": {**line["paint"], "line-offset": 20}}  # type: ignore[dict-item]
    # To the right of where the line goes: downwards.
    box = drawn(data, aside).getchannel("A").getbbox()
    assert box == pytest.approx((0, 272, 512, 280), abs=1)
    dashed = {"type": "line", "paint": {**line["paint"], "line-dasharray": [2, 2]}}  # type: ignore[dict-item]
    image = drawn(data, dashed)
    row = [image.getpixel((x, 256)) for x in range(512)]
    seen = sum(1 for pixel in row if pixel == RED)
    assert seen == pytest.approx(256, abs=20)
    starts = [x for x in range(1, 512) if row[x] == RED and row[x - 1] != RED]
    assert len(starts) == pytest.approx(512 / 32, abs=1)


def test_zooms_and_filters_choose_what_is_drawn() -> None:
    data = tile(("POINT(2048 2048)", {"rank": 3}), ("POINT(1024 1024)", {"rank": 1}))
    circle: dict[str, Any] = {
        "type": "circle",
        "minzoom": 12,
        "filter": [">=", ["get", "rank"], 2],
        "paint": {"circle-color": "#0000ff", "circle-radius": 6},
    }
    image = drawn(data, circle)
    assert colors(image, (256, 256), (128, 128)) == [BLUE, (0, 0, 0, 0)]
    assert drawn(data, circle, zoom=11).getbbox() is None
    hidden = {**circle, "layout": {"visibility": "none"}}
    assert drawn(data, hidden).getbbox() is None


def test_names_stay_within_the_picture_and_make_room_for_each_other() -> None:
    if not fonts.has_fonts():
        pytest.skip("needs a font with Chinese characters")
    name: dict[str, Any] = {
        "type": "symbol",
        "layout": {"text-field": ["get", "name"], "text-size": 20},
        "paint": {"text-color": "#ff0000"},
    }
    middle = drawn(tile(("POINT(2048 2048)", {"name": "一张图"})), name)
    box = middle.getchannel("A").getbbox()
    assert box == pytest.approx((226, 246, 286, 266), abs=3)
    edge = drawn(tile(("POINT(40 2048)", {"name": "一张图"})), name).getchannel("A").getbbox()
    assert edge is not None
    assert 0 < edge[0] < 5
    both = [("POINT(2048 2048)", {"name": "一张图"}), ("POINT(2100 2048)", {"name": "二张图"})]
    assert drawn(tile(*both), name).tobytes() == middle.tobytes()


def test_names_follow_lines_and_are_written_downwards_on_steep_ones() -> None:
    if not fonts.has_fonts():
        pytest.skip("needs a font with Chinese characters")
    layout = {"text-field": ["get", "name"], "text-size": 20, "symbol-placement": "line"}
    name: dict[str, Any] = {"type": "symbol", "layout": layout}
    boxes = []
    for line in ("LINESTRING(400 2048, 3600 2048)", "LINESTRING(2048 3600, 2048 400)"):
        image = drawn(tile((line, {"name": "一一一一"})), name)
        box = image.getchannel("A").getbbox()
        assert box is not None
        boxes.append((box[2] - box[0], box[3] - box[1]))
    broken = drawn(tile((line, {"name": "一一\n一\x07\t一"})), name)
    assert broken.getchannel("A").getbbox() is not None
    # The strokes of 一 lie flat in both: one beside the other, or one below the other.
    assert boxes[0][0] == pytest.approx(78, abs=6)
    assert boxes[0][1] < 6
    assert boxes[1][0] == pytest.approx(18, abs=4)
    assert boxes[1][1] == pytest.approx(62, abs=6)


def test_a_sheet_comes_in_four_pictures() -> None:
    square = tile(("POLYGON((2048 0, 4096 0, 4096 2048, 2048 2048, 2048 0))", {}))
    sheet = drawn(square, {"type": "fill", "paint": {"fill-color": "#ff0000"}})
    found = quarters(sheet)
    assert all(part.startswith(b"\x89PNG") for part in found)
    # The upper right one is the largest: the others are clear but for an edge.
    assert colors(sheet, (300, 100), (100, 300)) == [RED, (0, 0, 0, 0)]


def tileset(least: int, most: int) -> TileSet:
    title = Bilingual(zh="图", en="Map")
    return TileSet("maps/some", "some", title, title, least, most, ())


@pytest.mark.parametrize("grid", TILE_GRIDS)
def test_pictures_are_quarters_of_tiles_that_lie_in_the_same_place(grid: str) -> None:
    known, some = tile_grid(grid), tileset(6, 16)
    numbers = picture_numbers(some, known)
    assert known.zoom(numbers[0]) == 7
    for number in (numbers[0], known.number(14), numbers[-1]):
        column, row = known.size(number)[0] * 4 // 5 + 1, known.size(number)[1] // 3 + 1
        found = picture_place(some, known, (number, column, row))
        west, _, east, north = known.box(*found.tile)
        unit = (east - west) / found.window.side
        left = west + (found.window.left + 256 * (found.quarter % 2)) * unit
        top = north - (found.window.top + 256 * (found.quarter // 2)) * unit
        box = known.box(number, column, row)
        assert (left, top) == pytest.approx((box[0], box[3]), abs=unit / 100)
        assert 256 * unit == pytest.approx(box[2] - box[0])


def test_there_are_no_pictures_beyond_the_zooms() -> None:
    grid = tile_grid("WebMercatorQuad")
    for place in ((6, 0, 0), (20, 0, 0), (8, 256, 0)):
        with pytest.raises(TileOutOfRange):
            picture_place(tileset(6, 16), grid, place)


def test_fonts_are_told_by_their_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts.shutil, "which", lambda _: None)
    fonts.font_file.cache_clear()
    try:
        assert not fonts.has_fonts()
        assert fonts.font("Noto Sans CJK SC", 12.25) is None
        empty = drawn(
            tile(("POINT(2048 2048)", {"name": "图"})),
            {"type": "symbol", "layout": {"text-field": ["get", "name"]}},
        )
        assert empty.getbbox() is None
    finally:
        fonts.font_file.cache_clear()
        fonts.font.cache_clear()
