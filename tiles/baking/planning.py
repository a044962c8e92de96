"""What a bake has to render: the occupied parts of a map, or the tiles that changes touched."""

import asyncio
from collections.abc import Iterable, Sequence

import numpy as np

from layers.tile_news import TileChange
from tiles.archives.facts import BakeScope
from tiles.archives.tile_ids import Ids, first_id, tile_ids, tile_places
from tiles.baking.batches import BatchRenderer
from tiles.baking.chunks import Chunk, chunks_of
from tiles.grids import tiles_over

#: Whether there is something in a part of the map is asked for parts of 4 × 4 tiles.
_PART_LEVELS = 2
#: So many parts are asked for in one statement, and looked at without looking at larger ones first.
_ASKED = 512
_MOST_PARTS = 4096
#: From these zooms on, so many tiles are rendered together: deep tiles are light.
_TOGETHER = ((12, 16), (10, 4), (0, 1))
#: What changed is told down to this zoom.
_DEEPEST_TOLD = 18


def chunks(zoom: int, ids: Ids) -> list[Chunk]:
    """Return tiles of a zoom as chunks to render together."""
    most = next(number for lowest, number in _TOGETHER if zoom >= lowest)
    return list(chunks_of(zoom, ids, most))


async def occupied_tiles(renderer: BatchRenderer, scope: BakeScope, zoom: int) -> Ids:
    """Return the tiles of a zoom that may show something.

    Args:
        renderer: Knows where something is.
        scope: What is baked.
        zoom: The zoom.

    Returns:
        Their numbers, ascending. Such as are missing are empty.

    Raises:
        DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
    """
    around = max(0, zoom - _PART_LEVELS)
    parts = await _occupied_parts(renderer, scope, zoom, around)
    if len(parts) == 0:
        return parts
    each = 4 ** (zoom - around)
    starts = first_id(zoom) + (parts - first_id(around)) * each
    return _within(scope, zoom, (starts[:, None] + np.arange(each)).ravel())


async def _occupied_parts(renderer: BatchRenderer, scope: BakeScope, zoom: int, around: int) -> Ids:
    left, top, right, bottom = tiles_over(scope.bbox, around)
    if around > 0 and (right - left + 1) * (bottom - top + 1) > _MOST_PARTS:
        coarser = max(0, around - _PART_LEVELS)
        larger = await _occupied_parts(renderer, scope, zoom, coarser)
        each = 4 ** (around - coarser)
        starts = first_id(around) + (larger - first_id(coarser)) * each
        asked = _within(scope, around, (starts[:, None] + np.arange(each)).ravel())
    else:
        columns, rows = np.meshgrid(np.arange(left, right + 1), np.arange(top, bottom + 1))
        asked = np.sort(tile_ids(around, columns.ravel(), rows.ravel()))
    pieces = np.split(asked, range(_ASKED, len(asked), _ASKED))
    found = await asyncio.gather(
        *(renderer.occupied(zoom, around, _places(around, piece)) for piece in pieces)
    )
    places = np.array([place for piece in found for place in piece], np.int64).reshape(-1, 2)
    return np.sort(tile_ids(around, places[:, 0], places[:, 1]))


def _places(zoom: int, ids: Ids) -> list[tuple[int, int]]:
    columns, rows = tile_places(zoom, ids)
    return list(zip(columns.tolist(), rows.tolist(), strict=True))


def _within(scope: BakeScope, zoom: int, ids: Ids) -> Ids:
    """Return those tiles of a zoom that are baked."""
    left, top, right, bottom = tiles_over(scope.bbox, zoom)
    x, y = tile_places(zoom, ids)
    kept: Ids = ids[(x >= left) & (x <= right) & (y >= top) & (y <= bottom)]
    return kept


def touched_tiles(
    changes: Iterable[TileChange], layers: Sequence[str], scope: BakeScope, zoom: int
) -> Ids | None:
    """Return the tiles of a zoom that some changes may have made others.

    Args:
        changes: The changes.
        layers: The layers in tiles of that zoom.
        scope: What is baked.
        zoom: The zoom.

    Returns:
        Their numbers, ascending; ``None`` is all.
    """
    deeper = max(0, zoom - _DEEPEST_TOLD)
    found = [np.empty(0, np.int64)]
    for change in changes:
        if change.layer not in layers or not _concerns(change, scope, zoom):
            continue
        if change.tiles is None:
            return None
        codes = np.array(sorted(change.tiles), np.int64)
        told = tile_ids(zoom - deeper, codes >> 24, codes & ((1 << 24) - 1))
        starts = first_id(zoom) + (told - first_id(zoom - deeper)) * 4**deeper
        found.append((starts[:, None] + np.arange(4**deeper)).ravel())
    return _within(scope, zoom, np.unique(np.concatenate(found)))


def _concerns(change: TileChange, scope: BakeScope, zoom: int) -> bool:
    if not change.concerns_some(zoom):
        return False
    # What the map held at a past time changes only with how it is drawn.
    is_drawing = change.tiles is None
    return is_drawing if scope.as_of is not None else change.concerns_time(scope.at)
