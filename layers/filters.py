"""Filters (CQL2, OGC 21-065r2) as plain values, and as conditions on a layer's rows."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import ColumnElement

from gis.systems import CRS84, CoordinateSystem
from layers.access import AccessClass
from layers.cql2_text import MOST_DEPTH, parse_cql2
from layers.definition import LayerDefinition
from layers.errors import InvalidValue
from layers.filter_conditions import GEOMETRY, ID, ConditionBuilder
from layers.filter_crs import in_storage
from layers.filter_values import shown

__all__ = [
    "GEOMETRY",
    "ID",
    "JSON",
    "LANGUAGES",
    "TEXT",
    "Filter",
    "filter_condition",
    "fits",
    "read_filter",
]

#: Characters of a filter, and parts of its tree: operations, fields and lists, and plain values.
MOST_CHARACTERS = 32_768
MOST_PARTS = 1_000
MOST_VALUES = 10_000
#: Parts of the condition that the database is asked, and how deep they nest.
MOST_NODES = 4_000
MOST_NODE_DEPTH = 150
TEXT, JSON = LANGUAGES = "cql2-text", "cql2-json"


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that could be read; equal filters are equal values."""

    #: The filter as CQL2 JSON in one form.
    text: str
    #: The fields it names.
    names: frozenset[str] = field(compare=False)
    #: CQL2 JSON.
    tree: Any = field(compare=False, repr=False)
    #: Whether it says something of the features' geometry.
    is_spatial: bool = field(default=False, compare=False)


def read_filter(text: str, language: str = TEXT, system: CoordinateSystem = CRS84) -> Filter:
    """Read a filter; of the layers it is for nothing is known yet.

    Args:
        text: The filter.
        language: ``cql2-text`` or ``cql2-json``.
        system: What its geometries are in.

    Raises:
        InvalidValue: If it cannot be read, or is larger or nests deeper than filters may.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidValue(f"filter: longer than {MOST_CHARACTERS} characters")
    if not text.isprintable() and not _is_text(text):
        raise InvalidValue("filter: holds NUL, or half a character")
    if language == TEXT:
        tree = parse_cql2(text)
    elif language == JSON:
        try:
            tree = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise InvalidValue(f"filter: no JSON: {error.msg} at {error.pos + 1}") from None
    else:
        raise InvalidValue(f"filter-lang: '{language}' is neither {TEXT} nor {JSON}")
    names = frozenset(_names(tree))
    tree = in_storage(tree, system)
    try:
        written = orjson.dumps(tree, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        raise InvalidValue("filter: a geometry's coordinates do not suit its type") from None
    return Filter(written, names - {GEOMETRY, ID}, tree, GEOMETRY in names)


def _is_text(text: str) -> bool:
    try:
        return "\0" not in text and bool(text.encode())
    except UnicodeEncodeError:
        return False


def _names(tree: Any) -> Iterator[str]:
    """Yield the properties that a tree names, and refuse one that is too large.

    Positions of geometries count elsewhere.
    """
    left = [(tree, 1)]
    parts = values = 0
    while left:
        part, depth = left.pop()
        if not isinstance(part, list | dict):
            values += 1
            _check_plain(part)
        else:
            parts += 1
        if parts > MOST_PARTS or values > MOST_VALUES or depth > 2 * MOST_DEPTH:
            raise InvalidValue(
                f"filter: has more than {MOST_PARTS} parts or {MOST_VALUES} values, or nests "
                f"deeper than {MOST_DEPTH} levels"
            )
        if isinstance(part, list):
            left.extend((entry, depth + 1) for entry in part)
        elif isinstance(part, dict):
            if isinstance(part.get("property"), str):
                yield part["property"]
            left.extend((entry, depth + 1) for name, entry in part.items() if name != "coordinates")


def _check_plain(value: Any) -> None:
    if isinstance(value, str) and "\0" in value:
        raise InvalidValue("filter: a text holds NUL")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidValue("filter: holds a number beyond the largest of 64 bits")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InvalidValue("filter: holds a number of more than 64 bits")


def fits(wanted: Filter, access: AccessClass) -> bool:
    """Tell whether a layer has, and its viewer may see, all fields that a filter names."""
    return wanted.names <= set(access.fields)


def filter_condition(
    wanted: Filter,
    layer: LayerDefinition,
    access: AccessClass,
    columns: Mapping[str, ColumnElement[Any]],
    geometry: ColumnElement[Any],
) -> ColumnElement[bool]:
    """Return a filter as a condition on a layer's rows.

    Args:
        wanted: The filter.
        layer: The layer.
        access: What the viewer may see of it.
        columns: The rows' fields by name, at least those that the filter names, and
            ``feature_id``.
        geometry: The rows' geometry, EPSG:4490.

    Raises:
        InvalidValue: If it names a field that is not there for this viewer, compares what cannot
            be compared, or uses an operator that is not supported.
    """
    unknown = sorted(wanted.names - set(access.fields))
    if unknown:
        raise InvalidValue(
            f"filter: the layer '{layer.name}' has no field {', '.join(map(shown, unknown[:9]))}"
        )
    named = {name: columns[name] for name in wanted.names}
    builder = ConditionBuilder(layer, named, geometry, columns["feature_id"])
    condition = builder.condition(wanted.tree)
    _check_size(condition)
    return condition


def _check_size(condition: ColumnElement[Any]) -> None:
    """Refuse a condition that became too large: what nests is written several times in places."""
    left: list[tuple[Any, int]] = [(condition, 1)]
    nodes = 0
    while left:
        node, depth = left.pop()
        nodes += 1
        if nodes > MOST_NODES or depth > MOST_NODE_DEPTH:
            raise InvalidValue("filter: computes too much: nest fewer functions, or list less")
        left.extend((child, depth + 1) for child in node.get_children())
