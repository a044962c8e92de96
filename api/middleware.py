"""What happens to every request, in plain ASGI around hot path and framework alike.

A request gets an id (the caller's own, if it sent a sane one), is timed, counted and logged; HEAD
becomes a GET whose body is dropped; and an error that nobody expected becomes a problem document
that tells nothing more. What is done for a client that goes away is ended.
"""

import re
from asyncio import CancelledError
from collections.abc import Callable
from time import perf_counter
from traceback import format_exception
from uuid import uuid4

import structlog

from api.asgi import (
    HEAD_ONLY,
    REQUEST_ID,
    ROUTE,
    App,
    Message,
    Receive,
    Scope,
    Send,
    header,
    respond,
)
from api.hot_protocol import HotProtocol, hot_protocol
from api.hot_tiles import HotAnswer
from api.leaving import SAFE_METHODS, Leaving
from api.problems import problem_of
from api.service import Service
from api.tile_app import TILE_ROUTE

#: The status under which requests are counted whose client did not wait, as nginx has it.
_CLIENT_GONE = 499
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger("api.requests")


class RequestFrame:
    """The outermost application."""

    def __init__(self, app: App, service: Service) -> None:
        self._app = app
        self._service = service

    @property
    def http_protocol(self) -> type[HotProtocol]:
        """The protocol by which a server should run the application."""
        return hot_protocol(self._service.hot, self._count_hot)

    def _count_hot(
        self, method: str, path: bytes, answer: HotAnswer, request_id: bytes, seconds: float
    ) -> None:
        telemetry = self._service.telemetry
        telemetry.answered(method, TILE_ROUTE, answer.status, seconds)
        tile = answer.tile
        size = len(answer.body) if method == "GET" else 0
        telemetry.tile(tile.map, tile.zoom, "memory", seconds, size)
        if self._service.settings.access_log:
            _log.info(
                "request.answered",
                request_id=request_id.decode(),
                method=method,
                path=path.decode("latin-1"),
                status=answer.status,
                milliseconds=round(seconds * 1000, 2),
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand on whatever else the server says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = header(scope, b"x-request-id")
        request_id = given if given and _SANE_ID.fullmatch(given) else uuid4().hex.encode()
        scope[REQUEST_ID] = request_id.decode()
        answer = _Answer(send, request_id, body_wanted=scope["method"] != "HEAD")
        start = perf_counter()
        method = scope["method"]
        if method == "HEAD":
            # A scope of its own: the server looks at the one it made.
            scope = {**scope, "method": "GET", HEAD_ONLY: True}
        leaving = None
        if method in SAFE_METHODS:
            leaving = Leaving(receive)
            receive, answer.when_made = leaving.receive, leaving.stop
        try:
            await self._app(scope, receive, answer.send)
        except CancelledError:
            if leaving is None or not leaving.explains_cancellation():
                raise
            answer.status = _CLIENT_GONE
        except Exception as error:  # noqa: BLE001 -- the last door: nothing may pass it
            # The plain trace: one with the values of variables costs seconds, and may hold secrets.
            _log.error(
                "request.failed",
                request_id=scope[REQUEST_ID],
                path=scope["path"],
                trace="".join(format_exception(error)),
            )
            if answer.status == 0:
                problem = problem_of(error, scope["path"], scope[REQUEST_ID])
                headers = [(name.encode(), value.encode()) for name, value in problem.headers]
                await respond(answer.send, problem.status, headers, problem.body)
        finally:
            if leaving is not None:
                leaving.stop()
        seconds = perf_counter() - start
        self._service.telemetry.answered(method, _route(scope), answer.status, seconds)
        if self._service.settings.access_log:
            _log.info(
                "request.answered",
                request_id=scope[REQUEST_ID],
                method=method,
                path=scope["path"],
                status=answer.status,
                milliseconds=round(seconds * 1000, 2),
            )


class _Answer:
    """Watches an answer go out, and adds the request's id to it."""

    def __init__(self, send: Send, request_id: bytes, *, body_wanted: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._body_wanted = body_wanted
        self.status = 0
        #: Called before the last part goes out.
        self.when_made: Callable[[], None] = lambda: None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id)]
        else:
            if not self._body_wanted:
                message["body"] = b""
            if not message.get("more_body", False):
                self.when_made()
        await self._send(message)


def _route(scope: Scope) -> str:
    """Return the pattern that the request's path matched; few names, whatever people ask for."""
    name = scope.get(ROUTE)
    if name is None:
        name = getattr(scope.get("route"), "path", None)
    return name or "unmatched"
