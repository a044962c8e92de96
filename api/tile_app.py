"""The hot path ``/tiles/{map}/{z}/{x}/{y}`` in bare ASGI, ahead of the framework's routing."""

from api.asgi import REQUEST_ID, ROUTE, App, Receive, Scope, Send, respond
from api.errors import InvalidParameter
from api.problems import make_problem, problem_of, status_title
from api.query import read_query
from api.service import Service
from api.tile_answers import TileAnswer, TileAnswers
from api.times import record_time, valid_instant
from api.viewers import current_viewer
from layers.errors import OneMapError
from tiles.registry import tile_formats

PREFIX = "/tiles/"
_ROUTE = "/tiles/{map}/{z}/{x}/{y}"
_PARAMETERS = frozenset({"datetime", "asOf"})
#: Digits of a column or row at the deepest zoom that any grid has, and some more.
_MOST_DIGITS = 9


class TileApp:
    """Answers tiles itself and leaves every other request to the application behind it."""

    def __init__(self, app: App, service: Service) -> None:
        self._app = app
        self._service = service
        self._answers = TileAnswers(service)
        self._endings = frozenset(
            ending for entry in tile_formats().values() for ending in entry.extensions
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        parts = scope["path"][len(PREFIX) :].split("/")
        if len(parts) != 4:
            await self._app(scope, receive, send)
            return
        scope[ROUTE] = _ROUTE
        answer = await self._answer(scope, parts)
        await respond(send, answer.status, answer.headers, answer.body)

    async def _answer(self, scope: Scope, parts: list[str]) -> TileAnswer:
        try:
            if scope["method"] != "GET":
                return _not_allowed(scope)
            parameters = read_query(scope["query_string"], _PARAMETERS)
            times = (valid_instant(parameters.get("datetime")), record_time(parameters.get("asOf")))
            viewer = current_viewer()
            # The map comes first: of an unknown one there is nothing else to say.
            self._service.catalogue.map(parts[0])
            place = self._place(parts)
            plan = self._service.map_plan(parts[0], place[0], viewer)
            return await self._answers.answer(scope, plan, place, viewer, times)
        except OneMapError as error:
            problem = problem_of(error, scope["path"], scope[REQUEST_ID])
            headers = [(name.encode(), value.encode()) for name, value in problem.headers]
            return TileAnswer(problem.status, headers, problem.body)

    def _place(self, parts: list[str]) -> tuple[int, int, int]:
        row, dot, ending = parts[3].partition(".")
        if dot and ending not in self._endings:
            listed = " or ".join(sorted(f".{known}" for known in self._endings))
            raise InvalidParameter(f"y: '.{ending}' is no tile format; write {listed}, or neither")
        return (_number("z", parts[1]), _number("x", parts[2]), _number("y", row))


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InvalidParameter(f"{name}: '{text}' is not a whole number from 0 upwards")
    return int(text)


def _not_allowed(scope: Scope) -> TileAnswer:
    problem = make_problem(
        405,
        status_title(405),
        f"{scope['method']} is not possible here",
        scope["path"],
        scope[REQUEST_ID],
    )
    headers = [(name.encode(), value.encode()) for name, value in problem.headers]
    return TileAnswer(405, [*headers, (b"allow", b"GET, HEAD")], problem.body)
