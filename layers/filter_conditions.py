"""From the tree of a filter to a condition on a layer's rows."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    and_,
    any_,
    case,
    func,
    literal,
    not_,
    or_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from layers.definition import FieldType, LayerDefinition
from layers.errors import InvalidValue
from layers.filter_arithmetic import ARITHMETIC, computed
from layers.filter_arrays import ARRAYS, array_condition
from layers.filter_functions import FUNCTIONS
from layers.filter_geometry import SPATIAL, geometry_value, spatial_condition
from layers.filter_times import TEMPORAL, read_span, temporal_condition
from layers.filter_values import (
    COMPARISONS,
    KINDS,
    SQL_TYPES,
    Items,
    Kind,
    Part,
    Value,
    boolean_value,
    compare,
    date_value,
    folded_accents,
    folded_case,
    instant_value,
    number_value,
    shown,
    side_by_side,
    text_value,
)

#: What filters call the features' geometry and id.
GEOMETRY, ID = "geometry", "id"
_FOLDS = {"casei": folded_case, "accenti": folded_accents}
_WILDCARDS = re.compile(r"\\.|%+", re.DOTALL)
_LITERALS: Mapping[str, Callable[[Any], Value]] = {
    "date": date_value,
    "timestamp": instant_value,
    "bbox": lambda box: geometry_value({"bbox": box}),
}


class ConditionBuilder:
    """Makes conditions on the rows of one layer, as a viewer may see them."""

    def __init__(
        self,
        layer: LayerDefinition,
        columns: Mapping[str, ColumnElement[Any]],
        geometry: ColumnElement[Any],
        feature_id: ColumnElement[Any],
    ) -> None:
        """Make one.

        Args:
            layer: The layer.
            columns: The fields that may be named.
            geometry: The features' geometry, EPSG:4490.
            feature_id: The features' ids.
        """
        self._layer = layer
        self._columns = columns
        self._geometry = geometry
        self._feature_id = feature_id
        self._operations: dict[str, Callable[[str, list[Any]], Value]] = {
            "and": self._combination,
            "or": self._combination,
            "not": self._negation,
            "like": self._like,
            "between": self._between,
            "in": self._in,
            "isnull": self._is_null,
            **dict.fromkeys(_FOLDS, self._fold),
            **dict.fromkeys(COMPARISONS, self._comparison),
            **dict.fromkeys(ARITHMETIC, self._arithmetic),
            **dict.fromkeys(SPATIAL, self._spatial),
            **dict.fromkeys(TEMPORAL, self._temporal),
            **dict.fromkeys(ARRAYS, self._array),
            **dict.fromkeys(FUNCTIONS, self._function),
        }

    def condition(self, tree: Any) -> ColumnElement[bool]:
        """Return what a tree says as a condition: true, false, or unknown (null).

        Raises:
            InvalidValue: If it says none.
        """
        part = self._part(tree)
        if not isinstance(part, Value):
            raise InvalidValue("filter: a condition is expected, such as a comparison")
        if part.kind is not Kind.BOOLEAN:
            raise InvalidValue(f"filter: {part.shown} alone is no condition: it is {part.kind}")
        return part.sql

    def _part(self, tree: Any) -> Part:
        if isinstance(tree, dict):
            return self._object(tree)
        if isinstance(tree, list):
            return Items(tuple(self._part(part) for part in tree))
        if isinstance(tree, bool):
            return boolean_value(tree)
        if isinstance(tree, str):
            return text_value(tree)
        if isinstance(tree, int | float):
            return number_value(tree)
        raise InvalidValue("filter: null is no value: compare with isNull (IS NULL)")

    def _object(self, tree: dict[str, Any]) -> Part:
        if "op" in tree:
            return self._operation(tree)
        if "property" in tree:
            return self._property(tree["property"])
        if "type" in tree:
            return geometry_value(tree)
        if "interval" in tree:
            return read_span(tree["interval"], self._part)
        for name, read in _LITERALS.items():
            if name in tree:
                return read(tree[name])
        raise InvalidValue("filter: a condition or a value is expected")

    def _value(self, operation: str, tree: Any) -> Value:
        part = self._part(tree)
        if not isinstance(part, Value):
            kind = "arrays" if isinstance(part, Items) else "intervals"
            raise InvalidValue(f"filter: '{operation}' takes no {kind}")
        return part

    def _operation(self, tree: dict[str, Any]) -> Value:
        name, arguments = tree["op"], tree.get("args")
        if not isinstance(name, str):
            raise InvalidValue("filter: an operator is named by a text")
        if not isinstance(arguments, list):
            raise InvalidValue(f"filter: '{name}' has no list of args")
        operation = self._operations.get(name.lower())
        if operation is None:
            raise InvalidValue(
                f"filter: {shown(name)} is not supported; /api/functions lists functions"
            )
        return operation(name.lower(), arguments)

    def _property(self, name: Any) -> Value:
        if name == GEOMETRY:
            return Value(Kind.GEOMETRY, self._figure(), f"'{GEOMETRY}'")
        if name == ID:
            return Value(Kind.NUMBER, self._feature_id, f"'{ID}'", whole=True)
        if not isinstance(name, str) or name not in self._columns:
            raise InvalidValue(f"filter: the layer '{self._layer.name}' has no field {shown(name)}")
        field = self._layer.field(name)
        whole = field.type is FieldType.INTEGER
        return Value(KINDS[field.type], self._columns[name], f"'{name}'", whole=whole)

    def _figure(self) -> ColumnElement[Any]:
        """Return the features' geometry as one that relations can be told of."""
        given = self._geometry
        if self._layer.view is None:
            return given
        return case((func.ST_IsValid(given), given), else_=func.ST_MakeValid(given))

    def _combination(self, operation: str, arguments: list[Any]) -> Value:
        if not arguments:
            raise InvalidValue(f"filter: '{operation}' has nothing to combine")
        parts = [self.condition(argument) for argument in arguments]
        return _truth(and_(*parts) if operation == "and" else or_(*parts), operation)

    def _negation(self, operation: str, arguments: list[Any]) -> Value:
        return _truth(not_(self.condition(_given(operation, arguments, 1)[0])), operation)

    def _fold(self, operation: str, arguments: list[Any]) -> Value:
        return _FOLDS[operation](self._value(operation, _given(operation, arguments, 1)[0]))

    def _comparison(self, operation: str, arguments: list[Any]) -> Value:
        left, right = (self._value(operation, part) for part in _given(operation, arguments, 2))
        return _truth(compare(operation, left, right), operation)

    def _between(self, operation: str, arguments: list[Any]) -> Value:
        subject, lowest, highest = (
            self._value(operation, part) for part in _given(operation, arguments, 3)
        )
        bounds = and_(compare(">=", subject, lowest), compare("<=", subject, highest))
        return _truth(bounds, operation)

    def _in(self, operation: str, arguments: list[Any]) -> Value:
        tree, listed = _given(operation, arguments, 2)
        if not isinstance(listed, list) or not listed:
            raise InvalidValue("filter: 'in' takes a list of values")
        subject = self._value(operation, tree)
        values = [self._value(operation, value) for value in listed]
        pairs = [side_by_side(subject, value) for value in values]
        constants = [value.constant for _, value in pairs]
        kinds = {value.kind for _, value in pairs}
        if None in constants or len(kinds) > 1 or not kinds <= set(SQL_TYPES):
            return _truth(or_(*(compare("=", *pair) for pair in pairs)), operation)
        element = SQL_TYPES[kinds.pop()]
        if all(value.whole for value in values):
            element = BigInteger()
        elif isinstance(element, Double):
            constants = [float(number) for number in constants]
        found = pairs[0][0].sql == any_(literal(constants, ARRAY(element)))
        return _truth(found, operation)

    def _is_null(self, operation: str, arguments: list[Any]) -> Value:
        part = self._value(operation, _given(operation, arguments, 1)[0])
        return _truth(part.sql.is_(None), operation)

    def _like(self, operation: str, arguments: list[Any]) -> Value:
        subject, pattern = _given(operation, arguments, 2)
        left = self._value(operation, subject)
        if left.kind is not Kind.TEXT:
            raise InvalidValue(f"filter: 'like' takes a text, and {left.shown} is {left.kind}")
        return _truth(left.sql.like(self._pattern(pattern).sql), operation)

    def _pattern(self, tree: Any) -> Value:
        fold = _FOLDS.get(str(tree.get("op")).lower()) if isinstance(tree, dict) else None
        if fold is not None and isinstance(tree.get("args"), list):
            return fold(self._pattern(_given(tree["op"], tree["args"], 1)[0]))
        if not isinstance(tree, str):
            raise InvalidValue("filter: 'like' takes a text on the right, with % and _")
        if (len(tree) - len(tree.rstrip("\\"))) % 2:
            raise InvalidValue("filter: the pattern of 'like' ends in a lone backslash")
        # Many wildcards in a row say what one says, and take longer.
        return text_value(_WILDCARDS.sub(lambda found: found[0][:2].replace("%%", "%"), tree))

    def _arithmetic(self, operation: str, arguments: list[Any]) -> Value:
        left, right = _given(operation, arguments, 2)
        return computed(operation, self._part(left), self._part(right))

    def _spatial(self, operation: str, arguments: list[Any]) -> Value:
        left, right = _given(operation, arguments, 2)
        related = spatial_condition(operation, self._part(left), self._part(right))
        return _truth(related, operation)

    def _temporal(self, operation: str, arguments: list[Any]) -> Value:
        left, right = _given(operation, arguments, 2)
        related = temporal_condition(operation, self._part(left), self._part(right))
        return _truth(related, operation)

    def _array(self, operation: str, arguments: list[Any]) -> Value:
        left, right = _given(operation, arguments, 2)
        return _truth(array_condition(operation, self._part(left), self._part(right)), operation)

    def _function(self, operation: str, arguments: list[Any]) -> Value:
        return FUNCTIONS[operation].call([self._part(argument) for argument in arguments])


def _truth(condition: ColumnElement[bool], operation: str) -> Value:
    return Value(Kind.BOOLEAN, condition, f"'{operation}'")


def _given(name: str, arguments: list[Any], wanted: int) -> list[Any]:
    if len(arguments) != wanted:
        raise InvalidValue(f"filter: '{name}' takes {wanted} args, not {len(arguments)}")
    return arguments
