"""Searches for scenes (STAC API 1.0.0, Item Search), from addresses or JSON to plain values."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

import orjson
import shapely

from api.errors import ContentTooLarge, InvalidParameter, UnknownParameter
from api.query import read_query
from api.search_parameters import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    MOST_NAMES,
    box,
    box_of,
    names,
    whole_number,
)
from api.times import valid_time
from gis.times import Interval
from layers.errors import InvalidValue
from layers.feature_query import BBox
from layers.filter_geometry import read_geometry

#: Bytes of a search's JSON, of which a geometry is most.
MOST_JSON = 1_000_000
_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}

#: Name → schema and description.
SEARCH_PARAMETERS: MappingProxyType[str, tuple[dict[str, Any], str]] = MappingProxyType(
    {
        "bbox": (
            {
                "type": "array",
                "oneOf": [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}],
                "items": {"type": "number"},
            },
            "Only scenes that meet this box.",
        ),
        "datetime": (_TEXT, "When the scenes were taken: an instant or an interval."),
        "limit": (
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            "The most scenes in the answer.",
        ),
        "token": (_TEXT, "Where the page before ended; take it from its 'next' link."),
        "intersects": (_TEXT, "Only scenes that meet this GeoJSON geometry."),
        "ids": (_TEXTS, "Ids of scenes."),
        "collections": (_TEXTS, "Ids of collections."),
    }
)


@dataclass(frozen=True, slots=True)
class Token:
    """Where a page ended."""

    layer: str
    taken: date | datetime
    feature_id: int


@dataclass(frozen=True)
class SceneSearch:
    """What was asked for, read and checked."""

    collections: tuple[str, ...] | None
    ids: tuple[str, ...] | None
    bbox: BBox | None
    intersects: shapely.Geometry | None
    at: datetime | Interval | None
    limit: int
    after: Token | None


def read_search(
    query_string: bytes, known: Mapping[str, Any]
) -> tuple[SceneSearch, dict[str, str]]:
    """Read a search from a query string; also return the parameters as they came.

    Raises:
        UnknownParameter, InvalidParameter: The message names the parameter.
    """
    parameters = read_query(query_string, known)
    values: dict[str, Any] = dict(parameters)
    if "bbox" in values:
        values["bbox"] = box("bbox", parameters["bbox"])
    for name in ("ids", "collections"):
        if name in values:
            values[name] = names(name, parameters[name])
    if "limit" in values:
        values["limit"] = whole_number("limit", parameters["limit"], least=1, most=MAX_LIMIT)
    if "intersects" in values:
        values["intersects"] = _decoded("intersects", parameters["intersects"].encode())
    return _search(values), parameters


def read_search_body(body: bytes) -> SceneSearch:
    """Read a search from JSON; what is ``null`` is as if it were not there.

    Raises:
        ContentTooLarge: If it is larger than ``MOST_JSON``.
        UnknownParameter, InvalidParameter: The message names the field.
    """
    if len(body) > MOST_JSON:
        raise ContentTooLarge(f"a search is not larger than {MOST_JSON:,} bytes")
    given = _decoded("body", body)
    if not isinstance(given, dict):
        raise InvalidParameter("body: a search is a JSON object")
    values = {name: value for name, value in given.items() if value is not None}
    for name in values:
        if name not in SEARCH_PARAMETERS:
            raise UnknownParameter(f"there is no parameter '{name[:50]}' here")
    return _search({name: _FROM_JSON[name](name, value) for name, value in values.items()})


def write_token(token: Token) -> str:
    """Return where a page ended as an opaque text."""
    plain = f"{token.layer}|{token.taken.isoformat()}|{token.feature_id}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _search(values: Mapping[str, Any]) -> SceneSearch:
    said = values.get
    shape = said("intersects")
    if shape is not None and said("bbox") is not None:
        raise InvalidParameter("intersects: give either it or bbox, not both")
    token = said("token")
    return SceneSearch(
        said("collections"),
        said("ids"),
        said("bbox"),
        None if shape is None else _shape(shape),
        valid_time(said("datetime")),
        said("limit", DEFAULT_LIMIT),
        None if token is None else _token(token),
    )


def _decoded(name: str, text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"{name}: is no JSON") from error


def _shape(tree: Any) -> shapely.Geometry:
    try:
        return read_geometry(tree)
    except InvalidValue as error:
        raise InvalidParameter(f"intersects: {str(error).removeprefix('filter: ')}") from error


def _box(name: str, given: Any) -> BBox:
    if not isinstance(given, list) or len(given) > 6:
        raise InvalidParameter(f"{name}: is no list of four or six numbers")
    if not all(isinstance(part, int | float) and not isinstance(part, bool) for part in given):
        raise InvalidParameter(f"{name}: holds what is no number")
    return box_of(name, [float(part) for part in given])


def _texts(name: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(part, str) for part in given):
        raise InvalidParameter(f"{name}: is no list of texts")
    if len(given) > MOST_NAMES:
        raise InvalidParameter(f"{name}: more than {MOST_NAMES} values")
    if any("\0" in part for part in given):
        raise InvalidParameter(f"{name}: holds a NUL character")
    return tuple(given)


def _text(name: str, given: Any) -> str:
    if not isinstance(given, str):
        raise InvalidParameter(f"{name}: is no text")
    return given


def _limit(name: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise InvalidParameter(f"{name}: is not a whole number")
    return whole_number(name, str(given), least=1, most=MAX_LIMIT)


#: Name of a field → what reads its value.
_FROM_JSON: Mapping[str, Callable[[str, Any], Any]] = {
    "bbox": _box,
    "datetime": _text,
    "limit": _limit,
    "token": _text,
    "intersects": lambda _, given: given,
    "ids": _texts,
    "collections": _texts,
}


def _token(text: str) -> Token:
    fault = "token: not one that a page of this server ended with"
    try:
        padded = text + "=" * (-len(text) % 4)
        plain = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        layer, taken, feature_id = plain.split("|")
        if not 0 < int(feature_id) < 2**63:
            raise InvalidParameter(fault)
        if "T" not in taken:
            return Token(layer, date.fromisoformat(taken), int(feature_id))
        moment = datetime.fromisoformat(taken)
        if moment.tzinfo is None:
            raise InvalidParameter(fault)
        return Token(layer, moment.astimezone(UTC), int(feature_id))
    except (ValueError, OverflowError, binascii.Error) as error:
        raise InvalidParameter(fault) from error
