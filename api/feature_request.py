"""Requests for features: from a query string to a plain ``FeatureQuery``."""

from dataclasses import dataclass, replace

from api.boxes import read_box
from api.crs import Systems
from api.errors import InvalidParameter
from api.feature_parameters import DEFAULT_LIMIT, ITEM_PARAMETERS, MAX_LIMIT, PAGE_PARAMETERS
from api.query import read_query
from api.times import record_time, valid_time
from layers.access import AccessClass, Viewer, access_class
from layers.definition import LayerDefinition
from layers.errors import UnknownField
from layers.feature_query import FeatureQuery, SortKey
from layers.filters import ID, LANGUAGES, TEXT, Filter, read_filter

_MOST_SORT_KEYS = 8


_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """What was asked for, read and checked."""

    query: FeatureQuery
    #: The value of ``f``.
    format: str | None
    #: The parameters as they came, for links.
    parameters: dict[str, str]
    #: The value of ``limit``, however large; ``None`` where there is none.
    limit: int | None = None


def page_request(
    layer: LayerDefinition, viewer: Viewer, query_string: bytes, systems: Systems
) -> FeatureRequest:
    """Read a request for a page of features.

    Raises:
        UnknownParameter, InvalidParameter: The message names the parameter.
        UnknownField, InvalidValue: From property filters, the filter, sorting and selection.
    """
    access = access_class(layer, viewer)
    known = {*PAGE_PARAMETERS, *access.fields}
    given = _without_blanks(read_query(query_string, known))
    request = _request(layer, viewer, given, systems)
    parameters = request.parameters
    equals = tuple(
        (name, text)
        for name, text in parameters.items()
        if name in access.fields and name not in PAGE_PARAMETERS
    )
    limit = limit_of(parameters.get("limit"))
    query = replace(
        _within(request.query, parameters, systems),
        equals=equals,
        feature_id=_id(parameters.get(ID)),
        filter=filter_of(parameters, systems),
        sort=_sort(parameters.get("sortby"), access),
        with_geometry=not _flag("skipGeometry", parameters.get("skipGeometry")),
        limit=DEFAULT_LIMIT if limit is None else min(limit, MAX_LIMIT),
        after=parameters.get("cursor"),
    )
    return replace(request, query=query, limit=limit)


def item_request(
    layer: LayerDefinition,
    viewer: Viewer,
    feature_id: int,
    query_string: bytes,
    systems: Systems,
) -> FeatureRequest:
    """Read a request for one feature; errors as in ``page_request``."""
    request = _request(layer, viewer, read_query(query_string, ITEM_PARAMETERS), systems)
    return replace(request, query=replace(request.query, feature_id=feature_id))


def _request(
    layer: LayerDefinition, viewer: Viewer, parameters: dict[str, str], systems: Systems
) -> FeatureRequest:
    access = access_class(layer, viewer)
    query = FeatureQuery(
        layer,
        viewer,
        at=valid_time(parameters.get("datetime")),
        as_of=record_time(parameters.get("asOf")),
        fields=_properties(parameters.get("properties"), access),
        system=systems.read("crs", parameters.get("crs")),
    )
    return FeatureRequest(query, parameters.get("f"), parameters)


def _without_blanks(parameters: dict[str, str]) -> dict[str, str]:
    """Leave out the inputs of a page's form that were left blank, which browsers send all the same.

    For programs an empty value is one that cannot be read.
    """
    if parameters.get("f") != "html":
        return parameters
    return {name: text for name, text in parameters.items() if text or name == "properties"}


def _within(query: FeatureQuery, parameters: dict[str, str], systems: Systems) -> FeatureQuery:
    system = systems.read("bbox-crs", parameters.get("bbox-crs"))
    text = parameters.get("bbox")
    if text is None:
        return query
    box = read_box(text, system)
    return replace(query, bbox=box.bbox, outline=box.outline, heights=box.heights)


def filter_of(parameters: dict[str, str], systems: Systems) -> Filter | None:
    """Read ``filter``, ``filter-lang`` and ``filter-crs``.

    Raises:
        InvalidParameter, InvalidValue: The message names the parameter.
    """
    language = parameters.get("filter-lang", TEXT)
    if language not in LANGUAGES:
        raise InvalidParameter(
            f"filter-lang: '{language[:80]}' is not one of {', '.join(LANGUAGES)}"
        )
    system = systems.read("filter-crs", parameters.get("filter-crs"))
    text = parameters.get("filter")
    return None if text is None else read_filter(text, language, system)


def _sort(text: str | None, access: AccessClass) -> tuple[SortKey, ...]:
    """Read ``+a,-b``; a bare name is ascending, as is one whose ``+`` arrived as a space."""
    if text is None:
        return ()
    keys = []
    for part in text.split(","):
        name = part.strip()
        keys.append(SortKey(name.removeprefix("+").removeprefix("-"), name.startswith("-")))
    _check_fields("sortby", tuple(key.field for key in keys), access)
    if len(keys) > _MOST_SORT_KEYS:
        raise InvalidParameter(f"sortby: more than {_MOST_SORT_KEYS} fields")
    return tuple(keys)


def _properties(text: str | None, access: AccessClass) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    _check_fields("properties", names, access)
    return names


def _check_fields(parameter: str, names: tuple[str, ...], access: AccessClass) -> None:
    for name in names:
        if name not in access.fields:
            raise UnknownField(
                f"{parameter}: the layer '{access.layer}' has no field '{name[:80]}'"
            )
    if len(set(names)) != len(names):
        raise InvalidParameter(f"{parameter}: names a field twice")


def _flag(parameter: str, text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise InvalidParameter(f"{parameter}: '{text[:80]}' is neither true nor false")
    return text == "true"


def _id(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InvalidParameter(f"{ID}: '{text[:80]}' is no feature's id")
    return int(text)


def limit_of(text: str | None) -> int | None:
    """Read ``limit``: a number from 1 on, however large; ``None`` where there is none.

    Raises:
        InvalidParameter: If it is none.
    """
    if text is None:
        return None
    digits = text.removeprefix("+").strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _MOST_DIGITS or int(digits) < 1:
        raise InvalidParameter(f"limit: '{text[:80]}' is not a whole number from 1 to {MAX_LIMIT}")
    return int(digits)
