"""Prometheus metrics."""

from fastapi import APIRouter, Response

from api.dependencies import TheService
from api.openapi_parts import answers
from api.telemetry import MEDIA_TYPE

router = APIRouter(tags=["Operation"])


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    openapi_extra={"responses": answers("text/plain")},
)
async def metrics(service: TheService) -> Response:
    """Return all figures in Prometheus' text form."""
    service.telemetry.cache_bytes.set(service.memory.bytes)
    service.telemetry.cache_tiles.set(len(service.memory))
    store = service.tile_store
    service.telemetry.store_bytes.set(store.usage.bytes if store is not None else 0)
    service.telemetry.store_in_step.set(store is not None)
    return Response(service.telemetry.exposition(), media_type=MEDIA_TYPE)
