"""Geometry of whole batches, taken apart for text formats."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from api.exporting.format import ExportJob

#: Decimals that coordinates are written with as text: a tenth of a millimetre.
DEGREE_DECIMALS, METRE_DECIMALS = 9, 4

Shapes = NDArray[np.object_]


def decimals(job: ExportJob) -> int:
    """Return the decimals that a job's coordinates are written with as text."""
    return DEGREE_DECIMALS if job.is_geographic else METRE_DECIMALS


def shapes_of(wkb: pa.BinaryArray) -> Shapes:
    """Return a column of WKB as geometries; ``None`` where there is none."""
    return np.asarray(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)), dtype=object)


@dataclass(frozen=True, slots=True)
class Paths:
    """The points, lines or rings of geometries, one after another."""

    #: Row of the batch that each path is of.
    rows: NDArray[np.int64]
    #: 0 for a point, 1 for a line, 2 for an outer ring, 3 for a hole.
    kinds: NDArray[np.int64]
    #: The vertices of path ``n`` are those from ``starts[n]`` to ``starts[n + 1]``.
    starts: NDArray[np.int64]
    #: (vertices, 3); NaN for a height that is not there.
    coordinates: NDArray[np.float64]


def paths_of(shapes: Shapes) -> Paths:
    """Return the paths of geometries of any type, row by row."""
    parts, rows = shapely.get_parts(shapes, return_index=True)
    dimensions = np.asarray(shapely.get_dimensions(parts), dtype=np.int64)
    outlines, part_of = [], []
    kinds = []
    for dimension, found, index, ring in _outlines(parts, dimensions):
        outlines.append(found)
        part_of.append(index)
        kinds.append(np.where(ring, 3, dimension))
    paths = np.concatenate(outlines) if outlines else np.empty(0, object)
    owners = np.concatenate(part_of) if part_of else np.empty(0, np.int64)
    order = np.argsort(owners, kind="stable")
    paths, owners = paths[order], owners[order]
    counts = shapely.get_num_coordinates(paths)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    coordinates = shapely.get_coordinates(paths, include_z=True)
    all_kinds = np.concatenate(kinds)[order] if kinds else np.empty(0, np.int64)
    return Paths(rows[owners], all_kinds, starts, coordinates)


def _outlines(
    parts: Shapes, dimensions: NDArray[np.int64]
) -> Iterator[tuple[int, Shapes, NDArray[np.int64], NDArray[np.bool_]]]:
    for dimension in (0, 1, 2):
        index = np.flatnonzero(dimensions == dimension)
        found = parts[index]
        hole = np.zeros(len(index), dtype=bool)
        if dimension == 2:
            found, place = shapely.get_rings(found, return_index=True)
            hole = np.concatenate([[False], place[1:] == place[:-1]]) if len(place) else hole[:0]
            index = index[place]
        yield dimension, found, index, hole
