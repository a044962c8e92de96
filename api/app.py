"""The service as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route

from api.about import DESCRIPTION, TITLE
from api.asgi import REQUEST_ID, App
from api.cors import EXPOSED
from api.errors import InvalidParameter, UnknownResource
from api.feature_app import FeatureApp
from api.middleware import RequestFrame
from api.problems import Problem, make_problem, problem_of, status_title
from api.router_registry import all_routers
from api.service import Service
from api.settings import ApiSettings
from api.tile_answers import TileAnswers
from api.tile_app import TileApp
from api.tile_limits import TileLimits
from etl.settings import EtlSettings
from layers.catalogue import Catalogue, load_catalogue
from layers.errors import OneMapError
from layers.settings import LayersSettings


def create_app(
    settings: ApiSettings,
    layers_settings: LayersSettings,
    catalogue: Catalogue | None = None,
    etl_settings: EtlSettings | None = None,
) -> RequestFrame:
    """Make the service.

    It starts and answers ``/healthz`` whether or not the database is there; ``/readyz`` says
    what is missing, and data come as soon as it is not.

    Args:
        settings: How to answer.
        layers_settings: Where the city map is kept.
        catalogue: The definitions; without them they are read from their folders.
        etl_settings: What is taken in, and where it waits; without them the defaults.

    Returns:
        The hot paths for tiles and for pages of features, the framework with everything else, and
        around all what happens to every request.

    Raises:
        DefinitionError: If a definition or a plug-in is at fault.
    """
    if catalogue is None:
        catalogue = load_catalogue(
            extra_layers=layers_settings.extra_layers, extra_maps=layers_settings.extra_maps
        )
    if etl_settings is None:
        etl_settings = EtlSettings.model_construct()
    service = Service(settings, layers_settings, catalogue, etl_settings)
    app: App = TileApp(FeatureApp(_framework(service), service), service)
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
            max_age=86400,
        )
    return RequestFrame(app, service)


def _framework(service: Service) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=_version(),
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.tile_answers = TileAnswers(service)
    app.state.tile_limits = TileLimits(service)
    app.state.definitions = {}
    app.add_exception_handler(OneMapError, _told)
    app.add_exception_handler(HTTPException, _framework_error)
    app.add_exception_handler(RequestValidationError, _framework_error)
    app.add_exception_handler(Exception, _told)
    for router in all_routers():
        app.include_router(router)
    return app


def _version() -> str:
    try:
        return version("onemap")
    except PackageNotFoundError:
        return "0.0.0"


async def _told(request: Request, error: Exception) -> Response:
    return _response(problem_of(error, request.url.path, request.scope[REQUEST_ID]))


async def _framework_error(request: Request, error: Exception) -> Response:
    """Bring the framework's own errors into the service's form."""
    if isinstance(error, RequestValidationError):
        places = ", ".join(str(fault["loc"][-1]) for fault in error.errors())
        return await _told(request, InvalidParameter(f"{places}: cannot be read"))
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for these two only
    path = request.url.path
    if error.status_code == 404:
        return await _told(request, UnknownResource(f"there is nothing at '{path}'"))
    detail = f"{request.method} is not possible here"
    if error.status_code != 405:
        detail = str(error.detail)
    problem = make_problem(
        error.status_code,
        status_title(error.status_code),
        detail,
        path,
        request.scope[REQUEST_ID],
    )
    response = _response(problem)
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """Return the methods that are possible at a path, by whichever of its routes."""
    found: set[str] = set()
    for router in all_routers():
        for route in router.routes:
            # The web client's files are whatever no other route serves.
            if not isinstance(route, Route) or route.path == "/{path:path}":
                continue
            if route.matches(request.scope)[0] is not Match.NONE:
                found |= route.methods or set()
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def _response(problem: Problem) -> Response:
    return Response(problem.body, problem.status, dict(problem.headers))
