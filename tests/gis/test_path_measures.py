"""Quick measures agree with the exact ones."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gis.geometry import ellipsoidal_area, geodesic_length
from gis.path_measures import areas, lengths
from gis.paths import joined, paths_of, plain_paths

_SIZE = st.sampled_from([1e-5, 1e-3, 5e-2, 0.5])
_SHAPES = st.lists(
    st.tuples(st.floats(100, 130), st.floats(-45, 60), _SIZE, st.booleans()),
    min_size=1,
    max_size=8,
)


@given(_SHAPES)
def test_quick_measures_are_those_of_geodesy(
    placed: list[tuple[float, float, float, bool]],
) -> None:
    shapes = []
    for lon, lat, size, holed in placed:
        shape = shapely.Point(lon, lat).buffer(size, quad_segs=5)
        if holed:
            shape = shape.difference(shapely.Point(lon, lat).buffer(size / 3))
        shapes.append(shape)
    geometries = np.array(shapes, dtype=object)
    paths = paths_of(geometries)
    np.testing.assert_allclose(
        areas(paths, len(shapes)), ellipsoidal_area(geometries), rtol=2e-7, atol=1e-6
    )
    np.testing.assert_allclose(lengths(paths, len(shapes)), geodesic_length(geometries), rtol=2e-7)


def test_lines_have_a_length_and_no_area() -> None:
    line = shapely.LineString([(114.3, 29.8), (114.301, 29.801), (114.302, 29.8)])
    paths = paths_of(np.array([None, line], dtype=object))
    assert areas(paths, 2).tolist() == [0.0, 0.0]
    assert lengths(paths, 2)[0] == 0.0
    assert lengths(paths, 2)[1] == pytest.approx(geodesic_length(np.array([line]))[0])


def test_plain_paths_are_those_of_the_geometries() -> None:
    first, second = shapely.box(114, 29, 114.01, 29.01), shapely.box(114.1, 29, 114.12, 29.01)
    whole = paths_of(np.array([first, second], dtype=object))
    vertices = [shapely.get_coordinates(shape) for shape in (first, second)]
    one, other = (
        plain_paths(points, np.array([len(points)]), np.array([owner]), rings=True)
        for owner, points in enumerate(vertices)
    )
    both = joined(one, other)
    for name in ("lon", "lat", "path", "owner", "ring", "hole"):
        np.testing.assert_array_equal(getattr(both, name), getattr(whole, name))
    np.testing.assert_allclose(both.steps[0], whole.steps[0])


def test_nothing_has_no_measure() -> None:
    nothing = paths_of(np.array([None, None], dtype=object))
    assert areas(nothing, 2).tolist() == [0.0, 0.0]
    assert lengths(nothing, 2).tolist() == [0.0, 0.0]
