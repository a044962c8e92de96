"""Sessions of a load beside its own, so that the database works for it on several processors.

What they do is committed piece by piece, so it may only touch what nobody sees yet. They hold the
lock by which a load is seen to live, and are cancelled with it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from layers.load_locks import WRITING, lock_key

#: One thing to do, in a transaction of its own.
Task = Callable[[Connection], None]
#: Each session builds one index at a time; workers of its own would only take turns with the other.
_SETTINGS = {"maintenance_work_mem": "256MB", "max_parallel_maintenance_workers": "0"}
#: Seconds after which what was cancelled and goes on is cancelled again: it was between statements.
_PAUSE_S = 0.2


class SideSessions:
    """Some sessions that share tasks out among themselves. The owner uses them from one thread."""

    def __init__(self, connections: Sequence[Connection], load_id: int) -> None:
        self._connections = list(connections)
        # Of a session that is lost, its connection does not know any more.
        self._drivers: list[Any] = [one.connection.dbapi_connection for one in connections]
        self._load_id = load_id
        self._threads = ThreadPoolExecutor(len(connections), thread_name_prefix="side-session")
        self._tasks: deque[Task] = deque()
        self._under_way: list[Future[None]] = []
        self._failed = False

    @classmethod
    def open(cls, engine: Engine, load_id: int, count: int) -> "SideSessions | None":
        """Open ``count`` sessions; none at all where the database does not give so many."""
        connections: list[Connection] = []
        try:
            for _ in range(count):
                connections.append(engine.connect())
        except (DBAPIError, PoolTimeout):
            for connection in connections:
                connection.close()
            return None
        return cls(connections, load_id)

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self._connections)

    def start(self, tasks: Sequence[Task]) -> None:
        """Begin tasks, once those before are done: each session takes the next when it is free."""
        self.wait()
        self._tasks.extend(tasks)
        self._under_way = [
            self._threads.submit(self._work, connection) for connection in self._connections
        ]

    def wait(self) -> None:
        """Wait until all tasks are done.

        Raises:
            BaseException: What a task raised; the others were cancelled then.
        """
        ended = wait(self._under_way, return_when=FIRST_EXCEPTION).done
        failures = [error for work in ended if (error := work.exception()) is not None]
        if failures:
            self._end()
            raise failures[0]
        self._under_way.clear()

    def close(self) -> None:
        """Cancel what is still under way, wait for that and give the sessions back."""
        self._end()
        self._threads.shutdown()
        for connection in self._connections:
            if self._failed:
                connection.invalidate()
            connection.close()

    def _work(self, connection: Connection) -> None:
        while self._tasks:
            try:
                task = self._tasks.popleft()
            except IndexError:  # the other session was quicker
                return
            with connection.begin():
                settings = [func.set_config(name, value, True) for name, value in _SETTINGS.items()]
                lock = func.pg_advisory_xact_lock_shared(WRITING, lock_key(self._load_id))
                connection.execute(select(*settings, lock))
                task(connection)

    def _end(self) -> None:
        """End the statements that are under way, and wait for that."""
        self._tasks.clear()
        while left := wait(self._under_way, timeout=0).not_done:
            self._failed = True
            for driver, work in zip(self._drivers, self._under_way, strict=True):
                if work in left:
                    with suppress(psycopg2.Error):
                        driver.cancel()
            wait(left, timeout=_PAUSE_S)
        self._failed |= any(work.exception() is not None for work in self._under_way)
        self._under_way.clear()
