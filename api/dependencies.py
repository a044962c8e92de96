"""What endpoints ask the framework for."""

from typing import Annotated

from fastapi import Depends, Request

from api.service import Service
from api.viewers import current_viewer
from api.writing import shows_token
from layers.access import Viewer


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _viewer(request: Request) -> Viewer:
    service: Service = request.app.state.service
    editor = service.edit_tokens.bearer(request.headers.get("authorization"))
    if editor is not None:
        return editor
    return current_viewer(shows_token=shows_token(request, service.settings))


#: The state of the service.
TheService = Annotated[Service, Depends(_service)]
#: Who asks.
TheViewer = Annotated[Viewer, Depends(_viewer)]
