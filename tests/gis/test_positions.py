"""Reference systems, Web Mercator and the offsets of commercial maps: numbers that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from gis import crs, datum_offsets, mercator
from gis.crs import CrsError, HeightDatum, cgcs2000_zone, resolve, suspect, to_storage, zone_of

#: A point in Xianning whose coordinates are known in every system (CGCS2000 lon/lat).
LON, LAT = 114.32, 29.84
EAST, NORTH = 530925.100, 3302420.193

longitudes = st.floats(73.5, 135.0)
latitudes = st.floats(18.0, 53.5)


def one(value: float) -> crs.Array:
    return np.array([value])


@pytest.mark.parametrize(
    ("system", "x", "y"),
    [
        ("EPSG:4490", LON, LAT),
        ("4547", EAST, NORTH),
        ("EPSG:4526", EAST + 38_000_000, NORTH),
        ("EPSG:4547+5737", EAST, NORTH),
        ("urn:ogc:def:crs:EPSG::4547", EAST, NORTH),
        ("GCJ-02", 114.325402, 29.837530),
        ("BD-09", 114.331908, 29.843444),
    ],
)
def test_the_golden_point_is_found_from_every_system(system: str, x: float, y: float) -> None:
    lon, lat = to_storage(resolve(system))(one(x), one(y))
    # GCJ-02 and BD-09 are given to 1e-6 degrees (0.1 m), the projected ones to 1 mm.
    tolerance = 1e-6 if "0" in system[-2:-1] and "-" in system else 1e-8
    assert lon[0] == pytest.approx(LON, abs=tolerance)
    assert lat[0] == pytest.approx(LAT, abs=tolerance)


def test_esri_wkt_is_recognised() -> None:
    source = resolve(CRS.from_epsg(4547).to_wkt("WKT1_ESRI"))
    assert source.label == "EPSG:4547"
    assert source.names_north_x
    assert source.area == pytest.approx((112.0, 21.02, 116.0, 45.95), abs=0.01)


@pytest.mark.parametrize("code", [4610, 2383, 2362, 2379])
def test_xian_1980_is_refused(code: int) -> None:
    for text in (f"EPSG:{code}", CRS.from_epsg(code).to_wkt("WKT1_ESRI")):
        with pytest.raises(CrsError, match=r"Xi'an 1980.*local parameter set"):
            resolve(text)


@pytest.mark.parametrize("code", [4214, 2435, 2414, 4555])
def test_beijing_1954_is_refused_although_proj_knows_a_rough_shift(code: int) -> None:
    for text in (f"EPSG:{code}", CRS.from_epsg(code).to_wkt("WKT1_ESRI")):
        with pytest.raises(CrsError, match=r"Beijing 1954.*local parameter set"):
            resolve(text)


@pytest.mark.parametrize("text", ["", "foo", "EPSG:99999", "EPSG:5737", "WGS 84 somewhere"])
def test_what_is_no_map_crs_is_refused(text: str) -> None:
    with pytest.raises(CrsError):
        resolve(text)


def test_a_ballpark_transformation_is_refused() -> None:
    with pytest.raises(CrsError, match="no transformation from"):
        resolve("+proj=tmerc +lon_0=114 +ellps=GRS80 +type=crs")


def test_wgs84_is_accepted_as_a_null_step_and_says_so() -> None:
    assert "null step" in to_storage(resolve("EPSG:4326")).description
    assert "null step" not in to_storage(resolve("EPSG:4547")).description


def test_foreign_datums_tell_their_accuracy() -> None:
    assert to_storage(resolve("EPSG:28992")).accuracy_m == pytest.approx(1.0)
    assert to_storage(resolve("EPSG:2227")).accuracy_m == pytest.approx(4.0)
    assert to_storage(resolve("EPSG:4526")).accuracy_m == 0.0


def test_feet_become_degrees() -> None:
    x, y = Transformer.from_crs(4326, 2227, always_xy=True).transform(-121.9, 37.3)
    lon, lat = to_storage(resolve("EPSG:2227"))(one(x), one(y))
    assert (lon[0], lat[0]) == (pytest.approx(-121.9, abs=1e-5), pytest.approx(37.3, abs=1e-5))


@pytest.mark.parametrize(
    ("text", "datum"),
    [
        ("EPSG:4547", HeightDatum.UNSTATED),
        ("EPSG:4547+5737", HeightDatum.NORMAL_1985),
        ("EPSG:4547+5736", HeightDatum.NORMAL_1956),
        ("EPSG:4480", HeightDatum.ELLIPSOIDAL),
        ("EPSG:7415", HeightDatum.OTHER),
    ],
)
def test_height_datums(text: str, datum: HeightDatum) -> None:
    assert resolve(text).heights is datum


def test_zone_numbers() -> None:
    assert zone_of(38_530_925.1) == 38
    assert zone_of(530_925.1) is None
    assert cgcs2000_zone(38, prefixed=True) == 4526
    assert cgcs2000_zone(38, prefixed=False) == 4547
    assert cgcs2000_zone(19, prefixed=True) == 4497
    assert cgcs2000_zone(20, prefixed=False) == 4509
    assert cgcs2000_zone(99, prefixed=True) is None


@given(st.integers(25, 45))
def test_a_prefixed_zone_is_its_plain_one_with_the_number_in_front(zone: int) -> None:
    with_prefix = to_storage(resolve(str(cgcs2000_zone(zone, prefixed=True))))
    without = to_storage(resolve(str(cgcs2000_zone(zone, prefixed=False))))
    moved = with_prefix(one(zone * 1e6 + 520_000.0), one(NORTH))
    np.testing.assert_allclose(moved, without(one(520_000.0), one(NORTH)), atol=1e-10)


@pytest.mark.parametrize(
    ("system", "x", "y", "hint"),
    [
        ("EPSG:4547", NORTH, EAST, "swapped"),
        ("EPSG:4547", EAST + 38_000_000, NORTH, "EPSG:4526"),
        ("EPSG:4547", LON, LAT, "degrees"),
        ("EPSG:4526", EAST, NORTH, "without"),
        ("EPSG:4490", LAT, LON, "swapped"),
        ("EPSG:4490", EAST + 38_000_000, NORTH, "EPSG:4526"),
        ("EPSG:4326", 6108510.0, 1880739.0, "--crs"),
    ],
)
def test_a_wrong_place_gets_a_hint(system: str, x: float, y: float, hint: str) -> None:
    assert hint in str(suspect(resolve(system), x, y))


@given(longitudes, latitudes)
def test_gcj_and_bd_offsets_invert_below_a_micrometre(lon: float, lat: float) -> None:
    there = datum_offsets.wgs_to_gcj(one(lon), one(lat))
    back = datum_offsets.gcj_to_wgs(*there)
    assert abs(back[0][0] - lon) < 1e-11
    assert abs(back[1][0] - lat) < 1e-11
    back = datum_offsets.bd_to_wgs(*datum_offsets.wgs_to_bd(one(lon), one(lat)))
    assert abs(back[0][0] - lon) < 1e-11
    assert abs(back[1][0] - lat) < 1e-11


def test_the_published_offsets_of_the_golden_point() -> None:
    np.testing.assert_allclose(
        np.ravel(datum_offsets.wgs_to_gcj(one(LON), one(LAT))), [114.325402, 29.837530], atol=5e-7
    )
    np.testing.assert_allclose(
        np.ravel(datum_offsets.wgs_to_bd(one(LON), one(LAT))), [114.331908, 29.843444], atol=5e-7
    )


@given(st.floats(-180, 180), st.floats(-85, 85))
def test_mercator_agrees_with_proj_and_inverts(lon: float, lat: float) -> None:
    x, y = mercator.forward(one(lon), one(lat))
    expected = Transformer.from_crs(4326, 3857, always_xy=True).transform(lon, lat)
    assert (x[0], y[0]) == (
        pytest.approx(expected[0], abs=1e-6),
        pytest.approx(expected[1], abs=1e-6),
    )
    back = mercator.inverse(x, y)
    assert (back[0][0], back[1][0]) == (
        pytest.approx(lon, abs=1e-9),
        pytest.approx(lat, abs=1e-9),
    )


def test_mercator_ends_at_the_square() -> None:
    _, y = mercator.forward(one(0.0), one(90.0))
    assert y[0] == pytest.approx(20037508.342789244)
