"""A table on its way to a file: columns by the department's names, geometry in EPSG:4547."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry as Geometry

#: The three survey epochs of the samples (00:00 Beijing time).
EPOCHS = ("2014-05-01", "2016-05-01", "2020-05-01")


#: Rows on their way into a table.
Rows = list[tuple[Geometry, dict[str, Any]]]


@dataclass
class Table:
    """Rows of one layer at one date."""

    layer: str
    columns: dict[str, list[Any]]
    geometry: npt.NDArray[np.object_]
    notes: dict[str, str] = field(default_factory=dict)


def keep_unchanged(now: Table, before: Table, key: str, stamp: str) -> Table:
    """Give rows that did not change since the survey before the ``stamp`` they had then.

    A row is unchanged when its area or place and all its attributes but the stamp are the same;
    it is delivered as it was, with the vertices in the same order.
    """
    names = [name for name in now.columns if name != stamp]
    rows = {value: index for index, value in enumerate(before.columns[key])}
    stamps, places = list(now.columns[stamp]), now.geometry.copy()
    for index, value in enumerate(now.columns[key]):
        old = rows.get(value)
        if old is None or not shapely.equals_exact(
            shapely.normalize(places[index]), shapely.normalize(before.geometry[old])
        ):
            continue
        if all(now.columns[name][index] == before.columns[name][old] for name in names):
            stamps[index], places[index] = before.columns[stamp][old], before.geometry[old]
    return Table(now.layer, {**now.columns, stamp: stamps}, places, now.notes)


def table(layer: str, rows: Iterable[tuple[Geometry, Mapping[str, Any]]]) -> Table:
    """Make a table from (geometry, attributes) pairs; all rows have the same attributes."""
    pairs = list(rows)
    names = list(pairs[0][1])
    return Table(
        layer,
        {name: [row[name] for _, row in pairs] for name in names},
        np.array([geometry for geometry, _ in pairs], dtype=object),
    )
