"""All lines and rings of an array of geometries as one run of vertices, for work in numpy."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.geometry import Geometries

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Metres of a degree of latitude; along a parallel, times the cosine of the latitude. Good to 0.6 %
#: everywhere, which serves tolerances, not measures.
METRES_A_DEGREE = 111_320.0


@dataclass(frozen=True)
class Paths:
    """The paths of ``n`` geometries: each ring of an area, each line."""

    lon: Array
    lat: Array
    #: Which path each vertex is of, ascending.
    path: Index
    #: Which geometry each path is of.
    owner: Index
    #: Which paths are rings.
    ring: NDArray[np.bool_]
    #: Which rings bound a hole; ``False`` for lines.
    hole: NDArray[np.bool_]

    @cached_property
    def starts(self) -> Index:
        """The first vertex of each path."""
        return np.flatnonzero(np.append(True, self.path[1:] != self.path[:-1])[: len(self.path)])

    @cached_property
    def counts(self) -> Index:
        """Vertices of each path that has any, as ``starts`` lists them."""
        return np.diff(np.append(self.starts, len(self.path)))

    @cached_property
    def inner(self) -> NDArray[np.bool_]:
        """Tell of each vertex but the last whether a side leads from it to the next one."""
        return np.asarray(self.path[1:] == self.path[:-1])

    @cached_property
    def side(self) -> Index:
        """The vertices from which a side leads to the next vertex of the same path."""
        return np.flatnonzero(self.inner)

    @cached_property
    def away(self) -> tuple[Array, Array]:
        """Degrees of longitude and latitude from the first vertex of the path to each vertex."""
        first, counts = self.starts, self.counts
        lon = self.lon - np.repeat(self.lon[first], counts)
        return lon, self.lat - np.repeat(self.lat[first], counts)

    @cached_property
    def steps(self) -> tuple[Array, Array]:
        """Each side as metres to the east and to the north, as exact as ``METRES_A_DEGREE``."""
        inner = self.inner
        # One parallel for all of a path: over a path of 10 km it changes by a thousandth.
        parallel = np.cos(np.radians(self.lat[self.starts])) * METRES_A_DEGREE
        east = np.diff(self.lon)
        east *= np.repeat(parallel, self.counts)[:-1]
        return east[inner], np.diff(self.lat)[inner] * METRES_A_DEGREE

    def doubled(self, x: Array, y: Array) -> Array:
        """Return twice the signed area of each path that has vertices, as ``starts`` lists them.

        Args:
            x: Of each vertex; 0 for the first of each path.
            y: Likewise.
        """
        # From the last vertex of a path to the first of the next one, which is 0, 0, it adds 0.
        cross = np.zeros(len(x))
        np.multiply(x[:-1], y[1:], out=cross[:-1])
        cross[:-1] -= x[1:] * y[:-1]
        return np.asarray(np.add.reduceat(cross, self.starts))


def plain_paths(coordinates: Array, counts: Index, owner: Index, *, rings: bool) -> Paths:
    """Return the paths of geometries that have one path each.

    Args:
        coordinates: Vertices in degrees, (n, 2).
        counts: Vertices of each path.
        owner: Which geometry each path is of.
        rings: Whether they are the outlines of areas.
    """
    lon, lat = np.ascontiguousarray(coordinates.T)
    path = np.repeat(np.arange(len(counts)), counts)
    ring = np.full(len(counts), rings)
    return Paths(lon, lat, path, owner, ring, np.zeros(len(counts), dtype=bool))


def joined(first: Paths, second: Paths) -> Paths:
    """Return the paths of both."""
    return Paths(
        np.concatenate((first.lon, second.lon)),
        np.concatenate((first.lat, second.lat)),
        np.concatenate((first.path, second.path + len(first.owner))),
        np.concatenate((first.owner, second.owner)),
        np.concatenate((first.ring, second.ring)),
        np.concatenate((first.hole, second.hole)),
    )


def paths_of(geometries: Geometries) -> Paths:
    """Return the paths of lines and areas, in order; points and missing geometries have none."""
    parts, owner = shapely.get_parts(geometries, return_index=True)
    areal = shapely.get_dimensions(parts) == 2
    if areal.all():
        rings, of_part = shapely.get_rings(parts, return_index=True)
        first = np.append(True, of_part[1:] != of_part[:-1]) if len(rings) else areal[:0]
        return _paths(rings, owner[of_part], np.ones(len(rings), dtype=bool), ~first)
    lineal = shapely.get_dimensions(parts) == 1
    rings, of_part = shapely.get_rings(parts[areal], return_index=True)
    first = np.append(True, of_part[1:] != of_part[:-1]) if len(rings) else np.zeros(0, dtype=bool)
    lines = np.concatenate([rings, parts[lineal]])
    owners = np.concatenate([owner[areal][of_part], owner[lineal]])
    ring = np.arange(len(lines)) < len(rings)
    return _paths(lines, owners, ring, np.append(~first, np.zeros(int(lineal.sum()), dtype=bool)))


def _paths(
    lines: Geometries, owner: Index, ring: NDArray[np.bool_], hole: NDArray[np.bool_]
) -> Paths:
    coordinates, path = shapely.get_coordinates(lines, return_index=True)
    lon, lat = np.ascontiguousarray(coordinates.T)
    return Paths(lon, lat, path.astype(np.int64), owner.astype(np.int64), ring, hole)
