"""A table on its way to a file: columns by the department's names, geometry in EPSG:4547."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from shapely import Geometry

#: The three survey epochs of the samples (00:00 Beijing time).
EPOCHS = ("2014-05-01", "2016-05-01", "2020-05-01")


@dataclass
class Table:
    """Rows of one layer at one date."""

    layer: str
    columns: dict[str, list[Any]]
    geometry: npt.NDArray[np.object_]
    notes: dict[str, str] = field(default_factory=dict)


def table(layer: str, rows: Iterable[tuple[Geometry, Mapping[str, Any]]]) -> Table:
    """Make a table from (geometry, attributes) pairs; all rows have the same attributes."""
    pairs = list(rows)
    names = list(pairs[0][1])
    return Table(
        layer,
        {name: [row[name] for _, row in pairs] for name in names},
        np.array([geometry for geometry, _ in pairs], dtype=object),
    )
