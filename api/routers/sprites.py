"""The icons that styles draw, as a sprite sheet."""

import re

import orjson
from fastapi import APIRouter, Request, Response

from api.answers import bytes_answer
from api.errors import UnknownResource
from api.openapi_parts import answers
from api.query import read_query
from tiles.sprites import icon_png, sprite_sheet

router = APIRouter(prefix="/sprites", tags=["Maps"])
_FILE = re.compile(r"onemap(?:@(?P<ratio>2|3)x)?\.(?P<kind>json|png)")
_CACHE_CONTROL = "public, max-age=3600"


@router.get(
    "/{file}",
    summary="A sprite sheet: onemap.json, onemap.png, onemap@2x.json, …",
    openapi_extra={"responses": answers("application/json", "image/png")},
)
async def sprite(request: Request, file: str) -> Response:
    """Return the sheet's image or its index, for 1, 2 or 3 device pixels a CSS pixel."""
    read_query(request.scope["query_string"], ())
    match = _FILE.fullmatch(file)
    if match is None:
        raise UnknownResource(f"there is no sprite file '{file}'")
    sheet = sprite_sheet(int(match["ratio"] or 1))
    if match["kind"] == "png":
        return bytes_answer(request, sheet.png, "image/png", cache_control=_CACHE_CONTROL)
    index = orjson.dumps(sheet.index)
    return bytes_answer(request, index, "application/json", cache_control=_CACHE_CONTROL)


@router.get(
    "/icons/{name}.png",
    summary="One icon",
    openapi_extra={"responses": answers("image/png", description="The icon.")},
)
async def icon(request: Request, name: str) -> Response:
    """Return one icon of the sheet, for programs that take no sheets."""
    read_query(request.scope["query_string"], ())
    image = icon_png(name)
    if image is None:
        raise UnknownResource(f"there is no icon '{name}'")
    return bytes_answer(request, image, "image/png", cache_control=_CACHE_CONTROL)
