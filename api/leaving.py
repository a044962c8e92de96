"""Ends the work on a request whose client has gone: nobody waits for the answer any more."""

import asyncio

from api.asgi import Message, Receive

#: Methods of requests without effect, whose work may end anywhere.
SAFE_METHODS = frozenset({"GET", "HEAD"})


class Leaving:
    """Watches for the end of a connection while the current task answers a request."""

    def __init__(self, receive: Receive) -> None:
        """Begin to watch.

        Args:
            receive: The server's; the application gets ``self.receive`` in its place, for only
                one can listen. A body that came with the request is passed over.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- the server calls from a task
        self._task = task
        self._receive = receive
        self._begun = False
        self._gone = asyncio.Event()
        self._watch: asyncio.Task[None] | None = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._watch is not None:
            self._gone.set()
            self._task.cancel()

    async def receive(self) -> Message:
        """Give an empty body, and then the end of the connection."""
        if not self._begun:
            self._begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    def stop(self) -> None:
        """Watch no longer: the answer has been made."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def explains_cancellation(self) -> bool:
        """Tell whether the current task was cancelled because the client went, and forget it."""
        return self._gone.is_set() and self._task.uncancel() == 0
