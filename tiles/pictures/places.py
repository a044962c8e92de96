"""Which tile a picture is drawn from, and which part of it."""

from dataclasses import dataclass

from tiles.grids import TileOutOfRange
from tiles.pictures.drawing import PICTURE, SHEET
from tiles.pictures.shapes import Window
from tiles.tile_grids import TileGrid
from tiles.tileset import TileSet

#: So many zooms beyond its deepest tiles a tile set has pictures: one of the tiles' own detail,
#: as tiles are twice as wide as pictures, the others enlarged.
_DEEPER = 3


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """Where a picture comes from."""

    #: Number, column and row of the tile.
    tile: tuple[int, int, int]
    #: The part of it that four pictures show.
    window: Window
    #: Which of the four it is: left and right above, left and right below.
    quarter: int
    #: MapLibre's zoom.
    zoom: int


def picture_numbers(tileset: TileSet, grid: TileGrid) -> range:
    """Return the matrices in which a tile set has pictures of 256 pixels.

    A picture shows a quarter of a tile as wide as 512 pixels, drawn as the web page draws it.
    """
    first = max(grid.number(tileset.min_zoom), grid.numbers[0]) + 1
    last = min(grid.number(tileset.max_zoom) + _DEEPER, grid.numbers[-1])
    return range(first, last + 1)


def picture_place(tileset: TileSet, grid: TileGrid, place: tuple[int, int, int]) -> PicturePlace:
    """Return where a picture comes from.

    Args:
        tileset: The tile set.
        grid: The grid.
        place: Number, column and row.

    Raises:
        TileOutOfRange: If there is no such picture.
    """
    number, column, row = place
    numbers = picture_numbers(tileset, grid)
    if number not in numbers:
        raise TileOutOfRange(
            f"'{tileset.name}' has pictures in the tile matrices {numbers[0]} to {numbers[-1]} "
            f"of {grid.name}, not in {number}"
        )
    grid.check(number, column, row)
    source = min(number - 1, grid.number(tileset.max_zoom))
    halvings = number - source
    tile = (source, column >> halvings, row >> halvings)
    side = PICTURE << halvings
    left = (column >> 1) * SHEET - tile[1] * side
    top = (row >> 1) * SHEET - tile[2] * side
    quarter = (column & 1) + 2 * (row & 1)
    return PicturePlace(tile, Window(side, left, top), quarter, grid.zoom(number) - 1)
