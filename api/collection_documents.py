"""Documents about one layer: the collection, its queryables and its schema."""

from datetime import datetime, timedelta
from typing import Any

from api.export_registry import export_formats
from api.links import Link, link
from gis.systems import CGCS2000, CRS84
from gis.times import BEIJING
from layers.access import AccessClass
from layers.definition import Bilingual, FieldDefinition, FieldType, GeometryType, LayerDefinition
from layers.filters import GEOMETRY, ID
from layers.reading import LayerExtent

_JSON = "application/json"
_SCHEMA = "application/schema+json"
_GEOJSON = "application/geo+json"
_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
_ID_SCHEMA = {"type": "integer", "x-ogc-role": "id"}
JSON_TYPES: dict[FieldType, dict[str, str]] = {
    FieldType.TEXT: {"type": "string"},
    FieldType.INTEGER: {"type": "integer"},
    FieldType.NUMBER: {"type": "number"},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.DATE: {"type": "string", "format": "date"},
    FieldType.DATETIME: {"type": "string", "format": "date-time"},
}

_GEOJSON_TYPES: dict[GeometryType, str] = {
    GeometryType.POINT: "Point",
    GeometryType.MULTIPOINT: "MultiPoint",
    GeometryType.LINESTRING: "LineString",
    GeometryType.MULTILINESTRING: "MultiLineString",
    GeometryType.POLYGON: "Polygon",
    GeometryType.MULTIPOLYGON: "MultiPolygon",
    GeometryType.GEOMETRY: "Geometry",
}


def both(text: Bilingual) -> str:
    """Return a text in both languages, on one line."""
    return f"{text.zh} / {text.en}"


def collection(
    layer: LayerDefinition, extent: LayerExtent, home: str, systems: list[str]
) -> dict[str, Any]:
    """Return a collection's description (OGC 17-069r4, 7.14).

    Args:
        layer: The layer.
        extent: Where and when it has features.
        home: Address of the landing page.
        systems: URIs of the reference systems that features come in.
    """
    value: dict[str, Any] = {
        "id": layer.name,
        "title": both(layer.title),
        "description": f"{layer.abstract.zh}\n{layer.abstract.en}",
        "keywords": [layer.theme.value, *([layer.standard] if layer.standard else [])],
        "links": _links(layer, home),
        "itemType": "feature",
        "crs": systems,
        "storageCrs": CGCS2000.uri,
        "dataType": "vector",
    }
    if not layer.geometry.mixed:
        value["geometryDimension"] = layer.geometry.dimension
    spans: dict[str, Any] = {}
    if extent.bbox is not None:
        spans["spatial"] = {"bbox": [list(extent.bbox)], "crs": CRS84.uri}
    if extent.start is not None:
        spans["temporal"] = {
            "interval": [[extent.start.astimezone(BEIJING).isoformat(), _end_of_today()]],
            "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian",
        }
    if spans:
        value["extent"] = spans
    return value


def _end_of_today() -> str:
    """Return up to when the map says how things are: nothing that is dated later is taken in.

    An open end would say as much, but OGC's own test suite reads only moments.
    """
    today = datetime.now(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=1)).isoformat()


def _links(layer: LayerDefinition, home: str) -> list[Link]:
    address = f"{home}/collections/{layer.name}"
    return [
        link(f"{address}/items", "items", "application/geo+json", "Features as GeoJSON"),
        link(f"{address}/items?f=html", "items", "text/html", "Features as a page"),
        link(f"{address}/queryables", f"{_REL}queryables", _SCHEMA, "Fields to filter by"),
        link(f"{address}/sortables", f"{_REL}sortables", _SCHEMA, "Fields to sort by"),
        link(f"{address}/schema", f"{_REL}schema", _SCHEMA, "Schema of the features"),
        # Both spellings: link relations do not depend on case, but some clients do.
        link(f"{address}/feature-schema", "describedby", _SCHEMA, "Schema of a GeoJSON feature"),
        link(f"{address}/feature-schema", "describedBy", _SCHEMA, "Schema of a GeoJSON feature"),
        {
            **link(f"{address}/changes?from={{from}}&to={{to}}", "related", _GEOJSON, "Changes"),
            "templated": True,
        },
        link(f"{address}/tiles", f"{_REL}tilesets-vector", _JSON, "Vector tiles of this layer"),
        link(f"{address}/styles", f"{_REL}styles", _JSON, "Styles of this layer"),
        *(
            link(
                f"{address}/items?f={entry.name}",
                "enclosure",
                entry.representation.media_type,
                f"All features as {entry.name}",
            )
            for entry in export_formats()
        ),
    ]


def field_schema(field: FieldDefinition, home: str) -> dict[str, Any]:
    """Return a field's JSON schema."""
    value: dict[str, Any] = {"title": both(field.title), **JSON_TYPES[field.type]}
    if field.description is not None:
        value["description"] = both(field.description)
    limits = {
        "maxLength": field.length,
        "pattern": field.pattern,
        "minimum": field.min,
        "maximum": field.max,
        "x-ogc-unit": field.unit,
    }
    value.update({name: limit for name, limit in limits.items() if limit is not None})
    if field.codes is not None:
        value["x-ogc-codelistUri"] = f"{home}/codes/{field.codes}"
    return value


def queryables(layer: LayerDefinition, access: AccessClass, home: str) -> dict[str, Any]:
    """Return what features can be filtered by, as a JSON schema (OGC 19-079r2, 6.2)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{home}/collections/{layer.name}/queryables",
        "type": "object",
        "title": both(layer.title),
        "properties": {
            **_field_schemas(layer, access, home),
            ID: _ID_SCHEMA,
            GEOMETRY: _geometry_schema(layer),
        },
        "additionalProperties": False,
    }


def _field_schemas(layer: LayerDefinition, access: AccessClass, home: str) -> dict[str, Any]:
    shown = [field for field in layer.fields if field.name in access.fields]
    return {field.name: field_schema(field, home) for field in shown}


def _geometry_schema(layer: LayerDefinition) -> dict[str, Any]:
    return {
        "format": f"geometry-{'any' if layer.geometry.mixed else layer.geometry.type}",
        "x-ogc-role": "primary-geometry",
    }


def sortables(layer: LayerDefinition, access: AccessClass, home: str) -> dict[str, Any]:
    """Return what features can be sorted by, as a JSON schema."""
    return {
        **queryables(layer, access, home),
        "$id": f"{home}/collections/{layer.name}/sortables",
        "properties": _field_schemas(layer, access, home),
    }


def schema(layer: LayerDefinition, access: AccessClass, home: str) -> dict[str, Any]:
    """Return what features are, as a JSON schema with OGC's roles."""
    value = queryables(layer, access, home)
    fields = _field_schemas(layer, access, home)
    for place, name in enumerate(layer.key):
        if name in fields:
            fields[name]["x-onemap-keyPart"] = place + 1
    return {
        **value,
        "$id": f"{home}/collections/{layer.name}/schema",
        "description": both(layer.abstract),
        "properties": {
            ID: {**_ID_SCHEMA, "readOnly": True},
            GEOMETRY: _geometry_schema(layer),
            **fields,
        },
        "required": [field.name for field in layer.fields if field.required],
    }


def feature_schema(layer: LayerDefinition, access: AccessClass, home: str) -> dict[str, Any]:
    """Return the JSON schema of a layer's features as GeoJSON, from which clients take types."""
    fields = _field_schemas(layer, access, home)
    geometry_type = _GEOJSON_TYPES[layer.geometry.type]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{home}/collections/{layer.name}/feature-schema",
        "title": both(layer.title),
        "type": "object",
        "required": ["type", "id", "geometry", "properties"],
        "properties": {
            "type": {"type": "string", "enum": ["Feature"]},
            "id": {"type": "integer"},
            "geometry": {"$ref": f"https://geojson.org/schema/{geometry_type}.json"},
            "properties": {"type": "object", "properties": fields},
        },
    }
