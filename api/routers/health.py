"""Whether the process lives, and whether the map can be served."""

from fastapi import APIRouter, Request, Response

from api.dependencies import TheService
from api.problems import RETRY_AFTER_S
from api.query import read_query
from layers.errors import DatabaseUnavailable

router = APIRouter(tags=["Operation"])


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> dict[str, str]:
    """Answer as long as the process does."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Whether the map can be served",
    responses={503: {"description": "It cannot; the answer says what is missing."}},
)
async def readyz(request: Request, response: Response, service: TheService) -> dict[str, object]:
    """Look at database, migrations and catalogue."""
    read_query(request.scope["query_string"], ())
    try:
        missing = await service.reader.ready()
    except DatabaseUnavailable as error:
        missing = [str(error)]
    response.headers["cache-control"] = "no-store"
    if missing:
        response.status_code = 503
        response.headers["retry-after"] = str(RETRY_AFTER_S)
    return {"status": "not ready" if missing else "ready", "missing": missing}
