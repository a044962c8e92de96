"""Hands on many machines: the workers of a Dask cluster, which reach the database themselves."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any
from uuid import uuid4

from layers.errors import OneMapError
from tiles.baking.chunks import Chunk
from tiles.baking.hands import Hands
from tiles.baking.work import BakeFailed, BakeTask, Workbench

_CONNECT_S = 10


@asynccontextmanager
async def cluster_hands(task: BakeTask, address: str) -> AsyncIterator[Hands]:
    """Lend the hands of a cluster.

    Args:
        task: What is baked; it goes to the workers with the database's address and password.
        address: The scheduler's, such as ``tcp://10.0.0.5:8786``.

    Raises:
        BakeFailed: If Dask is not installed, or the scheduler cannot be reached or has no worker.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise BakeFailed("Dask is not installed: pip install 'onemap[cluster]'") from error
    try:
        client = await distributed.Client(
            address, asynchronous=True, timeout=_CONNECT_S, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise BakeFailed(f"there is no Dask scheduler at {address}") from error
    async with client:
        threads = sum((await client.nthreads()).values())
        if threads == 0:
            raise BakeFailed(f"the Dask scheduler at {address} has no worker")
        sent = await client.scatter(task, broadcast=True)
        yield _Cluster(client, sent, threads)


class _Cluster:
    """The workers of a cluster."""

    def __init__(self, client: Any, task: Any, threads: int) -> None:
        # Some wait at the scheduler, so that no worker waits for us.
        self.at_once = 2 * threads
        self._client = client
        self._task = task
        self._name = uuid4().hex

    async def make(self, chunk: Chunk) -> bytes:
        future = self._client.submit(make_there, self._name, self._task, chunk, pure=False)
        try:
            made: bytes = await future
        except OneMapError:
            raise
        except Exception as error:  # a worker that is lost may end in any of Dask's errors
            raise BakeFailed(
                f"a Dask worker failed ({type(error).__name__}): its log says more; started "
                "again, the bake goes on where it was"
            ) from error
        return made


class _Thread(threading.local):
    """What a worker's thread keeps."""

    name = ""
    bench: Workbench | None = None


_thread = _Thread()


def make_there(name: str, task: BakeTask, chunk: Chunk) -> bytes:
    """Return what is made of a chunk, in a worker.

    Args:
        name: Differs between bakes.
        task: What is baked.
        chunk: The chunk.

    Raises:
        BakeFailed: If the worker runs another version of the program.
        DatabaseUnavailable, QueryTimeout: If the database cannot answer.
    """
    if _thread.bench is None or _thread.name != name:
        if _thread.bench is not None:
            _thread.bench.close()
        _thread.bench, _thread.name = Workbench(task), name
    return _thread.bench.make(chunk)
