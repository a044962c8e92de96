"""Spikes and outlines, against a look at one corner after the other."""

from itertools import pairwise
from math import atan2, degrees, hypot
from typing import Any

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from etl.check_kinds.vertices import _around, _spikes
from gis.paths import Paths, paths_of

#: Degrees; about 1 m.
_STEP = 1e-5
_PATH = st.lists(st.tuples(st.integers(-3, 3), st.integers(-30, 30)), min_size=3, max_size=8)


def _sides(paths: Paths, path: int) -> list[tuple[float, float]]:
    chosen = paths.path == path
    points = list(zip(paths.lon[chosen].tolist(), paths.lat[chosen].tolist(), strict=True))
    scale = 111_320.0 * np.array([np.cos(np.radians(points[0][1])), 1.0])
    return [tuple((np.subtract(end, start) * scale).tolist()) for start, end in pairwise(points)]


def _sharpest(sides: list[tuple[float, float]], *, ring: bool) -> float:
    moving = [side for side in sides if side != (0.0, 0.0)]
    corners = list(pairwise(moving))
    if ring and moving:
        corners.append((moving[-1], moving[0]))
    angles = [
        abs(degrees(atan2(a[0] * b[1] - a[1] * b[0], -(a[0] * b[0] + a[1] * b[1]))))
        for a, b in corners
    ]
    return min(angles, default=180.0)


@given(st.lists(st.tuples(_PATH, st.booleans()), min_size=1, max_size=5))
def test_spikes_are_found_at_every_corner(drawn: list[tuple[list[Any], bool]]) -> None:
    shapes = np.array(
        [
            shapely.Polygon(np.array(path) * _STEP + [114, 29])
            if areal
            else shapely.LineString(np.array(path) * _STEP + [114, 29])
            for path, areal in drawn
        ],
        dtype=object,
    )
    paths = paths_of(shapes)
    spikes, around = _spikes(paths, 5.0), _around(paths, len(shapes))
    for path, owner in enumerate(paths.owner.tolist()):
        sides = _sides(paths, path)
        sharpest = _sharpest(sides, ring=bool(paths.ring[path]))
        # Right at the limit rounding decides.
        if abs(sharpest - 5.0) > 1e-6:
            assert (owner in spikes) == (sharpest < 5.0)
        assert np.isclose(around[owner], sum(hypot(*side) for side in sides))
