"""Quick transformations agree with exact ones, and step aside where they cannot."""

import numpy as np
import pytest
from pyproj import Transformer

from gis.local_polynomial import TOLERANCE, LocalPolynomial


def _positions(half: float, count: int = 60_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    x = 524_000 + random.uniform(-half, half, count)
    y = 3_283_000 + random.uniform(-half, half, count)
    return x, y


@pytest.mark.parametrize("half", [0.0, 500.0, 10_000.0, 72_000.0])
def test_it_agrees_with_the_exact_transformation_over_a_city(half: float) -> None:
    exact = Transformer.from_crs(4547, 4490, always_xy=True).transform
    x, y = _positions(half)
    asked: list[int] = []

    def counted(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(a))
        return exact(a, b)

    quick = LocalPolynomial(counted)(x, y)
    wanted = exact(x, y)
    assert sum(asked) < 1_000
    for found, true in zip(quick, wanted, strict=True):
        assert np.abs(found - true).max() <= TOLERANCE


def test_over_half_a_continent_the_exact_transformation_is_used() -> None:
    exact = Transformer.from_crs(4547, 4490, always_xy=True).transform
    x, y = _positions(2_000_000.0)
    for found, true in zip(LocalPolynomial(exact)(x, y), exact(x, y), strict=True):
        assert np.array_equal(found, true)


def test_a_position_that_is_no_number_is_left_to_the_exact_transformation() -> None:
    exact = Transformer.from_crs(4547, 4490, always_xy=True).transform
    x, y = _positions(1_000.0)
    x[5] = np.nan
    found, _ = LocalPolynomial(exact)(x, y)
    assert not np.isfinite(found[5])
    assert np.isfinite(found[6:]).all()


def test_a_kink_is_noticed() -> None:
    def kinked(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.abs(a - 524_010.0) * 1e-5, b * 1e-5

    x, y = _positions(10_000.0)
    for found, true in zip(LocalPolynomial(kinked)(x, y), kinked(x, y), strict=True):
        assert np.array_equal(found, true)
