"""Those who make chunks: this process, some processes of this machine, or a Dask cluster."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from multiprocessing import get_context
from typing import Any, Protocol

from tiles.baking.chunks import Chunk
from tiles.baking.work import (
    BakeFailed,
    BakeTask,
    Workbench,
    make_chunk,
    reader_of,
    renderer_of,
)

#: One process has its hands full with so many connections; measured, it takes a thirtieth of the
#: time that the database takes.
MOST_CONNECTIONS = 8
_WATCH_S = 1.0


class Hands(Protocol):
    """What a bake needs of those who work for it."""

    #: How many chunks to give at once.
    at_once: int

    async def make(self, chunk: Chunk) -> bytes:
        """Return what ``tiles.baking.work.make_chunk`` makes of a chunk.

        Raises:
            OneMapError: If it cannot be made.
        """
        ...


@asynccontextmanager
async def own_hands(task: BakeTask, workers: int) -> AsyncIterator[Hands]:
    """Lend hands of this machine.

    Args:
        task: What is baked.
        workers: How many connections to the database work at once; above ``MOST_CONNECTIONS``
            each has a process of its own.
    """
    if workers > MOST_CONNECTIONS:
        with _Processes(task, workers) as processes:
            yield processes
        return
    reader = reader_of(task, workers)
    try:
        yield _Here(reader, task, workers)
    finally:
        await reader.close()


class _Here:
    """This process."""

    def __init__(self, reader: Any, task: BakeTask, workers: int) -> None:
        self.at_once = workers + 1
        self._renderer = renderer_of(task, reader)

    async def make(self, chunk: Chunk) -> bytes:
        return await make_chunk(self._renderer, chunk)


class _Processes:
    """Processes of this machine."""

    def __init__(self, task: BakeTask, workers: int) -> None:
        self.at_once = workers + 2
        self._pool = ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(task, os.getpid()),
        )

    def __enter__(self) -> "_Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def make(self, chunk: Chunk) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, _make, chunk)
        except BrokenProcessPool as error:
            raise BakeFailed(
                "a process that rendered tiles was killed: start the bake again, it goes on "
                "where it was"
            ) from error


class _Process:
    """What a process of the pool keeps."""

    bench: Workbench | None = None


def _begin(task: BakeTask, parent: int) -> None:
    def watch() -> None:
        # A parent that is killed leaves its processes behind; they see it by their new parent.
        while os.getppid() == parent:
            time.sleep(_WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    _Process.bench = Workbench(task)


def _make(chunk: Chunk) -> bytes:
    assert _Process.bench is not None  # noqa: S101 -- each process begins with it
    return _Process.bench.make(chunk)
