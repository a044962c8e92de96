"""Pages of features ahead of the framework's routing, which takes as long as ten features do.

The endpoint is the framework's own (``api.routers.items``); for its description, and for everything
but a plain GET of a layer that is there, the framework remains.
"""

import re

from fastapi import FastAPI, Request, Response

from api.asgi import REQUEST_ID, ROUTE, Receive, Scope, Send
from api.problems import problem_of
from api.routers.items import items
from api.service import Service
from api.viewers import current_viewer
from api.writing import shows_token
from layers.errors import OneMapError

#: What requests for pages are counted as.
ITEMS_ROUTE = "/api/collections/{layer}/items"
_PATH = re.compile(r"/api/collections/([a-z0-9_]+)/items")


class FeatureApp:
    """Answers pages of features itself and leaves every other request to the framework."""

    def __init__(self, framework: FastAPI, service: Service) -> None:
        self._framework = framework
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        layer = self._layer(scope)
        if layer is None:
            await self._framework(scope, receive, send)
            return
        scope[ROUTE] = ITEMS_ROUTE
        scope["app"] = self._framework
        request = Request(scope, receive)
        viewer = current_viewer(shows_token=shows_token(request, self._service.settings))
        try:
            response = await items(request, layer, self._service, viewer)
        except OneMapError as error:
            problem = problem_of(error, scope["path"], scope[REQUEST_ID])
            response = Response(problem.body, problem.status, dict(problem.headers))
        await response(scope, receive, send)

    def _layer(self, scope: Scope) -> str | None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        match = _PATH.fullmatch(scope["path"])
        # Other collections than layers have pages of their own.
        return match[1] if match and match[1] in self._service.catalogue.layers else None
