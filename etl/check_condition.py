"""Expressions on the fields of a layer, as its checks use them."""

from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa
import shapely

from etl.check_rows import CheckRows, Numbers, as_mask
from etl.faults import Mask
from layers.definition import LayerDefinition
from layers.expressions import FIELD_KINDS, Expression, Kind, parse_expression


@lru_cache(maxsize=1024)
def _read(text: str, layer: LayerDefinition) -> tuple[Expression, Kind]:
    """Return an expression and the kind of its values: edits ask for the same ones every time."""
    expression = parse_expression(text)
    return expression, expression.check({f.name: FIELD_KINDS[f.type] for f in layer.fields})


class FieldExpression:
    """An expression on a layer's fields, checked against their types."""

    def __init__(self, text: str, layer: LayerDefinition, wanted: Kind) -> None:
        """Read it.

        Raises:
            ValueError: If it is none, or not of the kind wanted.
        """
        self.text = text
        self._expression, kind = _read(text, layer)
        if kind is not wanted:
            raise ValueError(f"'{text}' gives {kind}, but {wanted} is wanted")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The fields it names."""
        return self._expression.names

    def evaluate(self, rows: CheckRows) -> pa.Array:
        """Return its values; null where there is no answer."""
        columns = {name: rows.values(name) for name in self.names}
        return self._expression.evaluate(
            columns, rows.count, lambda measure: _measure(measure, rows)
        ).values

    def numbers(self, rows: CheckRows) -> Numbers:
        """Return its values as numbers; NaN where there is no answer."""
        values = self.evaluate(rows).cast(pa.float64(), safe=False)
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype=float)


class Condition(FieldExpression):
    """A condition on the fields; it does not hold where it has no answer."""

    def __init__(self, text: str, layer: LayerDefinition) -> None:
        """Read it.

        Raises:
            ValueError: If it is none.
        """
        super().__init__(text, layer, Kind.BOOLEAN)

    def holds(self, rows: CheckRows) -> Mask:
        """Tell for which rows it holds."""
        return as_mask(self.evaluate(rows))

    def fails(self, rows: CheckRows) -> Mask:
        """Tell for which rows it is false, not merely unanswered."""
        return ~as_mask(self.evaluate(rows).fill_null(True))


def _measure(name: str, rows: CheckRows) -> pa.Array:
    if name == "row":
        return pa.array(rows.numbers)
    if name == "area":
        return pa.array(rows.area, from_pandas=True)
    if name in ("length", "perimeter"):
        return pa.array(rows.length, from_pandas=True)
    middle = shapely.centroid(rows.geometries)
    return pa.array(shapely.get_x(middle) if name == "x" else shapely.get_y(middle))
