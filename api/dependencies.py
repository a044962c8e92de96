"""What endpoints ask the framework for."""

from typing import Annotated

from fastapi import Depends, Request

from api.service import Service
from api.viewers import current_viewer
from layers.access import Viewer


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _viewer() -> Viewer:
    return current_viewer()


#: The state of the service.
TheService = Annotated[Service, Depends(_service)]
#: Who asks.
TheViewer = Annotated[Viewer, Depends(_viewer)]
