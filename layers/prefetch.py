"""Let one stage of a pipeline run ahead of the next, in threads of its own."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _End:
    """The end of the stream, with the error that ended it, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Ahead(Generic[Item]):
    """A thread that takes items and puts them into a bounded queue."""

    def __init__(self, items: Iterator[Item], depth: int) -> None:
        self.ready: queue.Queue[Item | _End] = queue.Queue(maxsize=depth)
        self._items = items
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop taking items and wait for the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._items:
                self._put(item)
                if self._stop.is_set():
                    return
            self._put(_End())
        except BaseException as error:  # noqa: BLE001 -- it is raised again by the consumer
            self._put(_End(error))

    def _put(self, item: Item | _End) -> None:
        while not self._stop.is_set():
            try:
                self.ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return


def prefetch(items: Iterator[Item], depth: int = 1) -> Generator[Item, None, None]:
    """Yield ``items``, taking up to ``depth`` of them ahead in another thread.

    An error of ``items`` is raised here, in its place. When the consumer stops early, so does the
    thread, before this generator's ``close`` returns.
    """
    ahead = _Ahead(items, depth)
    try:
        while not isinstance(item := ahead.ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        ahead.end()


def in_parallel(
    function: Callable[[Item], Result], items: Iterator[Item], workers: int
) -> Generator[Result, None, None]:
    """Yield ``function`` of each item in the order of the items, some worked at at once.

    ``items`` is read by the thread that asks for results. An error of either is raised here, in
    its place. When the consumer stops early, what is under way is waited for.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="in-parallel")
    under_way: deque[Future[Result]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(function, item))
            if len(under_way) > workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
