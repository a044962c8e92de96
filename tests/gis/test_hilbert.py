"""The curve visits every cell once, and each next cell is a neighbour of the one before."""

import numpy as np

from gis.hilbert import hilbert_keys


def test_neighbours_on_the_curve_are_neighbours_on_the_ground() -> None:
    cells = 64
    step = 1 << 20
    # A square of 64 cells a side of the grid of 2^26, aligned with the curve's own squares.
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(cells), np.arange(cells)))
    lon = (x * step + 0.5) / (1 << 26) * 360.0 - 180.0
    lat = (y * step + 0.5) / (1 << 26) * 180.0 - 90.0
    keys = hilbert_keys(lon, lat)
    assert len(set(keys.tolist())) == cells * cells
    order = np.argsort(keys)
    steps = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert steps.max() == 1


def test_places_outside_the_world_have_keys_too() -> None:
    keys = hilbert_keys(np.array([-500.0, 500.0]), np.array([95.0, -95.0]))
    assert (keys >= 0).all()
    assert (keys < 1 << 52).all()
