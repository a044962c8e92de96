"""Repair, promotion, heights, area and length of geometries."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from gis.geometry import (
    Geometries,
    ellipsoidal_area,
    geodesic_length,
    inner_points,
    repair,
    to_multi,
    to_single,
    with_heights,
)

CGCS2000 = Geod(a=6378137.0, rf=298.257222101)


def array(*shapes: object) -> Geometries:
    result = np.empty(len(shapes), dtype=object)
    result[:] = [shapely.from_wkt(s) if isinstance(s, str) else s for s in shapes]
    return result


def test_a_bowtie_becomes_its_two_wings_and_nothing_is_lost() -> None:
    bowtie = array("POLYGON((0 0,2 2,2 0,0 2,0 0))", "POLYGON((5 5,6 5,6 6,5 5))")
    mended = repair(bowtie)
    assert mended.repaired.tolist() == [True, False]
    assert not mended.failed.any()
    assert "Self-intersection" in mended.reasons[0]
    assert shapely.area(mended.geometries[0]) == pytest.approx(2.0)
    assert shapely.get_num_geometries(mended.geometries[0]) == 2
    assert mended.geometries[1] is bowtie[1]


def test_a_spike_is_left_out_and_the_dimension_kept() -> None:
    spike = array("POLYGON((0 0,1 0,1 1,0.5 1,0.5 3,0.5 1,0 1,0 0))")
    mended = repair(spike)
    assert mended.repaired.tolist() == [True]
    assert shapely.get_dimensions(mended.geometries[0]) == 2
    assert shapely.area(mended.geometries[0]) == pytest.approx(1.0)


def test_an_area_without_area_fails_and_stays_as_it_came() -> None:
    flat = array("POLYGON((0 0,1 1,2 2,0 0))")
    mended = repair(flat)
    assert mended.failed.tolist() == [True]
    assert mended.geometries[0] is flat[0]


coordinate = st.integers(0, 6).map(float)


@given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=9))
def test_a_repair_is_valid_of_the_same_kind_and_a_second_one_does_nothing(
    ring: list[tuple[float, float]],
) -> None:
    before = array(shapely.Polygon(ring))
    mended = repair(before)
    assert not (mended.repaired & mended.failed).any()
    if mended.failed[0]:
        return
    assert shapely.is_valid(mended.geometries).all()
    assert shapely.get_dimensions(mended.geometries).tolist() == [2]
    again = repair(mended.geometries)
    assert not again.repaired.any()
    # Nothing reaches beyond what was drawn, and every vertex of the result was drawn or crosses.
    assert shapely.covers(shapely.envelope(before[0]), mended.geometries[0])


def test_promotion_and_its_way_back() -> None:
    mixed = array("POINT(1 2)", "MULTIPOINT((1 2),(3 4))", "POINT Z(1 2 3)")
    multi = to_multi(mixed)
    assert [shape.geom_type for shape in multi] == ["MultiPoint"] * 3
    assert shapely.get_coordinates(multi[2:], include_z=True).tolist() == [[1, 2, 3]]
    single, several = to_single(multi)
    assert several.tolist() == [False, True, False]
    assert [shape.geom_type for shape in single] == ["Point", "MultiPoint", "Point"]


def test_an_inner_point_lies_on_what_it_stands_for() -> None:
    shapes = array(
        "POLYGON((0 0,9 0,9 9,8 9,8 1,0 1,0 0))", "LINESTRING(0 0,1 1,2 0)", "POINT(1 2)"
    )
    points = inner_points(shapes)
    assert [shape.geom_type for shape in points] == ["Point"] * 3
    assert shapely.intersects(points, shapes).all()
    assert points[2] is shapes[2]


@given(
    st.floats(73.5, 135.0),
    st.floats(18.0, 53.5),
    st.floats(10.0, 1000.0),
    st.integers(3, 40),
)
def test_areas_agree_with_geodesic_ones(lon: float, lat: float, size: float, sides: int) -> None:
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    degrees = size / 111_000
    ring = np.column_stack(
        [
            lon + degrees * np.cos(angles) / np.cos(np.radians(lat)),
            lat + degrees * np.sin(angles),
        ]
    )
    parcel = shapely.Polygon(ring)
    expected = abs(CGCS2000.geometry_area_perimeter(parcel)[0])
    assert ellipsoidal_area(array(parcel))[0] == pytest.approx(expected, rel=1e-6)


def test_holes_do_not_count_and_points_have_no_area() -> None:
    square = shapely.box(114.3, 29.8, 114.31, 29.81)
    hole = shapely.box(114.304, 29.804, 114.306, 29.806)
    areas = ellipsoidal_area(array(square, square - hole, hole, shapely.Point(114.3, 29.8)))
    assert areas[0] == pytest.approx(areas[1] + areas[2], rel=1e-9)
    assert areas[3] == 0.0


def test_lengths_agree_with_geodesic_ones() -> None:
    line = shapely.LineString([(114.3, 29.8), (114.31, 29.81), (114.33, 29.81)])
    both = shapely.MultiLineString([line, [(114.0, 29.0), (114.0, 29.1)]])
    square = shapely.box(114.3, 29.8, 114.31, 29.81)
    lengths = geodesic_length(array(line, both, square, shapely.Point(1, 2)))
    expected = [CGCS2000.geometry_length(shape) for shape in (line, both)]
    perimeter = CGCS2000.geometry_area_perimeter(square)[1]
    np.testing.assert_allclose(lengths, [*expected, perimeter, 0.0])


def test_heights_run_evenly_along_a_line_and_stay_level_on_an_area() -> None:
    shapes = array("LINESTRING(0 0,3 0,4 0)", "POINT(1 1)", "POLYGON((0 0,1 0,1 1,0 0))")
    raised = with_heights(shapes, np.array([10.0, 5.0, 7.0]), np.array([14.0, 6.0, 9.0]))
    heights = [shapely.get_coordinates(shape, include_z=True)[:, 2].tolist() for shape in raised]
    assert heights == [[10.0, 13.0, 14.0], [5.0], [7.0, 7.0, 7.0, 7.0]]
    assert not shapely.has_z(shapes).any()
