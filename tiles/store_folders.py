"""The folders of a tile store: clearing away what a change made old."""

import os
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import uuid4

from layers.tile_news import TileChange, tile_code, tile_of_code
from tiles import empty_tiles
from tiles.families import TileFamily

TRASH, EMPTY = "trash", "empty"
#: Of the files of tiles.
ENDING = ".gz"
#: Files older than this that were never put in their place belong to processes that died.
_ABANDONED_S = 3600.0


def sweep(root: Path, families: Sequence[TileFamily], changes: Sequence[TileChange]) -> None:
    """Remove all tiles of some families that changes may have made old.

    Raises:
        OSError: If the disk fails.
    """
    for change in changes:
        for family in families:
            for zoom in family.layers:
                if family.shows(change.layer, zoom):
                    _sweep_zoom(root, family, zoom, change)


def _sweep_zoom(root: Path, family: TileFamily, zoom: int, change: TileChange) -> None:
    tiles = root / family.folder / str(zoom)
    empty = root / EMPTY
    if not change.concerns_some(zoom):
        return
    if change.tiles is None:
        throw_away(root, tiles)
        throw_away(root, empty / family.folder / str(zoom))
    elif change.zoom == zoom:
        _remove_tiles(tiles, change.tiles)
        empty_tiles.forget(empty, family.folder, zoom, change.tiles)
    else:
        # Told for a coarser zoom only: look at what is there.
        for x, y in _tiles_in(tiles):
            if change.concerns(zoom, tile_code(x, y)):
                remove(f"{tiles}/{x}/{y}{ENDING}")
        throw_away(root, empty / family.folder / str(zoom))


def _remove_tiles(folder: Path, codes: Iterable[int]) -> None:
    columns: dict[int, list[int]] = {}
    for code in codes:
        x, y = tile_of_code(code)
        columns.setdefault(x, []).append(y)
    for x in columns.keys() & set(_numbers(folder)):
        for y in columns[x]:
            remove(f"{folder}/{x}/{y}{ENDING}")


def _tiles_in(folder: Path) -> Iterable[tuple[int, int]]:
    for x in _numbers(folder):
        for name in os.listdir(folder / str(x)):
            if name.endswith(ENDING):
                yield x, int(name.removesuffix(ENDING))


def _numbers(folder: Path) -> list[int]:
    """Return the folders of columns that there are."""
    try:
        return [int(name) for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def throw_away(root: Path, path: Path) -> None:
    """Take a folder out of a store at once; what is in it is removed later."""
    try:
        path.rename(root / TRASH / uuid4().hex)
    except FileNotFoundError:
        return


def empty_trash(root: Path, temporary: Path) -> None:
    """Remove what was thrown away, and what processes that died have left."""
    for entry in os.scandir(root / TRASH):
        shutil.rmtree(entry.path, ignore_errors=True)
    for entry in os.scandir(temporary):
        try:
            if entry.stat().st_ctime < time.time() - _ABANDONED_S:
                os.unlink(entry.path)
        except FileNotFoundError:
            continue
