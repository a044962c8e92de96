"""Read a batch of plain geometries from WKB without making an object of each.

Plain is what has one part, no hole and no height; most batches of most surveys hold nothing else.
Layout of WKB: OGC 06-103r4, 8.2.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

_LITTLE = 1
_VERTEX = 16


@dataclass(frozen=True)
class _Layout:
    """Where things stand in the WKB of one type of geometry."""

    #: Bytes in front of the vertices.
    head: int
    #: Where an unsigned number must have which value.
    fixed: tuple[tuple[int, int], ...]
    #: Where bytes that say the order must be 1.
    orders: tuple[int, ...]
    #: Where the number of vertices stands; without it there is one.
    count: int | None


#: WKB type → layout, by the dimension of the geometry.
_LAYOUTS: dict[int, dict[int, _Layout]] = {
    0: {1: _Layout(5, (), (0,), None), 4: _Layout(14, ((5, 1), (10, 1)), (0, 9), None)},
    1: {2: _Layout(9, (), (0,), 5), 5: _Layout(18, ((5, 1), (10, 2)), (0, 9), 14)},
    2: {
        3: _Layout(13, ((5, 1),), (0,), 9),
        6: _Layout(22, ((5, 1), (10, 3), (14, 1)), (0, 9), 18),
    },
}


def read_plain(wkb: pa.Array, dimension: int) -> tuple[Counts, Array] | None:
    """Read a batch that holds nothing but plain geometries of one type.

    Args:
        wkb: WKB, a row each.
        dimension: 0 for points, 1 for lines, 2 for areas.

    Returns:
        Vertices a row, and all vertices in the order of the rows, (n, 2); ``None`` where the batch
        holds anything else, an unclosed ring, or a geometry without a vertex.
    """
    rows = len(wkb)
    if not rows or wkb.null_count or not pa.types.is_binary(wkb.type):
        return None
    offsets = np.frombuffer(wkb.buffers()[1], dtype=np.int32)[wkb.offset : wkb.offset + rows + 1]
    starts, lengths = offsets[:-1].astype(np.int64), np.diff(offsets).astype(np.int64)
    if lengths.min() < 5:
        return None
    data = np.frombuffer(wkb.buffers()[2], dtype=np.uint8)
    layout = _LAYOUTS[dimension].get(int(_numbers(data, starts[:1], 1)[0]))
    if layout is None or lengths.min() < layout.head + _VERTEX:
        return None
    if not _is_so(data, starts, layout, int(_numbers(data, starts[:1], 1)[0])):
        return None
    counts = (
        np.ones(rows, dtype=np.int64)
        if layout.count is None
        else _numbers(data, starts, layout.count).astype(np.int64)
    )
    if not np.array_equal(lengths, layout.head + counts * _VERTEX):
        return None
    inside = pc.binary_slice(wkb, layout.head, int(lengths.max()))
    vertices = np.frombuffer(inside.buffers()[2], dtype=np.float64, count=2 * int(counts.sum()))
    vertices = vertices.reshape(-1, 2)
    if dimension == 2 and not _rings_are_closed(vertices, counts):
        return None
    if dimension == 0 and not np.isfinite(vertices).all():
        return None
    return counts, vertices


def _is_so(data: NDArray[np.uint8], starts: Counts, layout: _Layout, kind: int) -> bool:
    if not all((data[starts + place] == _LITTLE).all() for place in layout.orders):
        return False
    fixed = ((1, kind), *layout.fixed)
    return all((_numbers(data, starts, place) == value).all() for place, value in fixed)


def _numbers(data: NDArray[np.uint8], starts: Counts, place: int) -> NDArray[np.uint32]:
    """Return the unsigned 32-bit numbers that stand at a place of each row."""
    taken = data[starts[:, np.newaxis] + place + np.arange(4)]
    return np.ascontiguousarray(taken).view("<u4").reshape(-1)


def _rings_are_closed(vertices: Array, counts: Counts) -> bool:
    ends = np.cumsum(counts)
    firsts, lasts = vertices[ends - counts], vertices[ends - 1]
    return bool((counts >= 4).all() and (firsts == lasts).all())
