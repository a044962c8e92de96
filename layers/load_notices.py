"""Who waits for news of a load hears of them, within one server process."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class LoadNotices:
    """Hands on what PostgreSQL announces about loads."""

    def __init__(self) -> None:
        self._waiting: defaultdict[int, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def following(self, load_id: int) -> Iterator[asyncio.Event]:
        """In the block, the event is set whenever something is new; whoever waits clears it."""
        event = asyncio.Event()
        self._waiting[load_id].add(event)
        try:
            yield event
        finally:
            self._waiting[load_id].discard(event)
            if not self._waiting[load_id]:
                del self._waiting[load_id]

    def hear(self, load_id: int) -> None:
        """Tell those who follow a load."""
        for event in self._waiting.get(load_id, ()):
            event.set()

    def hear_all(self) -> None:
        """Tell everybody, after notices may have been lost."""
        for load_id in list(self._waiting):
            self.hear(load_id)
