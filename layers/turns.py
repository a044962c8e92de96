"""Who uses one of a few places next: nobody waits for ever, and nobody takes them all.

Work belongs to *shares* (a map, a layer, the rest). Waiting shares take turns, however many wait
in each. One share never holds the last place, so work of the others passes by one that became
slow; and shares known to be slow do not hold the last place together.
"""

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from layers.errors import DatabaseBusy

#: Work of a share that usually holds a place for so long is slow.
_SLOW_S = 0.5
#: What the last piece of work counts in "usually".
_LATEST = 0.2


class Turns:
    """A number of places, and a bounded line before them."""

    def __init__(self, places: int, longest: int, patience_s: float) -> None:
        """Begin with all places free.

        Args:
            places: How many may be at work at once.
            longest: How many may wait.
            patience_s: How long one waits at most, seconds.
        """
        self._places = places
        self._longest = longest
        self._patience_s = patience_s
        #: What one share, or all slow ones together, may hold.
        self._most = max(1, places - 1)
        self._held: defaultdict[str, int] = defaultdict(int)
        #: Share → those who wait, in order; the shares in the order of their turns.
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._usual_s: dict[str, float] = {}
        #: How many are at work, and how many wait.
        self.in_use = 0
        self.waiting = 0
        #: How many were sent away because too many waited, and because they waited too long.
        self.refused = 0
        self.expired = 0

    @asynccontextmanager
    async def turn(self, share: str) -> AsyncIterator[None]:
        """Hold a place.

        Raises:
            DatabaseBusy: If too many wait, or none became free in time.
        """
        if share in self._lines or not self._may_begin(share):
            await self._wait(share)
        else:
            self._begin(share)
        start = perf_counter()
        try:
            yield
        finally:
            self._note(share, perf_counter() - start)
            self._end(share)

    @asynccontextmanager
    async def spare_turn(self, share: str) -> AsyncIterator[bool]:
        """Hold a further place if half are free and nobody waits; tell whether it is held."""
        spare = not self._lines and self.in_use * 2 < self._places and self._may_begin(share)
        if not spare:
            yield False
            return
        self._begin(share)
        try:
            yield True
        finally:
            self._end(share)

    def _may_begin(self, share: str) -> bool:
        if self.in_use >= self._places or self._held.get(share, 0) >= self._most:
            return False
        if not self._is_slow(share):
            return True
        slow = sum(number for name, number in self._held.items() if self._is_slow(name))
        return slow < self._most

    def _is_slow(self, share: str) -> bool:
        return self._usual_s.get(share, 0.0) >= _SLOW_S

    def _note(self, share: str, seconds: float) -> None:
        usual = self._usual_s.get(share, seconds)
        self._usual_s[share] = usual + (seconds - usual) * _LATEST

    def _begin(self, share: str) -> None:
        self.in_use += 1
        self._held[share] += 1

    def _end(self, share: str) -> None:
        self.in_use -= 1
        self._held[share] -= 1
        if not self._held[share]:
            del self._held[share]
        self._call()

    def _call(self) -> None:
        """Let those begin who may, one of each share in turn."""
        called = True
        while called:
            called = False
            for share in list(self._lines):
                if self._may_begin(share):
                    called = True
                    first = self._first(share)
                    # One who was cancelled may not have had the time to leave the line.
                    if not first.done():
                        self._begin(share)
                        first.set_result(None)

    def _first(self, share: str) -> "asyncio.Future[None]":
        line = self._lines[share]
        found = line.popleft()
        self.waiting -= 1
        if line:
            self._lines.move_to_end(share)
        else:
            del self._lines[share]
        return found

    async def _wait(self, share: str) -> None:
        if self.waiting >= self._longest:
            self._make_room(share)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(share, deque()).append(mine)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await mine
        except TimeoutError as error:
            self._leave(share, mine)
            self.expired += 1
            raise DatabaseBusy("all database connections are in use: try again soon") from error
        except BaseException:
            self._leave(share, mine)
            raise

    def _leave(self, share: str, mine: "asyncio.Future[None]") -> None:
        line = self._lines.get(share)
        if line is not None and mine in line:
            line.remove(mine)
            self.waiting -= 1
            if not line:
                del self._lines[share]
        elif mine.done() and not mine.cancelled() and mine.exception() is None:
            # Called in the very moment of going.
            self._end(share)

    def _make_room(self, share: str) -> None:
        """Send away the last of the longest line, unless that is the share's own."""
        self.refused += 1
        busy = DatabaseBusy("too many requests wait for the database: try again soon")
        own = len(self._lines.get(share, ()))
        longest: deque[asyncio.Future[None]] = max(self._lines.values(), key=len, default=deque())
        if len(longest) <= own + 1:
            raise busy
        self.waiting -= 1
        last = longest.pop()
        if not last.done():
            last.set_exception(busy)
