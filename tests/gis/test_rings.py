"""Areas from loose rings."""

import pytest
import shapely

from gis.rings import RingError, area_of_rings, area_of_signed_rings


def ring(x: float, y: float, size: float) -> list[tuple[float, float]]:
    return [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]


def test_a_ring_within_another_is_a_hole_and_within_that_an_island() -> None:
    area = area_of_rings([ring(4, 4, 2), ring(0, 0, 10), ring(2, 2, 6), ring(20, 0, 1)])
    assert area.geom_type == "MultiPolygon"
    assert area.area == 100 - 36 + 4 + 1
    assert shapely.is_valid(area)


def test_a_lone_ring_that_crosses_itself_is_left_for_repair() -> None:
    bow = [(0, 0), (2, 2), (2, 0), (0, 2)]
    assert not area_of_rings([bow]).is_valid
    with pytest.raises(RingError, match="ring 2 crosses itself"):
        area_of_rings([ring(0, 0, 10), bow])


def test_rings_that_cross_or_repeat_are_told_by_number() -> None:
    with pytest.raises(RingError, match="rings 1 and 2 cross"):
        area_of_rings([ring(0, 0, 2), ring(1, 1, 2)])
    with pytest.raises(RingError, match="rings 1 and 2 cross or repeat"):
        area_of_rings([ring(0, 0, 2), ring(0, 0, 2)])
    with pytest.raises(RingError, match="ring 2 has fewer than 3 corners"):
        area_of_rings([ring(0, 0, 2), [(0, 0), (1, 1), (0, 0)]])


def test_signed_rings_take_holes_out_of_what_holds_them() -> None:
    area = area_of_signed_rings(
        [(ring(1, 1, 2), False), (ring(0, 0, 10), True), (ring(20, 0, 1), True)]
    )
    assert area.area == 100 - 4 + 1
    assert shapely.is_valid(area)


@pytest.mark.parametrize(
    ("rings", "says"),
    [
        ([(ring(0, 0, 1), False)], "no ring adds area"),
        ([(ring(0, 0, 1), True), (ring(5, 5, 1), False)], "ring 2 is a hole, but lies in no"),
        ([(ring(0, 0, 2), True), (ring(1, 1, 2), True)], "rings 1 and 2 overlap"),
    ],
)
def test_signed_rings_that_make_no_area(
    rings: list[tuple[list[tuple[float, float]], bool]], says: str
) -> None:
    with pytest.raises(RingError, match=says):
        area_of_signed_rings(rings)
