"""What is proved simple is valid to GEOS too, and compact parcels are proved simple."""

from typing import Any

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.star_rings import star_shaped

#: A coarse grid makes vertices, sides and turns meet; a fine one tries the rounding.
_STEPS = st.sampled_from([1.0, 1e-3, 2**-30, 1e-15])
_RING = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=9)


def _proved(rings: list[Any]) -> list[bool]:
    points = np.concatenate([np.asarray(ring, dtype=float) for ring in rings])
    counts = np.array([len(ring) for ring in rings])
    return [bool(one) for one in star_shaped(points[:, 0], points[:, 1], counts)]


@given(st.lists(_RING, min_size=1, max_size=6), _STEPS, st.integers(0, 180))
@settings(max_examples=500)
def test_what_is_proved_is_valid(
    drawn: list[list[tuple[int, int]]], step: float, away: int
) -> None:
    rings = [np.array([*ring, ring[0]]) * step + away for ring in drawn]
    for proved, ring in zip(_proved(rings), rings, strict=True):
        assert not proved or shapely.Polygon(ring).is_valid


@given(st.lists(st.floats(0.2, 1.0), min_size=4, max_size=40), st.sampled_from([1, -1]))
def test_rings_about_a_place_are_proved(reach: list[float], way: int) -> None:
    # Nearly round, so that the mean of the vertices sees all sides.
    radius = 1 + 0.05 * np.array(reach)
    turn = np.linspace(0, 2 * np.pi, len(reach), endpoint=False)
    ring = np.column_stack([114 + radius * np.cos(turn), 29 + radius * np.sin(turn)])
    ring = np.vstack([ring, ring[:1]])
    assert _proved([ring[::way]]) == [True]


def test_what_is_no_star_is_not_proved() -> None:
    square = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    twice = [*square, *square[1:]]
    crossed = [(0, 0), (1, 1), (1, 0), (0, 1), (0, 0)]
    open_ = [(0, 0), (1, 0), (1, 1), (0, 1)]
    bent = [(0, 0), (9, 0), (9, 9), (8, 9), (8, 1), (0, 1), (0, 0)]
    paused = [(0, 0), (1, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    # Twice about the middle without a repeated vertex.
    pentagram = [(np.cos(4 * np.pi * k / 5), np.sin(4 * np.pi * k / 5)) for k in range(5)]
    rings = [square, twice, crossed, open_, bent, paused, [*pentagram, pentagram[0]]]
    assert _proved(rings) == [True, False, False, False, False, False, False]


def test_without_rings_nothing_is_said() -> None:
    nothing = np.zeros(0)
    assert not len(star_shaped(nothing, nothing, np.zeros(0, dtype=np.int64)))
