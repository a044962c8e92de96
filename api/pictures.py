"""Pictures of tiles: drawn in other processes, and kept as long as there is room."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from hashlib import blake2b
from multiprocessing import get_context

from layers.errors import DatabaseBusy
from tiles.packing import PackedTile
from tiles.pictures.places import PicturePlace
from tiles.pictures.shapes import Window
from tiles.pictures.worker import begin, draw

#: Processes that draw; they start with the first picture.
_PROCESSES = 2
#: Sheets of four pictures that may wait to be drawn.
_MOST_WAITING = 200
_MOST_BYTES = 64 * 1024 * 1024
#: Part of every tag; it changes whenever the same tile and style would be drawn otherwise.
_DRAWING = b"1"
Sheet = tuple[bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class PictureWish:
    """What four pictures are drawn from: the same wish always gives the same pictures."""

    #: Digest of the tile before compression.
    tile: bytes
    #: The style as JSON.
    style: bytes
    zoom: int
    window: Window

    def tag(self, quarter: int) -> str:
        """Return the entity tag of one of the four."""
        told = repr((self.zoom, self.window, quarter)).encode()
        made = blake2b(_DRAWING + self.tile + told, digest_size=12)
        made.update(self.style)
        return f'"{made.hexdigest()}"'


class PictureDesk:
    """Draws pictures and keeps the ones last asked for."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._kept: OrderedDict[PictureWish, Sheet] = OrderedDict()
        self._bytes = 0
        self._drawing: dict[PictureWish, asyncio.Task[Sheet]] = {}

    async def picture(self, wish: PictureWish, tile: PackedTile, place: PicturePlace) -> bytes:
        """Return a picture as PNG.

        Raises:
            DatabaseBusy: If too many wait already.
        """
        sheet = self._kept.get(wish)
        if sheet is not None:
            self._kept.move_to_end(wish)
            return sheet[place.quarter]
        task = self._drawing.get(wish)
        if task is None:
            if len(self._drawing) >= _MOST_WAITING:
                raise DatabaseBusy("too many pictures wait to be drawn; try again shortly")
            task = self._drawing[wish] = asyncio.create_task(self._draw(wish, tile))
            task.add_done_callback(lambda _: self._drawing.pop(wish, None))
        # Whoever asked first may leave, the others still want it.
        return (await asyncio.shield(task))[place.quarter]

    def close(self) -> None:
        """End the processes."""
        for task in self._drawing.values():
            task.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    async def _draw(self, wish: PictureWish, tile: PackedTile) -> Sheet:
        plain = tile.unpacked()
        pool = self._open()
        try:
            sheet = await _run(pool, wish, plain)
        except BrokenProcessPool:
            # A process was killed, perhaps for want of memory: once more, with new ones.
            if self._pool is pool:
                self._pool = None
            sheet = await _run(self._open(), wish, plain)
        self._keep(wish, sheet)
        return sheet

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # The server has threads, which a fork would leave behind in odd states.
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(_PROCESSES, mp_context=context, initializer=begin)
        return self._pool

    def _keep(self, wish: PictureWish, sheet: Sheet) -> None:
        self._kept[wish] = sheet
        self._bytes += sum(map(len, sheet))
        while self._bytes > _MOST_BYTES:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= sum(map(len, gone))


async def _run(pool: ProcessPoolExecutor, wish: PictureWish, plain: bytes) -> Sheet:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(pool, draw, plain, wish.style, wish.zoom, wish.window)
