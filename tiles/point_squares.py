"""Points by the squares of a grid that all cells share."""

from dataclasses import dataclass

import numpy as np

from tiles.generaliser import (
    HALF_WORLD,
    UNITS_A_PIXEL,
    Band,
    Cell,
    Features,
    Floats,
    Integers,
)
from tiles.generaliser_tools import centres, inside, stable_number, text_keys

#: Sides that squares can have in pixels, so that they divide every tile.
SQUARE_PIXELS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Squares:
    """A cell's features, grouped by the square that they lie in and by class."""

    #: The features, those of a group together, within it the most important first.
    features: Features
    #: The centre of each feature in metres (EPSG:3857).
    x: Floats
    y: Floats
    #: Where each group begins, and which group each feature is in.
    starts: Integers
    group: Integers
    #: Column and row of each group's square, and the stable number of its class.
    column: Integers
    row: Integers
    classes: Integers


def in_squares(
    features: Features, band: Band, cell: Cell, pixels: int, by: tuple[str, ...]
) -> Squares:
    """Return the features that belong to a cell, by squares of ``pixels`` along an edge."""
    x, y = centres(features)
    mine = inside(x, y, cell)
    features, x, y = features.take(mine), x[mine], y[mine]
    side = pixels * UNITS_A_PIXEL * band.unit
    column = np.floor((x + HALF_WORLD) / side).astype(np.int64)
    row = np.floor((y + HALF_WORLD) / side).astype(np.int64)
    keys, texts = text_keys(features, by)
    order = np.lexsort((features.feature_ids, -features.rank, keys, row, column))
    features, x, y = features.take(order), x[order], y[order]
    column, row, keys = column[order], row[order], keys[order]
    fresh = np.ones(len(features), bool)
    fresh[1:] = (np.diff(column) != 0) | (np.diff(row) != 0) | (np.diff(keys) != 0)
    starts = np.flatnonzero(fresh)
    numbers = np.array([stable_number(text) for text in texts], np.int64)
    return Squares(
        features,
        x,
        y,
        starts,
        np.cumsum(fresh) - 1,
        column[starts],
        row[starts],
        numbers[keys[starts]] if len(starts) else np.empty(0, np.int64),
    )


def sums(values: Integers | Floats, squares: Squares) -> Floats:
    """Return the sum over each group, as float64."""
    return np.bincount(squares.group, values, minlength=len(squares.starts)).astype(np.float64)
