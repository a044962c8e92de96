"""Drawing in a process of its own."""

import os
import threading
from functools import lru_cache
from multiprocessing import connection, parent_process
from typing import Any

import orjson

from tiles.pictures.drawing import draw_sheet, quarters
from tiles.pictures.shapes import Window

#: Drawing makes way for the queries and answers of the server.
_NICENESS = 5


def begin() -> None:
    """Make the process one that draws, and ends with the one that started it."""
    os.nice(_NICENESS)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(0)


def draw(
    tile: bytes, style: bytes, zoom: float, window: Window
) -> tuple[bytes, bytes, bytes, bytes]:
    """Return four PNGs of a part of a tile; arguments as for ``draw_sheet``, the layers as JSON."""
    return quarters(draw_sheet(tile, _style(style), zoom, window))


@lru_cache(maxsize=16)
def _style(text: bytes) -> list[dict[str, Any]]:
    style: list[dict[str, Any]] = orjson.loads(text)
    return style
