"""The code lists that fields take their values from."""

from fastapi import APIRouter, Request, Response

from api.answers import json_answer
from api.dependencies import TheService
from api.openapi_parts import answers
from api.query import read_query

router = APIRouter(prefix="/api/codes", tags=["Maps"])


@router.get(
    "/{scheme}",
    summary="A code list",
    openapi_extra={"responses": answers("application/json")},
)
async def codes(request: Request, scheme: str, service: TheService) -> Response:
    """Return a code list: each code with its names, its parent and its colour."""
    read_query(request.scope["query_string"], ())
    listed = service.catalogue.code_list(scheme)
    value = {
        "name": listed.name,
        "scheme": listed.scheme,
        "edition": listed.edition,
        "codes": [
            {
                "code": code.code,
                "parent": code.parent,
                "name": {"zh": code.name_zh, "en": code.name_en},
                "color": listed.color(code.code),
            }
            for code in listed.codes.values()
        ],
    }
    return json_answer(request, value)
