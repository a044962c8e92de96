"""The table of reference systems says what EPSG says."""

import numpy as np
import pytest
from pyproj import CRS

from gis.boxes import box_ring
from gis.systems import CGCS2000, CRS84, CRS84H, GAUSS_KRUGER, CoordinateSystem, coordinate_systems

ALL = coordinate_systems(sorted(GAUSS_KRUGER))


@pytest.mark.parametrize("system", ALL[2:], ids=lambda system: str(system.srid))
def test_axis_orders_and_datums_are_those_of_epsg(system: CoordinateSystem) -> None:
    crs = CRS.from_epsg(system.srid)
    assert system.uri == f"http://www.opengis.net/def/crs/EPSG/0/{system.srid}"
    assert system.north_first == (crs.axis_info[0].direction == "north")
    assert system.is_projected == crs.is_projected
    assert crs.geodetic_crs is not None
    assert crs.geodetic_crs.to_epsg() == (4326 if system.srid == 3857 else 4490)


def test_the_systems_of_ogc_have_longitude_first() -> None:
    assert [entry.direction for entry in CRS.from_authority("OGC", "CRS84").axis_info] == [
        "east",
        "north",
    ]
    assert not CRS84.north_first
    assert not CRS84H.north_first
    assert CRS84H.uri.endswith("/OGC/0/CRS84h")


@pytest.mark.parametrize(
    ("code", "first", "second"),
    [
        (4490, 29.84, 114.32),
        (4547, 3302420.193, 530925.100),
        (4526, 3302420.193, 38530925.100),
        (3857, 12726044.187487, 3482999.87022),
    ],
)
def test_the_golden_point_is_found_in_the_authority_s_order(
    code: int, first: float, second: float
) -> None:
    (system,) = (
        entry for entry in coordinate_systems((4547, 4526)) if entry.uri.endswith(f"/{code}")
    )
    lon, lat = system.to_storage(np.array([first]), np.array([second]))
    assert (lon[0], lat[0]) == (pytest.approx(114.32, abs=1e-8), pytest.approx(29.84, abs=1e-8))


def test_swapped_axes_are_seen_where_they_can_be() -> None:
    systems = {entry.srid: entry for entry in coordinate_systems((4547, 4526))}
    for code, east in ((4547, 530925.0), (4526, 38530925.0)):
        assert systems[code].looks_swapped(east, 3302420.0)
        assert not systems[code].looks_swapped(3302420.0, east)
    assert not CGCS2000.looks_swapped(114.0, 30.0)


def test_a_ring_follows_the_edges_of_a_box() -> None:
    ring = box_ring([0.0, 0.0], [250.0, 40.0])
    assert (ring[0] == ring[-1]).all()
    assert np.hypot(*np.diff(ring, axis=0).T).max() < 100
    assert len(box_ring([0.0, 0.0], [1e7, 1e7])) == 801
