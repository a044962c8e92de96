"""Filters (CQL2, OGC 21-065r2) as plain values, and as conditions on a layer's rows.

Supported: ``and``, ``or``, ``not``, comparisons, ``like``, ``between``, ``in``, ``isNull``,
``casei``, the spatial relations of ``filter_geometry`` with ``geometry``, and the temporal
relations of ``filter_times`` of fields with dates, instants and intervals.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Text,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)

from layers.access import AccessClass
from layers.cql2_text import MOST_DEPTH, parse_cql2
from layers.definition import FieldDefinition, FieldType, LayerDefinition
from layers.errors import InvalidValue
from layers.filter_geometry import SPATIAL, spatial_condition
from layers.filter_times import TEMPORAL, temporal_condition, time_value

#: Characters of a filter, and parts of its tree.
MOST_CHARACTERS = 32_768
MOST_PARTS = 1_000
#: What a filter calls the features' geometry.
GEOMETRY = "geometry"
TEXT, JSON = "cql2-text", "cql2-json"
_COMPARISONS: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_NUMERIC = (FieldType.INTEGER, FieldType.NUMBER)
_TIMES = (FieldType.DATE, FieldType.DATETIME)


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that could be read; equal filters are equal values."""

    #: The filter as CQL2 JSON in one form.
    text: str
    #: The fields it names.
    names: frozenset[str] = field(compare=False)
    #: CQL2 JSON.
    tree: Any = field(compare=False, repr=False)


def read_filter(text: str, language: str = TEXT) -> Filter:
    """Read a filter; of the layers it is for nothing is known yet.

    Args:
        text: The filter.
        language: ``cql2-text`` or ``cql2-json``.

    Raises:
        InvalidValue: If it cannot be read, or is larger or nests deeper than filters may.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidValue(f"filter: longer than {MOST_CHARACTERS} characters")
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
    try:
        written = orjson.dumps(tree, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        raise InvalidValue("filter: holds a number of more than 64 bits") from None
    return Filter(written, names - {GEOMETRY}, tree)


def _names(tree: Any) -> Iterator[str]:
    """Yield the properties that a tree names, and refuse one that is too large.

    Positions of geometries count elsewhere.
    """
    left = [(tree, 1)]
    parts = 0
    while left:
        part, depth = left.pop()
        parts += 1
        if parts > MOST_PARTS or depth > 2 * MOST_DEPTH:
            raise InvalidValue(
                f"filter: has more than {MOST_PARTS} parts or nests deeper than {MOST_DEPTH} levels"
            )
        if isinstance(part, list):
            left.extend((entry, depth + 1) for entry in part)
        elif isinstance(part, dict) and "coordinates" not in part:
            if isinstance(part.get("property"), str):
                yield part["property"]
            left.extend((entry, depth + 1) for entry in part.values() if _is_tree(entry))


def _is_tree(value: Any) -> bool:
    return isinstance(value, list | dict)


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
        columns: The rows' fields by name, at least those that the filter names.
        geometry: The rows' geometry, EPSG:4490.

    Raises:
        InvalidValue: If it names a field that is not there for this viewer, compares a field with
            what is not of its type, or uses an operator that is not supported.
    """
    unknown = sorted(wanted.names - set(access.fields))
    if unknown:
        raise InvalidValue(
            f"filter: the layer '{layer.name}' has no field {', '.join(map(repr, unknown))}"
        )
    named = {name: columns[name] for name in wanted.names}
    return _Builder(layer, named, geometry).condition(wanted.tree)


@dataclass(frozen=True, slots=True)
class _Operand:
    """One side of a comparison: a field, or a value."""

    field: FieldDefinition | None
    value: Any
    folded: bool = False


class _Builder:
    def __init__(
        self,
        layer: LayerDefinition,
        columns: Mapping[str, ColumnElement[Any]],
        geometry: ColumnElement[Any],
    ) -> None:
        self._layer = layer
        self._columns = columns
        self._geometry = geometry

    def condition(self, tree: Any) -> ColumnElement[bool]:
        if isinstance(tree, bool):
            return true() if tree else false()
        if isinstance(tree, dict) and "property" in tree:
            return self._boolean_field(tree)
        if not isinstance(tree, dict) or not isinstance(tree.get("op"), str):
            raise InvalidValue("filter: a condition is expected, such as a comparison")
        arguments = tree.get("args")
        if not isinstance(arguments, list):
            raise InvalidValue(f"filter: '{tree['op']}' has no list of args")
        return self._operation(tree["op"], arguments)

    def _operation(self, name: str, arguments: list[Any]) -> ColumnElement[bool]:
        operation = name.lower()
        if operation in ("and", "or"):
            if not arguments:
                raise InvalidValue(f"filter: '{name}' has nothing to combine")
            parts = [self.condition(argument) for argument in arguments]
            return and_(*parts) if operation == "and" else or_(*parts)
        if operation == "not":
            return not_(self.condition(_given(name, arguments, 1)[0]))
        if operation in _COMPARISONS:
            return self._comparison(operation, _given(name, arguments, 2))
        if operation in SPATIAL:
            return spatial_condition(
                operation, _given(name, arguments, 2), self._geometry, GEOMETRY
            )
        if operation in TEMPORAL:
            operands = _given(name, arguments, 2)
            entry = self._field_of(operands[0])
            return temporal_condition(operation, entry, self._columns[entry.name], operands[1])
        return self._predicate(operation, name, arguments)

    def _predicate(self, operation: str, name: str, arguments: list[Any]) -> ColumnElement[bool]:
        if operation == "isnull":
            operand = _given(name, arguments, 1)[0]
            if _property(operand) == GEOMETRY:
                return self._geometry.is_(None)
            return self._columns[self._field_of(operand).name].is_(None)
        if operation == "like":
            return self._like(_given(name, arguments, 2))
        if operation == "between":
            subject, lowest, highest = _given(name, arguments, 3)
            return and_(
                self._comparison(">=", [subject, lowest]),
                self._comparison("<=", [subject, highest]),
            )
        if operation == "in":
            subject, values = _given(name, arguments, 2)
            if not isinstance(values, list) or not values:
                raise InvalidValue("filter: 'in' takes a list of values")
            return or_(*(self._comparison("=", [subject, value]) for value in values))
        raise InvalidValue(f"filter: the operator '{name}' is not supported")

    def _boolean_field(self, tree: Any) -> ColumnElement[bool]:
        entry = self._field_of(tree)
        if entry.type is not FieldType.BOOLEAN:
            raise InvalidValue(f"filter: '{entry.name}' alone is no condition: it is {entry.type}")
        return self._columns[entry.name].is_(True)

    def _field_of(self, operand: Any) -> FieldDefinition:
        name = _property(operand)
        if name is None:
            raise InvalidValue("filter: a field is expected on the left")
        if name == GEOMETRY:
            raise InvalidValue(f"filter: '{GEOMETRY}' is for spatial relations")
        if name not in self._columns:
            raise InvalidValue(f"filter: the layer '{self._layer.name}' has no field '{name}'")
        return self._layer.field(name)

    def _operand(self, tree: Any) -> _Operand:
        if isinstance(tree, dict) and isinstance(tree.get("op"), str):
            if tree["op"].lower() != "casei" or not isinstance(tree.get("args"), list):
                raise InvalidValue(f"filter: the function '{tree['op']}' is not supported")
            inner = self._operand(_given("casei", tree["args"], 1)[0])
            return _Operand(inner.field, inner.value, folded=True)
        if _property(tree) is not None:
            return _Operand(self._field_of(tree), None)
        return _Operand(None, tree)

    def _comparison(self, operation: str, arguments: list[Any]) -> ColumnElement[bool]:
        left, right = (self._operand(argument) for argument in arguments)
        subject = left.field or right.field
        if subject is None:
            raise InvalidValue(f"filter: '{operation}' compares no field")
        return _COMPARISONS[operation](self._side(left, subject), self._side(right, subject))

    def _side(self, operand: _Operand, subject: FieldDefinition) -> ColumnElement[Any]:
        """Return one side of a comparison with the field ``subject``."""
        if operand.field is None:
            value = typed_value(subject, operand.value)
        elif _kind(operand.field) == _kind(subject):
            value = self._columns[operand.field.name]
        else:
            raise InvalidValue(
                f"filter: '{operand.field.name}' ({operand.field.type}) and '{subject.name}' "
                f"({subject.type}) cannot be compared"
            )
        if not operand.folded:
            return value
        if subject.type is not FieldType.TEXT:
            raise InvalidValue(f"filter: casei is for text, and '{subject.name}' is {subject.type}")
        return func.lower(value)

    def _like(self, arguments: list[Any]) -> ColumnElement[bool]:
        subject, pattern = (self._operand(argument) for argument in arguments)
        if subject.field is None or subject.field.type is not FieldType.TEXT:
            raise InvalidValue("filter: 'like' takes a text field on the left")
        if not isinstance(pattern.value, str):
            raise InvalidValue("filter: 'like' takes a text on the right, with % and _")
        trailing = len(pattern.value) - len(pattern.value.rstrip("\\"))
        if trailing % 2:
            raise InvalidValue("filter: the pattern of 'like' ends in a lone backslash")
        return self._side(subject, subject.field).like(self._side(pattern, subject.field))


def typed_value(entry: FieldDefinition, value: Any) -> ColumnElement[Any]:
    """Return a value of a filter as one to compare a field with.

    Raises:
        InvalidValue: If it is not of the field's type.
    """
    if entry.type in _TIMES:
        return time_value(entry, value)
    if entry.type is FieldType.TEXT and isinstance(value, str) and "\0" not in value:
        return literal(value, Text)
    if entry.type is FieldType.BOOLEAN and isinstance(value, bool):
        return true() if value else false()
    if entry.type in _NUMERIC and not isinstance(value, bool):
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            return literal(value, BigInteger)
        if isinstance(value, float) and abs(value) < float("inf"):
            return literal(value, Double)
    raise InvalidValue(f"filter: '{entry.name}' is {entry.type}, which {_shown(value)} is not")


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{text if len(text) <= 60 else text[:60] + '…'}'"


def _kind(entry: FieldDefinition) -> str:
    return "number" if entry.type in _NUMERIC else str(entry.type)


def _property(operand: Any) -> str | None:
    name = operand.get("property") if isinstance(operand, dict) else None
    return name if isinstance(name, str) else None


def _given(name: str, arguments: list[Any], wanted: int) -> list[Any]:
    if len(arguments) != wanted:
        raise InvalidValue(f"filter: '{name}' takes {wanted} args, not {len(arguments)}")
    return arguments
