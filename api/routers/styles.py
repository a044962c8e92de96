"""MapLibre styles of the maps."""

from fastapi import APIRouter, Request, Response

from api.answers import json_answer
from api.dependencies import TheService, TheViewer
from api.errors import InvalidParameter
from api.links import base_url, with_query
from api.openapi_parts import answers
from api.query import read_query
from api.times import record_time, valid_instant
from tiles.style_values import Language
from tiles.styles import compose_style

router = APIRouter(prefix="/styles", tags=["Maps"])
_PARAMETERS = ("lang", "datetime", "asOf")


@router.get(
    "/{name}.json",
    summary="A map's MapLibre style",
    openapi_extra={
        "parameters": [
            {
                "name": "lang",
                "in": "query",
                "description": "Language of the names on the map.",
                "schema": {"type": "string", "enum": ["zh", "en", "both"], "default": "both"},
            },
            {
                "name": "datetime",
                "in": "query",
                "description": "Draw the map as it was at this instant.",
                "schema": {"type": "string"},
            },
            {
                "name": "asOf",
                "in": "query",
                "description": "Draw what the map held at this instant.",
                "schema": {"type": "string"},
            },
        ],
        "responses": answers("application/json"),
    },
)
async def style(request: Request, name: str, service: TheService, viewer: TheViewer) -> Response:
    """Return the style of a map; text needs no glyphs, front ends draw it from local fonts."""
    parameters = read_query(request.scope["query_string"], _PARAMETERS)
    city_map = service.catalogue.map(name)
    language = _language(parameters.pop("lang", Language.BOTH.value))
    valid_instant(parameters.get("datetime"))
    record_time(parameters.get("asOf"))
    base = base_url(request)
    composed = compose_style(
        service.catalogue,
        city_map,
        viewer,
        language,
        tilejson_url=with_query(f"{base}/tiles/{name}.json", parameters),
        sprite_url=f"{base}/sprites/onemap",
    )
    return json_answer(request, composed)


def _language(text: str) -> Language:
    try:
        return Language(text)
    except ValueError as error:
        known = ", ".join(Language)
        raise InvalidParameter(f"lang: '{text}' is not one of {known}") from error
