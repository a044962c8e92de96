"""The benchmark's check of decoded tiles finds the gaps and overlaps that there are."""

import numpy as np
import pytest
import shapely

from benchmarks.tiles.coverage import gaps, overlaps, widest


def tiles(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    return np.array([shapely.box(*box) for box in boxes], dtype=object)


def test_neighbours_have_neither() -> None:
    shapes = tiles((0, 0, 50, 100), (50, 0, 100, 40), (50, 40, 100, 100))
    assert widest(gaps(shapes)) == 0.0
    assert widest(overlaps(shapes)) == 0.0


@pytest.mark.parametrize("width", [1.0, 3.0])
def test_a_gap_that_is_open_at_both_ends_is_found(width: float) -> None:
    shapes = tiles((0, 0, 50, 100), (50 + width, 0, 100, 100))
    assert widest(gaps(shapes)) == pytest.approx(width, abs=0.1)


def test_a_hole_and_an_overlap_are_measured() -> None:
    ring = shapely.difference(shapely.box(0, 0, 100, 100), shapely.box(20, 20, 60, 40))
    shapes = np.array([ring, shapely.box(95, 0, 200, 100)], dtype=object)
    assert widest(gaps(shapes)) == pytest.approx(20.0, abs=0.1)
    assert widest(overlaps(shapes)) == pytest.approx(5.0, abs=0.1)
