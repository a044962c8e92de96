"""The query parameters of features, as OpenAPI describes them."""

from types import MappingProxyType
from typing import Any

from api.export_registry import export_formats, export_options
from gis.systems import CRS84
from layers.filters import ID, LANGUAGES, TEXT

DEFAULT_LIMIT = 10
#: Larger limits are answered with this many features (OGC 17-069r4, 7.15.2).
MAX_LIMIT = 10_000
#: Where the service's reference systems are listed in its definition.
CRS_SCHEMA = "Crs"

_TEXT: dict[str, Any] = {"type": "string"}
_URI: dict[str, Any] = {
    "allOf": [{"$ref": f"#/components/schemas/{CRS_SCHEMA}"}],
    "default": CRS84.uri,
}
_NAMES: dict[str, Any] = {"type": "array", "items": _TEXT}
_BOX = {
    "type": "array",
    "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
    "items": {"type": "number"},
}

#: Name → schema and description.
Parameters = MappingProxyType[str, tuple[dict[str, Any], str]]

#: Those of one feature, and those of a page of features.
ITEM_PARAMETERS: Parameters = MappingProxyType(
    {
        "datetime": (
            _TEXT,
            "Valid time: an instant or an interval, RFC 3339 or a date (00:00 Beijing time).",
        ),
        "asOf": (_TEXT, "Record time: what the map held then; an instant or a date."),
        "crs": (
            _URI,
            "Reference system of the coordinates in the answer, in its authority's axis order.",
        ),
        "properties": (_NAMES, "The properties wanted, with commas between."),
        "f": ({"type": "string", "enum": ["json", "html"]}, "Format of the answer."),
    }
)
PAGE_PARAMETERS: Parameters = MappingProxyType(
    {
        "bbox": (_BOX, "Only features that meet this box."),
        "bbox-crs": (_URI, "Reference system of bbox."),
        "filter": (_TEXT, "Only features for which this CQL2 expression is true."),
        "filter-lang": (
            {"type": "string", "enum": list(LANGUAGES), "default": TEXT},
            "Language of filter.",
        ),
        "filter-crs": (_URI, "Reference system of the geometries in filter."),
        "sortby": (
            _NAMES,
            "Fields to sort by, with commas between: descending with '-' before the name.",
        ),
        "skipGeometry": (
            {"type": "boolean", "default": False},
            "Whether features come without geometry.",
        ),
        "limit": (
            {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_LIMIT,
                "default": DEFAULT_LIMIT,
            },
            "The most features in the answer.",
        ),
        ID: ({"type": "integer"}, "Only the feature of this id."),
        "cursor": (_TEXT, "Where the page before ended; take it from its 'next' link."),
        **ITEM_PARAMETERS,
        "f": (
            {"type": "string", "enum": ["json", "html", *(one.name for one in export_formats())]},
            "Format of the answer; files hold all features that match, if no limit is given.",
        ),
        **{
            name: ({"type": "string", "enum": list(values)}, "How some of the file formats write.")
            for name, values in export_options().items()
        },
    }
)
