"""Which cells of a band are to be computed, and which of them are read together."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gis import mercator
from gis.hilbert import hilbert_keys
from layers.errors import OneMapError
from tiles.generaliser import HALF_WORLD, Cell

#: Versions that are read together at most, where a cell alone has fewer.
_BLOCK_VERSIONS = 6_000
#: No band of a city has more cells; a wrong position may be anywhere on earth.
_MOST_CELLS = 2_000_000

Integers = NDArray[np.int64]


class PyramidFailed(OneMapError):
    """A pyramid could not be built."""


@dataclass(frozen=True)
class Block:
    """Cells that lie together."""

    cells: tuple[Cell, ...]
    #: For each cell the features whose rows are to be renewed; ``None`` is all.
    features: tuple[tuple[int, ...], ...] | None = None

    def box(self, margin: float) -> tuple[float, float, float, float]:
        """Return the box around the cells, widened, in metres (EPSG:3857)."""
        boxes = np.array([cell.box for cell in self.cells])
        west, south = boxes[:, :2].min(axis=0) - margin
        east, north = boxes[:, 2:].max(axis=0) + margin
        return (float(west), float(south), float(east), float(north))


def cells_in(ranges: Integers, counts: Integers) -> dict[int, int]:
    """Return the cells in ranges of tiles, and about how many versions each has.

    Args:
        ranges: (n, 4): first column, first row, last column, last row.
        counts: How many versions each range is that of.

    Returns:
        Code of the cell (``x << 24 | y``) → versions.

    Raises:
        PyramidFailed: If there are more than any city has.
    """
    if len(ranges) == 0:
        return {}
    each, every = spread(ranges)
    codes, first = np.unique(every, return_inverse=True)
    sums = np.bincount(first, counts[each])
    return dict(zip(codes.tolist(), sums.astype(int).tolist(), strict=True))


def spread(ranges: Integers) -> tuple[Integers, Integers]:
    """Return the tiles in ranges one by one: the place of the range, and the tile's code.

    Args:
        ranges: (n, 4): first column, first row, last column, last row.

    Raises:
        PyramidFailed: If there are more than any city has.
    """
    high = ranges[:, 3] - ranges[:, 1] + 1
    tiles = (ranges[:, 2] - ranges[:, 0] + 1) * high
    if tiles.sum() > _MOST_CELLS:
        raise PyramidFailed(
            f"the features lie in {int(tiles.sum())} cells, more than {_MOST_CELLS}: some lie "
            "far outside the city, or the band's cell_zoom is too deep"
        )
    each = np.repeat(np.arange(len(ranges)), tiles)
    place = np.arange(tiles.sum()) - np.repeat(np.cumsum(tiles) - tiles, tiles)
    x = ranges[each, 0] + place // high[each]
    y = ranges[each, 1] + place % high[each]
    return each, x << 24 | y


def tile_ranges(bounds: NDArray[np.float64], zoom: int, margin: float) -> Integers:
    """Return the ranges of tiles that boxes meet.

    Args:
        bounds: (n, 4) in metres (EPSG:3857).
        zoom: The zoom.
        margin: How far beyond a tile's edge a box still counts, in metres.

    Returns:
        (n, 4): first column, first row, last column, last row.
    """
    width = 2 * HALF_WORLD / (1 << zoom)
    west, south, east, north = bounds.T
    edges = np.stack(
        [
            (west - margin + HALF_WORLD) / width,
            (HALF_WORLD - north - margin) / width,
            (east + margin + HALF_WORLD) / width,
            (HALF_WORLD - south + margin) / width,
        ],
        axis=1,
    )
    clipped: Integers = np.clip(np.floor(edges), 0, (1 << zoom) - 1).astype(np.int64)
    return clipped


def blocks_of(
    cells: dict[int, int], zoom: int, features: Mapping[int, Collection[int]] | None = None
) -> list[Block]:
    """Put cells together while they have few versions, and all in Hilbert order.

    Args:
        cells: Code of the cell → about how many versions it has.
        zoom: The zoom of the cells.
        features: Code of the cell → features to be renewed in it; ``None`` is all.
    """
    groups = {
        (code >> 24, code & 0xFFFFFF): ([(code >> 24, code & 0xFFFFFF)], count)
        for code, count in cells.items()
    }
    done: list[list[tuple[int, int]]] = []
    # Places within which some cells are done: what is left of them is not put together with
    # others, since the box around it would hold what was done.
    parted: set[tuple[int, int]] = set()
    for _ in range(zoom):
        parents: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for place in (*groups, *parted):
            parents.setdefault((place[0] >> 1, place[1] >> 1), []).append(place)
        merged: dict[tuple[int, int], tuple[list[tuple[int, int]], int]] = {}
        broken: set[tuple[int, int]] = set()
        for parent, children in parents.items():
            whole = [groups[child] for child in children if child not in parted]
            weight = sum(count for _, count in whole)
            if weight > _BLOCK_VERSIONS or len(whole) < len(children):
                done.extend(group for group, _ in whole)
                broken.add(parent)
            else:
                merged[parent] = ([cell for group, _ in whole for cell in group], weight)
        groups, parted = merged, broken
    done.extend(group for group, _ in groups.values())
    blocks = [Block(tuple(Cell(zoom, x, y) for x, y in sorted(group))) for group in done]
    if features is not None:
        blocks = [
            Block(block.cells, tuple(tuple(sorted(features[cell.code])) for cell in block.cells))
            for block in blocks
        ]
    return in_order(blocks)


def in_order(blocks: Sequence[Block]) -> list[Block]:
    """Return blocks in Hilbert order, so that rows that are near each other are written so."""
    if not blocks:
        return []
    middles = np.array([_middle(block.cells) for block in blocks])
    lon, lat = mercator.inverse(middles[:, 0], middles[:, 1])
    order = np.argsort(hilbert_keys(lon, lat), kind="stable")
    return [blocks[place] for place in order.tolist()]


def _middle(cells: Iterable[Cell]) -> tuple[float, float]:
    boxes = np.array([cell.box for cell in cells])
    west, south = boxes[:, :2].min(axis=0)
    east, north = boxes[:, 2:].max(axis=0)
    return ((west + east) / 2, (south + north) / 2)
