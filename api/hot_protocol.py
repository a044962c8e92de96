"""HTTP/1.1 on a connection, with cached tiles answered before anything else looks at the request.

A complete, plain request for a tile in memory is answered by bytes that are ready, in the very
call that brings it. Everything else (parts of requests, bodies, upgrades, other paths, what is
asked while an answer is under way) goes to uvicorn as if this were not here.
"""

from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Any
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.hot_tiles import HotAnswer, HotTiles

_LINE_END = b" HTTP/1.1"
_GET, _HEAD = b"GET /tiles/", b"HEAD /tiles/"
#: Longer requests are looked at by uvicorn.
_LONGEST = 16 * 1024
#: Bodies from this on are not copied behind their heads.
_LARGE = 64 * 1024
#: Identifies the process in the ids of requests that bring none.
_PROCESS = uuid4().hex[:16].encode()
_numbers = count()


#: Told of every answer: method, path, answer, the request's id, seconds.
Count = Callable[[str, bytes, HotAnswer, bytes, float], None]


class HotProtocol(HttpToolsProtocol):
    """One connection."""

    #: Set by ``hot_protocol``.
    tiles: HotTiles
    count: Count

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._within = False
        self._last = 0.0
        self._default: list[tuple[bytes, bytes]] = []
        self._default_lines = b""

    def on_message_begin(self) -> None:
        """Note that uvicorn is reading a request."""
        self._within = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that it has read it."""
        self._within = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        while data and self._is_idle():
            taken = self._answer(data)
            if not taken:
                break
            data = data[taken:]
        if data:
            super().data_received(data)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it was idle; a tile may have been answered since."""
        self.timeout_keep_alive_task = None
        left = self._last + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            super().timeout_keep_alive_handler()
        else:
            self._wait(left)

    def _wait(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def _is_idle(self) -> bool:
        return not (
            self._within
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.pipeline
            or self.flow.write_paused
            or self.transport.is_closing()
        )

    def _answer(self, data: bytes) -> int:
        """Answer the request that ``data`` begins with; returns its length, 0 if not answered."""
        start = perf_counter()
        is_get = data.startswith(_GET)
        if not is_get and not data.startswith(_HEAD):
            return 0
        end = data.find(b"\r\n\r\n", 0, _LONGEST)
        line = data.find(b"\r\n")
        if end < 0 or not data.endswith(_LINE_END, 0, line):
            return 0
        path = data[4 if is_get else 5 : line - len(_LINE_END)]
        answer = self.tiles.answer(path, data[line : end + 2])
        if answer is None:
            return 0
        number = answer.request_id or b"%s%016x" % (_PROCESS, next(_numbers))
        self._send(answer, number, is_get)
        self.server_state.total_requests += 1
        self._last = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait(self.timeout_keep_alive)
        method = "GET" if is_get else "HEAD"
        self.count(method, path, answer, number, perf_counter() - start)
        return end + 4

    def _send(self, answer: HotAnswer, number: bytes, with_body: bool) -> None:
        if self.server_state.default_headers is not self._default:
            self._default = self.server_state.default_headers
            self._default_lines = b"".join(
                b"%s: %s\r\n" % (name, value) for name, value in self._default
            )
        head = b"%s%sx-request-id: %s\r\n\r\n" % (answer.head, self._default_lines, number)
        if not with_body:
            self.transport.write(head)
        elif len(answer.body) < _LARGE:
            self.transport.write(head + answer.body)
        else:
            self.transport.writelines((head, answer.body))


def hot_protocol(tiles: HotTiles, count: Count) -> type[HotProtocol]:
    """Return the protocol class of a server that has ``tiles`` ready.

    Args:
        tiles: The tiles.
        count: Told of every answer.
    """
    return type("HotProtocol", (HotProtocol,), {"tiles": tiles, "count": staticmethod(count)})
