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
    # Two squares of the grid on each side of the middle of the city, at most.
    assert sum(asked) < 1_000
    for found, true in zip(quick, wanted, strict=True):
        assert np.abs(found - true).max() <= TOLERANCE


def test_over_a_continent_it_agrees_and_beyond_the_exact_transformation_is_used() -> None:
    exact = Transformer.from_crs(4547, 4490, always_xy=True).transform
    x, y = _positions(2_000_000.0)
    for found, true in zip(LocalPolynomial(exact)(x, y), exact(x, y), strict=True):
        assert np.abs(found - true).max() <= TOLERANCE
    x, y = _positions(9_000_000.0)
    for found, true in zip(LocalPolynomial(exact)(x, y), exact(x, y), strict=True):
        assert np.array_equal(found, true)


@pytest.mark.parametrize("half", [10.0, 30_000.0, 150_000.0])
def test_a_position_comes_out_alike_whatever_stands_beside_it(half: float) -> None:
    exact = Transformer.from_crs(4547, 4490, always_xy=True).transform
    x, y = _positions(half)
    whole = np.stack(LocalPolynomial(exact)(x, y))
    random = np.random.default_rng(3)
    for count in (1, 2, 3, 7, 49, 65, 4_095, 4_097, 20_001, 59_999):
        some = random.permutation(len(x))[:count]
        again = np.stack(LocalPolynomial(exact)(x[some], y[some]))
        assert np.array_equal(again, whole[:, some])


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
    kinked_square = x < 524_288.0
    for found, true in zip(LocalPolynomial(kinked)(x, y), kinked(x, y), strict=True):
        assert np.array_equal(found[kinked_square], true[kinked_square])
        assert np.abs(found - true).max() <= TOLERANCE
