"""The OpenAPI 3.0 definition, with the service's one form of errors."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE

_VERSION = "3.0.3"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "requestId"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "requestId": {"type": "string"},
    },
}
_PROBLEM_RESPONSE = {
    "description": "A problem (RFC 9457).",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the definition of all documented endpoints, in a form that OpenAPI 3.0 has."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=_VERSION,
        description=app.description,
        routes=app.routes,
        license_info={"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    )
    document["components"] = {
        "schemas": {"Problem": _PROBLEM},
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    }
    for path in document["paths"].values():
        for operation in path.values():
            # What the framework would answer to a malformed request, this service does not.
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _PROBLEM_RESPONSE
    return document
