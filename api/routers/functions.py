"""The functions that filters may call."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api.answers import document_answer
from api.html import table
from layers.filter_functions import FUNCTIONS
from layers.filter_values import Kind

router = APIRouter(prefix="/api/functions", tags=["Features"])

#: Kind of value → its name in descriptions of functions (OGC 19-079r2, 7).
_TYPES: dict[Kind, str] = {
    Kind.TEXT: "string",
    Kind.NUMBER: "number",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "datetime",
    Kind.INSTANT: "datetime",
    Kind.INTERVAL: "datetime",
    Kind.GEOMETRY: "geometry",
    Kind.ARRAY: "array",
}


@router.get("", summary="Functions of filters")
async def functions(request: Request) -> Response:
    """Return the functions that filters may call, with what they take and give."""
    listed: list[dict[str, Any]] = [
        {
            "name": function.name,
            "description": f"{function.title.zh} / {function.title.en}",
            "arguments": [{"type": _types(kinds)} for kinds in function.arguments],
            "returns": [_TYPES[function.returns]],
        }
        for function in FUNCTIONS.values()
    ]
    rows = [
        [
            f"{entry['name']}({', '.join(part['type'][0] for part in entry['arguments'])})",
            entry["returns"][0],
            entry["description"],
        ]
        for entry in listed
    ]
    title = "过滤函数 / Functions of filters"
    return document_answer(
        request, title, {"functions": listed}, table(["函数 function", "→", "说明 what"], rows)
    )


def _types(kinds: tuple[Kind, ...]) -> list[str]:
    return list(dict.fromkeys(_TYPES[kind] for kind in kinds))
