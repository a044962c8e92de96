"""Units: factors as their sources define them, apart where they differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.units import UNITS, UnitError, conversion, unit_of


@pytest.mark.parametrize(
    ("given_unit", "wanted", "value", "expected"),
    [
        ("mu", "m2", 15.0, 10_000.0),
        ("亩", "m2", 1.0, 2000 / 3),
        ("万亩", "km2", 15.0, 100.0),
        ("公顷", "m2", 1.0, 10_000.0),
        ("ha", "亩", 1.0, 15.0),
        ("km2", "ha", 1.0, 100.0),
        ("万立方米", "m3", 3.0, 30_000.0),
        ("in", "mm", 1.0, 25.4),
        ("ft", "m", 1.0, 0.3048),
        ("ftUS", "m", 3937.0, 1200.0),
        ("acre", "m2", 1.0, 4046.8564224),
        ("acUS", "m2", 1.0, 43_560 * (1200 / 3937) ** 2),
        ("‰", "%", 5.0, 0.5),
        ("%", "1", 5.0, 0.05),
        ("亿元", "10000 CNY", 1.0, 10_000.0),
        ("degF", "Cel", 212.0, 100.0),
        ("Cel", "degF", 100.0, 212.0),
        ("K", "Cel", 0.0, -273.15),
        ("m/s", "km/h", 10.0, 36.0),
    ],
)
def test_a_value_in_another_unit(
    given_unit: str, wanted: str, value: float, expected: float
) -> None:
    way = conversion(given_unit, wanted)
    assert value * way.scale + way.offset == pytest.approx(expected, rel=1e-15, abs=1e-12)


def test_the_two_feet_differ_by_two_parts_in_a_million() -> None:
    assert conversion("ftUS", "ft").scale - 1 == pytest.approx(2e-6, rel=1e-4)


def test_what_cannot_be_converted_is_told() -> None:
    with pytest.raises(UnitError, match="there is no unit 'furlong'"):
        conversion("furlong", "m")
    with pytest.raises(UnitError, match="'ft' is a unit of length, 'm2' one of area"):
        conversion("ft", "m2")


@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.floats(-1e6, 1e6))
def test_there_and_back_is_the_same(first: str, second: str, value: float) -> None:
    if unit_of(first).quantity != unit_of(second).quantity:
        with pytest.raises(UnitError):
            conversion(first, second)
        return
    there, back = conversion(first, second), conversion(second, first)
    moved = value * there.scale + there.offset
    assert moved * back.scale + back.offset == pytest.approx(value, rel=1e-9, abs=1e-9)
