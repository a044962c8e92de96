"""Expressions over the columns of a table: in mappings of files, and in checks of layers.

    KCMJ = TBMJ * KCXS
    if(GXLX in ('DX', 'TX'), 'TX', upper(GXLX))
    lpad(text(XH), 5, '0') || '-' || row()

An expression is read once, with every fault at its place, and evaluated on whole Arrow columns.
Null is as in SQL: arithmetic and comparisons with it are null, ``and`` and ``or`` are three-valued.
A row *fails* where there is no answer for values that are there (``1/0``, ``number('n/a')``); see
:class:`Evaluated`. The syntax is told in ``layers/expression_syntax.py``, and all of it in
``docs/mappings.md``.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from layers.expression_functions import FUNCTIONS, Function, literals_of
from layers.expression_syntax import Call, ExpressionError, Literal, Name, Node, parse
from layers.expression_values import (
    Arguments,
    Kind,
    Mask,
    Value,
    column,
    constant,
    nothing,
)

__all__ = [
    "FIELD_KINDS",
    "MEASURES",
    "Comparison",
    "Evaluated",
    "Expression",
    "ExpressionError",
    "Kind",
    "Measures",
    "parse_expression",
]

#: Functions without arguments that only the place an expression stands in can answer: the
#: geometry's ellipsoidal area (m²), length and perimeter (m), longitude and latitude of its
#: centroid (degrees), and the number of the row in the file.
MEASURES = ("area", "length", "perimeter", "x", "y", "row")
#: Gives the column of a measure.
Measures = Callable[[str], pa.Array]
#: The kind that the values of a field have, by the field's type.
FIELD_KINDS = {
    "text": Kind.TEXT,
    "integer": Kind.NUMBER,
    "number": Kind.NUMBER,
    "boolean": Kind.BOOLEAN,
    "date": Kind.TIME,
    "datetime": Kind.TIME,
}
_COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
#: How many times over an expression may repeat the texts of its columns, and how much text of its
#: own it may add to a row.
_MAX_GROWTH = 20.0
_MAX_OWN_TEXT = 20_000.0
_NUMBER_TEXT = 32.0


def _never(_: Arguments) -> Value:
    raise AssertionError("measures are answered before")


_KNOWN = FUNCTIONS | {name: Function(name, 0, 0, _never) for name in MEASURES}


@dataclass(frozen=True)
class Evaluated:
    """The answer of an expression."""

    kind: Kind
    #: One value a row: float64 or int64, string, bool, timestamp (µs, Beijing time without a
    #: zone), or null type.
    values: pa.Array
    #: Rows without an answer though their values are there; null in ``values``.
    failed: Mask


@dataclass(frozen=True)
class Comparison:
    """An expression that compares two others."""

    left: "Expression"
    #: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
    operator: str
    right: "Expression"


@dataclass(frozen=True)
class Expression:
    """An expression that was read."""

    text: str
    root: Node

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns it names, in the order in which they first stand in it."""
        return tuple(dict.fromkeys(n.name for n in _walk(self.root) if isinstance(n, Name)))

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """The measures (see ``MEASURES``) it asks for."""
        calls = [node.function for node in _walk(self.root) if isinstance(node, Call)]
        return tuple(dict.fromkeys(name for name in calls if name in MEASURES))

    @cached_property
    def comparison(self) -> Comparison | None:
        """Its two sides, if it is a comparison as a whole."""
        root = self.root
        if not isinstance(root, Call) or root.function not in _COMPARISONS:
            return None
        left, right = (Expression(self.text, argument) for argument in root.arguments)
        return Comparison(left, root.function, right)

    def check(self, columns: Mapping[str, Kind], *, measures: bool = True) -> Kind:
        """Check that it can be evaluated with these columns.

        Args:
            columns: The columns there are, and what their values are.
            measures: Whether the functions of ``MEASURES`` are available.

        Returns:
            The kind of its values.

        Raises:
            ExpressionError: If it names a column that is not there, or mixes kinds.
        """
        empty = {name: nothing(kind, 0) for name, kind in columns.items()}
        return self.evaluate(empty, 0, _no_rows if measures else None).kind

    def evaluate(
        self, columns: Mapping[str, pa.Array], rows: int, measures: Measures | None = None
    ) -> Evaluated:
        """Evaluate it for every row.

        Args:
            columns: The columns by name, each of ``rows`` values; ``FieldType``'s Arrow types and
                all that files hold, except nested ones. Timestamps with a zone are taken to
                Beijing, those without are there already. Others than the named are not looked at.
            rows: How many rows there are.
            measures: Gives ``area`` and the others of ``MEASURES``, where they are available.

        Raises:
            ExpressionError: If it names a column that is not there, or mixes kinds.
        """
        value = _Evaluation(columns, rows, measures).of(self.root)
        failed = value.failed if value.failed is not None else np.zeros(rows, dtype=bool)
        values = value.array
        if value.failed is not None:
            values = pc.if_else(pa.array(failed), None, values)
        return Evaluated(value.kind, values, failed)


def parse_expression(text: str) -> Expression:
    """Read an expression.

    Raises:
        ExpressionError: If it is none, names a function that does not exist, or could take
            unbounded time or memory; the message says at which character.
    """
    root = parse(text, _KNOWN)
    growth, own = _text_size(root)
    if growth > _MAX_GROWTH or own > _MAX_OWN_TEXT:
        raise ExpressionError("would make texts far longer than those of its columns", 1)
    return Expression(text, root)


@dataclass(frozen=True)
class _Evaluation:
    columns: Mapping[str, pa.Array]
    rows: int
    measures: Measures | None

    def of(self, node: Node) -> Value:
        if isinstance(node, Literal):
            return constant(node.value, self.rows)
        if isinstance(node, Name):
            return self._column(node)
        if node.function in MEASURES:
            return self._measure(node)
        values = [self.of(argument) for argument in node.arguments]
        return FUNCTIONS[node.function].apply(
            Arguments(node.function, node.position, values, literals_of(node.arguments), self.rows)
        )

    def _column(self, node: Name) -> Value:
        if node.name not in self.columns:
            known = list(self.columns)
            close = [name for name in known if name.casefold() == node.name.casefold()]
            close = close or difflib.get_close_matches(node.name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise ExpressionError(f"there is no column '{node.name}'; {hint}", node.position)
        value = column(self.columns[node.name])
        if value is None:
            kind = self.columns[node.name].type
            raise ExpressionError(
                f"the column '{node.name}' holds {kind}, which expressions cannot read",
                node.position,
            )
        return value

    def _measure(self, node: Call) -> Value:
        if self.measures is None:
            raise ExpressionError(f"{node.function}() is not available here", node.position)
        value = column(self.measures(node.function))
        if value is None or value.kind is Kind.NULL:
            return Value(Kind.NUMBER, nothing(Kind.NUMBER, self.rows))
        return value


def _no_rows(_: str) -> pa.Array:
    return nothing(Kind.NUMBER, 0)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Call):
        for argument in node.arguments:
            yield from _walk(argument)


def _text_size(node: Node) -> tuple[float, float]:
    """Bound the text a node makes: times its columns' longest text, and characters besides."""
    if isinstance(node, Literal):
        return 0.0, float(len(node.value)) if isinstance(node.value, str) else _NUMBER_TEXT
    if isinstance(node, Name):
        return 1.0, _NUMBER_TEXT
    sizes = [_text_size(argument) for argument in node.arguments]
    if not sizes:
        return 0.0, _NUMBER_TEXT
    if node.function in ("concat", "||"):
        return sum(size[0] for size in sizes), sum(size[1] for size in sizes)
    growth, own = max(size[0] for size in sizes), max(size[1] for size in sizes)
    literals = literals_of(node.arguments)
    if node.function == "replace":
        times = max(1.0, len(literals[2]) / len(literals[1]))
        return growth * times, own * times
    if node.function in ("lpad", "rpad"):
        return growth, own + float(literals[1])
    return growth, own
