"""The tile grid, against the definition of EPSG:3857 tiles."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles.grids import (
    BUFFER,
    EXTENT,
    TileOutOfRange,
    buffered_degrees,
    check_tile,
    tile_box,
    tiles_over,
    unit_size,
)

HALF = math.pi * 6378137.0
places = st.integers(0, 22).flatmap(
    lambda z: st.tuples(st.just(z), st.integers(0, 2**z - 1), st.integers(0, 2**z - 1))
)


@given(places)
def test_a_tile_lies_where_the_power_of_two_says(place: tuple[int, int, int]) -> None:
    z, x, y = place
    side = 2 * HALF / 2**z
    west, south, east, north = tile_box(z, x, y)
    assert west == pytest.approx(-HALF + x * side, abs=1e-6)
    assert north == pytest.approx(HALF - y * side, abs=1e-6)
    assert (east - west, north - south) == pytest.approx((side, side), rel=1e-9, abs=1e-6)
    assert unit_size(z) * EXTENT == pytest.approx(side, rel=1e-9)


@given(places)
def test_the_buffer_reaches_beyond_every_edge(place: tuple[int, int, int]) -> None:
    west, south, east, north = buffered_degrees(tile_box(*place))
    assert west < east
    assert south < north
    assert east - west == pytest.approx(360 / 2 ** place[0] * (1 + 2 * BUFFER / EXTENT))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((3, 8, 0), "columns are 0 to 7"),
        ((3, 0, 8), "rows 0 to 7"),
        ((3, -1, 0), "outside the grid"),
        ((99, 0, 0), "zoom 99"),
        ((-1, 0, 0), "zoom -1"),
    ],
)
def test_a_tile_outside_the_grid_is_refused(place: tuple[int, int, int], words: str) -> None:
    with pytest.raises(TileOutOfRange, match=words):
        check_tile(*place)


def test_tiles_over_a_box_stay_in_the_grid_even_at_the_poles() -> None:
    assert tiles_over((-180.0, -90.0, 180.0, 90.0), 2) == (0, 0, 3, 3)
    west, north, east, south = tiles_over((114.2, 29.8, 114.4, 29.9), 12)
    assert (west, north, east, south) == (3347, 1691, 3349, 1692)
