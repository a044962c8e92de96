"""Parts of the API definition that routers are described with (``openapi_extra``)."""

from collections.abc import Mapping
from typing import Any

GEOJSON = "application/geo+json"
JSON_SCHEMA = "application/schema+json"
_TEXT: Mapping[str, Any] = {"type": "string"}


def query_parameter(
    name: str, description: str, schema: Mapping[str, Any] = _TEXT
) -> dict[str, Any]:
    """Return a query parameter that may be left out; lists have commas between."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": dict(schema),
        "style": "form",
        "explode": False,
    }


def format_parameter(*tokens: str) -> dict[str, Any]:
    """Return the parameter ``f``, which has its way over ``Accept``."""
    schema = {"type": "string", "enum": list(tokens)}
    return query_parameter("f", "Format of the answer; before the header Accept.", schema)


def answers(*media_types: str, description: str = "The document.") -> dict[str, Any]:
    """Return the successful answer in each of its media types."""
    content = {media_type: {"schema": _schema(media_type)} for media_type in media_types}
    return {"200": {"description": description, "content": content}}


def _schema(media_type: str) -> dict[str, Any]:
    if media_type == GEOJSON:
        return {"$ref": "#/components/schemas/GeoJSON"}
    if media_type.endswith("json"):
        return {"type": "object"}
    if media_type.startswith("text/"):
        return {"type": "string"}
    return {"type": "string", "format": "binary"}


#: A document about the service: JSON, or a page.
DOCUMENT: dict[str, Any] = {
    "parameters": [format_parameter("json", "html")],
    "responses": answers("application/json", "text/html"),
}
#: A JSON schema, or a page about it.
SCHEMA_DOCUMENT: dict[str, Any] = {
    "parameters": [format_parameter("json", "html")],
    "responses": answers(JSON_SCHEMA, "text/html"),
}
