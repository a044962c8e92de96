"""Requests for features: from a query string to a plain ``FeatureQuery``."""

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from api.crs import CRS84, SYSTEMS, Crs, read_crs
from api.errors import InvalidParameter
from api.query import read_query
from api.times import record_time, valid_time
from layers.access import Viewer, access_class
from layers.definition import LayerDefinition
from layers.feature_query import BBox, FeatureQuery

DEFAULT_LIMIT = 10
#: Larger limits are answered with this many features (OGC 17-069r4, 7.15.2).
MAX_LIMIT = 10_000

_TEXT: dict[str, Any] = {"type": "string"}
_URI: dict[str, Any] = {"type": "string", "format": "uri", "enum": list(SYSTEMS)}
_BOX = {
    "type": "array",
    "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
    "items": {"type": "number"},
}

#: Name → schema and description, for a page of features and for one feature.
ITEM_PARAMETERS: MappingProxyType[str, tuple[dict[str, Any], str]] = MappingProxyType(
    {
        "datetime": (
            _TEXT,
            "Valid time: an instant or an interval, RFC 3339 or a date (00:00 Beijing time).",
        ),
        "asOf": (_TEXT, "Record time: what the map held then; an instant or a date."),
        "crs": (
            {**_URI, "default": CRS84.uri},
            "Reference system of the coordinates in the answer, in its authority's axis order.",
        ),
        "properties": (
            {"type": "array", "items": _TEXT},
            "The properties wanted, with commas between.",
        ),
        "f": ({"type": "string", "enum": ["json", "html"]}, "Format of the answer."),
    }
)
PAGE_PARAMETERS: MappingProxyType[str, tuple[dict[str, Any], str]] = MappingProxyType(
    {
        "bbox": (_BOX, "Only features that meet this box."),
        "bbox-crs": ({**_URI, "default": CRS84.uri}, "Reference system of bbox."),
        "limit": (
            {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_LIMIT,
                "default": DEFAULT_LIMIT,
            },
            "The most features in the answer.",
        ),
        "cursor": (_TEXT, "Where the page before ended; take it from its 'next' link."),
        **ITEM_PARAMETERS,
    }
)


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """What was asked for, read and checked."""

    query: FeatureQuery
    #: Reference system of the answer.
    crs: Crs
    #: The value of ``f``.
    format: str | None
    #: The parameters as they came, for links.
    parameters: dict[str, str]


def page_request(layer: LayerDefinition, viewer: Viewer, query_string: bytes) -> FeatureRequest:
    """Read a request for a page of features.

    Raises:
        UnknownParameter, InvalidParameter: The message names the parameter.
        UnknownField, InvalidValue: From property filters and selection.
    """
    fields = access_class(layer, viewer).fields
    known = {*PAGE_PARAMETERS, *fields}
    request = _request(layer, viewer, read_query(query_string, known))
    parameters = request.parameters
    filters = tuple(
        (name, text)
        for name, text in parameters.items()
        if name in fields and name not in PAGE_PARAMETERS
    )
    query = replace(
        request.query,
        bbox=_bbox(parameters.get("bbox"), parameters.get("bbox-crs")),
        equals=filters,
        limit=_limit(parameters.get("limit")),
        after=parameters.get("cursor"),
    )
    return replace(request, query=query)


def item_request(
    layer: LayerDefinition, viewer: Viewer, feature_id: int, query_string: bytes
) -> FeatureRequest:
    """Read a request for one feature; errors as in ``page_request``."""
    request = _request(layer, viewer, read_query(query_string, ITEM_PARAMETERS))
    return replace(request, query=replace(request.query, feature_id=feature_id))


def _request(layer: LayerDefinition, viewer: Viewer, parameters: dict[str, str]) -> FeatureRequest:
    query = FeatureQuery(
        layer,
        viewer,
        at=valid_time(parameters.get("datetime")),
        as_of=record_time(parameters.get("asOf")),
        fields=_properties(parameters.get("properties")),
    )
    crs = read_crs("crs", parameters.get("crs"))
    return FeatureRequest(query, crs, parameters.get("f"), parameters)


def _properties(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    if len(set(names)) != len(names):
        raise InvalidParameter("properties: names a field twice")
    return names


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18 or int(digits) < 1:
        raise InvalidParameter(f"limit: '{text}' is not a whole number from 1 to {MAX_LIMIT}")
    return min(int(digits), MAX_LIMIT)


def _bbox(text: str | None, crs_uri: str | None) -> BBox | None:
    crs = read_crs("bbox-crs", crs_uri)
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidParameter(f"bbox: '{text}' is not numbers with commas between") from error
    if len(numbers) == 6:
        # Heights do not narrow a search on the plane; they are only checked.
        if numbers[2] > numbers[5]:
            raise InvalidParameter("bbox: its lowest height is above its highest")
        numbers = [*numbers[0:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
        raise InvalidParameter(f"bbox: '{text}' is not four or six finite numbers")
    west, south, east, north = crs.box((numbers[0], numbers[1], numbers[2], numbers[3]))
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise InvalidParameter("bbox: longitudes must be from -180 to 180 degrees")
    if not -90 <= south <= north <= 90:
        raise InvalidParameter("bbox: latitudes must be from -90 to 90 degrees, the lower first")
    return (west, south, east, north)
