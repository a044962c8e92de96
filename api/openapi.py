"""The API definition, as OpenAPI 3.0 and 3.1, with the service's one form of errors.

Paths are relative to the landing page, as OGC's clients and test suites expect them
(``/collections``, not ``/api/collections``); what lies outside it names its server itself.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.collection_documents import JSON_TYPES
from api.crs import Systems
from api.feature_parameters import CRS_SCHEMA
from api.problems import MEDIA_TYPE
from layers.access import ANONYMOUS, access_class, may_know
from layers.catalogue import Catalogue
from tiles.tile_grids import TILE_GRIDS

#: The versions that are offered, the usual one first, and what they call themselves.
VERSIONS: Mapping[str, str] = MappingProxyType({"3.0": "3.0.3", "3.1": "3.1.0"})
_HOME = "/api"
_GEOJSON = {
    "type": "object",
    "description": "GeoJSON (RFC 7946).",
    "required": ["type"],
    "properties": {"type": {"type": "string", "enum": ["FeatureCollection", "Feature"]}},
}
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


def media_type_of(version: str) -> str:
    """Return the media type of the definition in a version."""
    return f"application/vnd.oai.openapi+json;version={version}"


def openapi_document(
    app: FastAPI, catalogue: Catalogue, base: str, version: str = "3.0"
) -> dict[str, Any]:
    """Return the definition of all documented endpoints.

    Args:
        app: The framework's application.
        catalogue: Its layers' public fields are the queryables.
        base: The service's address, without a slash at the end.
        version: One of ``VERSIONS``. Routers write for 3.0; of that, 3.1 only says otherwise what
            may be null.
    """
    systems: Systems = app.state.service.systems
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=VERSIONS[version],
        description=app.description,
        routes=app.routes,
        license_info={"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    )
    document["servers"] = [{"url": f"{base}{_HOME}"}]
    document["components"] = {
        "schemas": {
            "GeoJSON": _GEOJSON,
            "Problem": _PROBLEM,
            "Queryables": _queryables(catalogue),
            CRS_SCHEMA: {"type": "string", "format": "uri", "enum": systems.uris},
        },
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    }
    paths = document["paths"]
    places = _places(catalogue)
    document["paths"] = {
        _relative(path): _path_item(path, operations, base, places)
        for path, operations in paths.items()
    }
    return document if version == "3.0" else _with_null_types(document)


def _with_null_types(value: Any) -> Any:
    """Return a part of the document as 3.1 has it: null is a type, not a property of others."""
    if isinstance(value, list):
        return [_with_null_types(part) for part in value]
    if not isinstance(value, dict):
        return value
    told = {name: _with_null_types(part) for name, part in value.items() if name != "nullable"}
    if value.get("nullable") is True and isinstance(value.get("type"), str):
        told["type"] = [value["type"], "null"]
    return told


def _relative(path: str) -> str:
    if path == _HOME:
        return "/"
    return path.removeprefix(_HOME) if path.startswith(f"{_HOME}/") else path


def _places(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Return what parameters of paths may be: name → schema."""
    layers = [layer.name for layer in catalogue.layers.values() if may_know(layer, ANONYMOUS)]
    number = {"type": "integer", "minimum": 0}
    return {
        "layer": {"type": "string", "enum": sorted(layers)},
        "grid": {"type": "string", "enum": sorted(TILE_GRIDS)},
        "scheme": {"type": "string", "enum": sorted(catalogue.codes)},
        **dict.fromkeys(("z", "row", "column", "feature_id", "load_id"), number),
    }


def _path_item(
    path: str, operations: dict[str, Any], base: str, places: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    for operation in operations.values():
        # What the framework would answer to a malformed request, this service does not.
        operation["responses"].pop("422", None)
        operation["responses"]["default"] = _PROBLEM_RESPONSE
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                # Said even where it is what OpenAPI assumes: OGC's test suites look for it.
                parameter.setdefault("required", False)
                parameter.setdefault("style", "form")
                parameter.setdefault("explode", False)
            elif parameter["name"] in places:
                parameter["schema"] = {**parameter["schema"], **places[parameter["name"]]}
    if path == _HOME or path.startswith(f"{_HOME}/"):
        return operations
    return {"servers": [{"url": base or "/"}], **operations}


def _queryables(catalogue: Catalogue) -> dict[str, Any]:
    """Return every public field of every public layer, each a query parameter of its layers."""
    kinds: dict[str, set[str]] = {}
    for layer in catalogue.layers.values():
        if may_know(layer, ANONYMOUS):
            for name in access_class(layer, ANONYMOUS).fields:
                kinds.setdefault(name, set()).add(JSON_TYPES[layer.field(name).type]["type"])
    properties = {
        name: {"type": next(iter(found))} if len(found) == 1 else {}
        for name, found in sorted(kinds.items())
    }
    return {
        "type": "object",
        "description": "Fields of the layers; /collections/{layer}/queryables has one layer's.",
        "properties": properties,
        "additionalProperties": False,
    }
