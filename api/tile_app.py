"""Tiles at ``/tiles/{map}/{z}/{x}/{y}`` in bare ASGI, ahead of the framework's routing.

``/tiles/{map}/v{version}/{z}/{x}/{y}`` is the same tile at one version of the map: as long as it is
the map's version of now, the answer may be kept for ever; later the address leads to the former.
``/tiles/{map}/{grid}/{z}/{x}/{y}`` is a tile of another grid.
Tiles in memory do not even come here (``api.hot_protocol``).
"""

import re
from urllib.parse import quote

from api.asgi import REQUEST_ID, ROUTE, App, Receive, Scope, Send, respond
from api.errors import InvalidParameter
from api.problems import make_problem, problem_of, status_title
from api.query import read_query
from api.service import Service
from api.tile_answers import TileAnswer, TileAnswers, TileWish
from api.tile_query import PARAMETERS, read_tile_query
from api.viewers import current_viewer
from layers.errors import OneMapError
from tiles.grids import WEB_MERCATOR_QUAD
from tiles.registry import tile_formats
from tiles.tile_grids import tile_grid

PREFIX = "/tiles/"
#: What requests for tiles are counted as.
TILE_ROUTE = "/tiles/{map}/{z}/{x}/{y}"
_VERSION = re.compile(r"v([0-9]{1,18})")
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
        version = None
        if len(parts) in (5, 6) and (match := _VERSION.fullmatch(parts[1])):
            version = int(match[1])
            del parts[1]
        grid = parts.pop(1) if len(parts) == 5 else WEB_MERCATOR_QUAD
        if len(parts) != 4:
            await self._app(scope, receive, send)
            return
        scope[ROUTE] = TILE_ROUTE
        answer = await self._answer(scope, parts, grid, version)
        await respond(send, answer.status, answer.headers, answer.body)

    async def _answer(
        self, scope: Scope, parts: list[str], grid: str, version: int | None
    ) -> TileAnswer:
        try:
            if scope["method"] != "GET":
                return _not_allowed(scope)
            query = read_tile_query(read_query(scope["query_string"], PARAMETERS))
            viewer = current_viewer()
            # The map comes first: of an unknown one there is nothing else to say.
            self._service.catalogue.map(parts[0])
            zoom = tile_grid(grid).zoom
            place = self._place(parts)
            plan = self._service.map_plan(parts[0], zoom(place[0]), viewer)
            if version is not None:
                names = self._service.map_layers(plan.tileset)
                if version != self._service.tile_version(names):
                    return _moved(scope)
            request = query.request(plan.tileset, grid, place, viewer)
            path = scope["raw_path"] if not scope["query_string"] and request.is_plain else None
            wish = TileWish(plan, request, version, path)
            return await self._answers.answer(scope, wish)
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


def _moved(scope: Scope) -> TileAnswer:
    """Lead to the tile's address without a version, by a reference that proxies do not spoil."""
    _, _, rest = scope["path"][len(PREFIX) :].split("/", 2)
    target = "../" * (rest.count("/") + 1) + quote(rest)
    if scope["query_string"]:
        target += f"?{scope['query_string'].decode('latin-1')}"
    return TileAnswer(307, [(b"location", target.encode()), (b"cache-control", b"no-store")], b"")


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
