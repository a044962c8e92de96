"""Expressions: read with every fault in its place, evaluated as Python would row by row."""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.expression_syntax import Literal, Name, Node
from layers.expressions import ExpressionError, Kind, parse_expression

ROWS = 4
COLUMNS: dict[str, pa.Array] = {
    "A": pa.array([1, 2, None, 4]),
    "B": pa.array([2.0, 0.0, 3.0, None]),
    "T": pa.array(["12", "x", None, " 3.5 "]),
    "D": pa.array([date(2016, 5, 1), None, date(2000, 2, 29), date(1999, 12, 31)]),
    "N": pa.nulls(ROWS),
    "GXLX": pa.array(["DX", "TX", "JS", None]),
    "列 名": pa.array(["甲乙", "丙", None, ""]),
    "addr:street": pa.array(["a", "b", "c", "d"]),
}


def measures(name: str) -> pa.Array:
    return pa.array({"row": [1, 2, 3, 4]}.get(name, [10.0, 20.0, None, 40.0]))


def evaluated(text: str) -> list[Any]:
    answer = parse_expression(text).evaluate(COLUMNS, ROWS, measures)
    return [
        "failed" if failed else value
        for value, failed in zip(answer.values.to_pylist(), answer.failed.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A + B * 2", [5.0, 2.0, None, None]),
        ("(A + B) * 2", [6.0, 4.0, None, None]),
        ("10 - 2 - 3", [5.0] * 4),
        ("2 ^ 3 ^ 2", [512.0] * 4),
        ("-2 ^ 2", [-4.0] * 4),
        ("A / B", [0.5, "failed", None, None]),
        ("if(B = 0, null, A / B)", [0.5, None, None, None]),
        ("B != 0 and A / B > 0.4", [True, False, None, None]),
        ("-7 % 3", [2.0] * 4),
        ("round(2.5)", [3.0] * 4),
        ("round(-B / 3 * 1000, 1)", [-666.7, 0.0, -1000.0, None]),
        ("number(T)", [12.0, "failed", None, 3.5]),
        ("number(T, -1)", [12.0, -1.0, None, 3.5]),
        ("coalesce(number(T), 0)", [12.0, "failed", 0.0, 3.5]),
        ("coalesce(A, number(T))", [1.0, 2.0, None, 4.0]),
        ("if(GXLX in ('DX', 'DH'), 'TX', GXLX)", ["TX", "TX", "JS", None]),
        ("if(A = 1, 'one', A = 2, 'two', 'many')", ["one", "two", "many", "many"]),
        ("T || '-' || A", ["12-1", "x-2", None, " 3.5 -4"]),
        ("lpad(text(A), 3, '0')", ["001", "002", None, "004"]),
        ("[列 名] || row()", ["甲乙1", "丙2", None, "4"]),
        ("upper([addr:street])", ["A", "B", "C", "D"]),
        ("substr('421202001', 1, 6)", ["421202"] * 4),
        ("right('421202001', 3) || left('421202001', 2)", ["00142"] * 4),
        ("part('a/b', '/', 2)", ["b"] * 4),
        ("part('a/b', '/', 3)", [None] * 4),
        ("extract('DN300 PE', '[0-9]+')", ["300"] * 4),
        ("extract('PE', '[0-9]+')", [None] * 4),
        ("matches(T, '^[0-9]+$')", [True, False, None, False]),
        ("year(D) * 100 + month(D)", [201605.0, None, 200002.0, 199912.0]),
        ("text(D, '%Y/%m/%d')", ["2016/05/01", None, "2000/02/29", "1999/12/31"]),
        ("days(D, date('2016年6月1日'))", [31.0, None, 5937.0, 5997.0]),
        ("day(date(2016, A, 31))", [31, "failed", None, "failed"]),
        ("date(T)", ["failed", "failed", None, "failed"]),
        ("month(date('05/2016', '%m/%Y'))", [5] * 4),
        ("A in (1, 2)", [True, True, None, False]),
        ("A not in (1, null)", [False, None, None, None]),
        ("D is not null and A > 1", [False, False, None, True]),
        ("N + 1", [None] * 4),
        ("N = 1 or true", [True] * 4),
        ("nullif(A, 2)", [1, None, None, 4]),
        ("min(A, B, 2)", [1.0, 0.0, 2.0, 2.0]),
        ("area() / 2", [5.0, 10.0, None, 20.0]),
        ("sqrt(A - 2)", ["failed", 0.0, None, math.sqrt(2)]),
        ("1e308 * A * 10", ["failed", "failed", None, "failed"]),
        ("len([列 名])", [2, 1, None, 0]),
        ("'it''s' = \"it's\"", [True] * 4),
    ],
)
def test_an_expression_gives(text: str, values: list[Any]) -> None:
    assert evaluated(text) == values


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 1, "a value was expected"),
        ("A +", 4, "a value was expected, not the end"),
        ("A B", 3, "'B' was not expected"),
        ("(A + 1", 7, "')' was expected"),
        ("A ? B", 3, "is not understood"),
        ("'abc", 1, "closing quote"),
        ("1 < A < 3", 7, "do not chain"),
        ("fo(A)", 1, "there is no function 'fo'"),
        ("cocalesce(A)", 1, "did you mean coalesce"),
        ("round(A, B)", 1, "argument 2 of round() must be a constant"),
        ("lpad(T, 1000000000, '0')", 1, "a whole number from 0 to 255"),
        ("matches(T, '(')", 1, "regular expression"),
        ("matches(T, '((a{1000}){1000}){1000}')", 1, "regular expression"),
        ("extract(T, '(a)')", 1, "groups are of the form"),
        ("A in (B)", 3, "list of constants"),
        ("if(A = 1, 2)", 1, "if() takes at least 3"),
        ("if(A = 1, 2, B = 3, 4)", 1, "pairs of condition and value"),
        ("1e999", 1, "too large"),
        ("12abc", 1, "stands in [ ]"),
        ("__import__('os')", 1, "there is no function"),
        ("A.__class__", 2, "is not understood"),
        ("in", 1, "stands in [ ]"),
        ("area(A)", 1, "area() takes 0 arguments"),
    ],
)
def test_text_that_is_no_expression_is_refused_where_it_is_wrong(
    text: str, position: int, message: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert message in str(caught.value)
    assert caught.value.position == position


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "(" * 100 + "1" + ")" * 100,
        "-" * 3000 + "1",
        "not " * 900 + "true",
        "^".join(["9"] * 1500),
        "+".join(["1"] * 1500),
        "coalesce(" * 200 + "1" + ")" * 200,
        "replace(" * 8 + "T" + f", 'a', '{'a' * 90}')" * 8,
        " || ".join(["T"] * 50),
        "'" + "x" * 3000 + "'",
        "if(" + ", ".join(["true, 1"] * 300) + ", 0)",
    ],
)
def test_a_bomb_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_expression(text)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("A + T", 3, "'+' takes a number, not text; number(…)"),
        ("T = 1", 3, "mixes text and a number"),
        ("D >= '2016-01-01'", 3, "date(…) reads text as a date"),
        ("T || D", 3, "'%Y-%m-%d'"),
        ("if(A, 1, 2)", 1, "if() takes true or false, not a number"),
        ("if(A = 1, 'x', 2)", 1, "if() mixes text and a number"),
        ("1 + missing", 5, "there is no column 'missing'"),
        ("a + 1", 1, "did you mean A?"),
        ("true < false", 6, "no sense"),
        ("upper(A)", 1, "upper() takes text, not a number"),
    ],
)
def test_columns_that_do_not_fit_are_refused(text: str, position: int, message: str) -> None:
    expression = parse_expression(text)
    kinds = {"A": Kind.NUMBER, "T": Kind.TEXT, "D": Kind.TIME}
    for refused in (
        lambda: expression.check(kinds),
        lambda: expression.evaluate(COLUMNS, ROWS),
    ):
        with pytest.raises(ExpressionError) as caught:
            refused()
        assert message in str(caught.value)
        assert caught.value.position == position


def test_checking_tells_the_kind_and_measures_may_be_missing() -> None:
    assert parse_expression("A > 1").check({"A": Kind.NUMBER}) is Kind.BOOLEAN
    assert parse_expression("date(T)").check({"T": Kind.TEXT}) is Kind.TIME
    area = parse_expression("abs(area() - A) < 1")
    assert area.check({"A": Kind.NUMBER}) is Kind.BOOLEAN
    assert area.measures == ("area",)
    with pytest.raises(ExpressionError, match="not available here"):
        area.check({"A": Kind.NUMBER}, measures=False)


def test_an_expression_tells_its_columns_and_its_sides() -> None:
    expression = parse_expression("KCMJ = round(TBMJ * KCXS, 2) + 0 * KCMJ")
    assert expression.names == ("KCMJ", "TBMJ", "KCXS")
    sides = expression.comparison
    assert sides is not None
    assert (sides.left.names, sides.operator) == (("KCMJ",), "=")
    columns = {"KCMJ": pa.array([1.0]), "TBMJ": pa.array([10.0]), "KCXS": pa.array([0.1])}
    assert sides.right.evaluate(columns, 1).values.to_pylist() == [1.0]
    assert parse_expression("A + 1").comparison is None


def test_times_are_those_of_beijing() -> None:
    utc = pa.array([datetime(2015, 12, 31, 18, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    answer = parse_expression("year(T)").evaluate({"T": utc}, 1)
    assert answer.values.to_pylist() == [2016]


def test_columns_of_other_types_are_read_or_refused() -> None:
    columns = {
        "dictionary": pa.array(["a", "b"]).dictionary_encode(),
        "chunked": pa.chunked_array([["a"], ["b"]]),
        "small": pa.array([1, 2], pa.uint8()),
        "nan": pa.array([float("nan"), math.inf]),
        "list": pa.array([[1], [2]]),
    }
    answer = parse_expression("dictionary || chunked || small").evaluate(columns, 2)
    assert answer.values.to_pylist() == ["aa1", "bb2"]
    assert parse_expression("nan + 1").evaluate(columns, 2).values.to_pylist() == [None, None]
    with pytest.raises(ExpressionError, match="cannot read"):
        parse_expression("list").evaluate(columns, 2)


# Against Python, row by row


class Failed(Exception):
    """A row has no answer."""


def _finite(value: float) -> float:
    if isinstance(value, complex) or not math.isfinite(value):
        raise Failed
    return value


def _divide(left: float, right: float) -> float:
    if right == 0:
        raise Failed
    return _finite(left / right)


PYTHON: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: _finite(float(a) + b),
    "-": lambda a, b: _finite(float(a) - b),
    "*": lambda a, b: _finite(float(a) * b),
    "/": _divide,
    "negative": lambda a: -a,
    "abs": abs,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "not": lambda a: not a,
    "upper": str.upper,
    "lower": str.lower,
    "len": len,
    "||": lambda a, b: a + b,
    "substr": lambda a, start, count: a[start - 1 : start - 1 + count],
    "replace": lambda a, old, new: a.replace(old, new),
    "lpad": lambda a, width, fill: a.rjust(width, fill),
    "contains": lambda a, part: part in a,
}


def _junction(decisive: bool, values: Iterator[Any]) -> Any:
    left = next(values)
    if left is decisive:
        return decisive
    right = next(values)
    if right is decisive:
        return decisive
    return None if left is None or right is None else not decisive


def by_python(node: Node, row: Mapping[str, Any]) -> Any:
    """Evaluate one row as a person would in Python; raise ``Failed`` where it has no answer."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Name):
        return row[node.name]
    later = (by_python(argument, row) for argument in node.arguments)
    if node.function in ("and", "or"):
        return _junction(node.function == "or", later)
    if node.function == "if":
        chosen = 1 if next(later) is True else 2
        return by_python(node.arguments[chosen], row)
    if node.function == "coalesce":
        return next((value for value in later if value is not None), None)
    if node.function == "is null":
        return next(later) is None
    values = list(later)
    return None if None in values else PYTHON[node.function](*values)


FLOATS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3) + 0.0)
# ASCII: Python and Unicode tables of other versions need not agree on every letter's case.
TEXTS = st.text(st.sampled_from("abAB 甲1"), max_size=5)


def _numbers(depth: int) -> st.SearchStrategy[str]:
    leaves = st.one_of(
        st.sampled_from(["X", "Y", "I", "null"]), FLOATS.map(abs).map(lambda x: f"{x:.3f}")
    )
    if depth == 0:
        return leaves
    inner = _numbers(depth - 1)
    return st.one_of(
        leaves,
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({' '.join(t)})"),
        inner.map(lambda x: f"-{x}"),
        inner.map(lambda x: f"abs({x})"),
        _strings(depth - 1).map(lambda t: f"len({t})"),
        st.tuples(_booleans(depth - 1), inner, inner).map(lambda t: f"if({', '.join(t)})"),
        st.tuples(inner, inner).map(lambda t: f"coalesce({', '.join(t)})"),
    )


def _strings(depth: int) -> st.SearchStrategy[str]:
    leaves = st.one_of(st.sampled_from(["S", "T"]), TEXTS.map(lambda t: f"'{t}'"))
    if depth == 0:
        return leaves
    inner = _strings(depth - 1)
    return st.one_of(
        leaves,
        st.tuples(inner, inner).map(lambda t: f"{t[0]} || {t[1]}"),
        inner.map(lambda t: f"upper({t})"),
        inner.map(lambda t: f"substr({t}, 2, 3)"),
        inner.map(lambda t: f"replace({t}, 'a', '甲甲')"),
        inner.map(lambda t: f"lpad({t}, 6, '*')"),
        st.tuples(_booleans(depth - 1), inner, inner).map(lambda t: f"if({', '.join(t)})"),
        st.tuples(inner, inner).map(lambda t: f"coalesce({', '.join(t)})"),
    )


def _booleans(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(["P", "true", "false"])
    comparison = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
    inner = _booleans(depth - 1)
    return st.one_of(
        st.tuples(_numbers(depth - 1), comparison, _numbers(depth - 1)).map(
            lambda t: f"({' '.join(t)})"
        ),
        st.tuples(_strings(depth - 1), comparison, _strings(depth - 1)).map(
            lambda t: f"({t[0]}) {t[1]} ({t[2]})"
        ),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({' '.join(t)})"),
        inner.map(lambda b: f"(not {b})"),
        _numbers(depth - 1).map(lambda x: f"({x} is null)"),
        _strings(depth - 1).map(lambda t: f"contains({t}, 'a')"),
    )


COLUMN_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "X": st.none() | FLOATS,
            "Y": st.none() | FLOATS | st.just(0.0),
            "I": st.none() | st.integers(-1000, 1000),
            "S": st.none() | TEXTS,
            "T": st.none() | TEXTS,
            "P": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=6,
)
COLUMN_TYPES = {
    "X": pa.float64(), "Y": pa.float64(), "I": pa.int64(), "S": pa.string(), "T": pa.string(),
    "P": pa.bool_(),
}  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(text=st.one_of(_numbers(3), _strings(3), _booleans(3)), rows=COLUMN_ROWS)
def test_columns_are_evaluated_as_python_evaluates_rows(
    text: str, rows: list[dict[str, Any]]
) -> None:
    expression = parse_expression(text)
    columns = {
        name: pa.array([row[name] for row in rows], kind) for name, kind in COLUMN_TYPES.items()
    }
    answer = expression.evaluate(columns, len(rows))
    for row, value, failed in zip(
        rows, answer.values.to_pylist(), answer.failed.tolist(), strict=True
    ):
        try:
            expected = by_python(expression.root, row)
        except Failed:
            assert failed
            assert value is None
            continue
        assert not failed
        if isinstance(expected, float):
            assert value == pytest.approx(expected, rel=1e-12, abs=0)
        else:
            assert value == expected


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("AB()+-*/^%<>=!|,.'\"[]` 19eEnotadiru甲\n\0"), max_size=60))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    refusals = []
    try:
        assert parse_expression(text).text == text
    except ExpressionError as error:
        refusals.append(error.position)
    assert all(1 <= position <= len(text) + 1 for position in refusals)


def test_failed_rows_are_null_and_marked() -> None:
    answer = parse_expression("1 / A").evaluate({"A": pa.array([0, 1, None])}, 3)
    assert answer.values.to_pylist() == [None, 1.0, None]
    np.testing.assert_array_equal(answer.failed, [True, False, False])
