"""The functions and operators of expressions, each over whole columns."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from layers.expression_syntax import Call, Literal, Node
from layers.expression_values import (
    Arguments,
    Kind,
    Value,
    as_mask,
    nothing,
    number_text,
    same_kind,
    union,
)

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DATE = (
    r"^(?P<year>\d{4})(?:[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?"
    r"|(?P<month2>\d{2})(?P<day2>\d{2}))$"
)
_DAY_US = 86_400_000_000
_MAX_PAD = 255
_MAX_PATTERN = 500
_MANY = 100

Apply = Callable[[Arguments], Value]
#: Tells what is wrong with a constant argument.
Check = Callable[[Any], str | None]


@dataclass(frozen=True)
class Function:
    """A function: how many arguments it takes, and what it does with them."""

    name: str
    least: int
    most: int
    apply: Apply
    #: Arguments that must be constants, by place, and what they must be.
    constants: tuple[tuple[int, Check], ...] = ()

    def refusal(self, arguments: tuple[Node, ...]) -> str | None:
        """Return why the function cannot be called with these arguments, or ``None``."""
        if not self.least <= len(arguments) <= self.most:
            return f"{self.name}() takes {self._wanted()}, not {len(arguments)}"
        for place, check in self.constants:
            if place < len(arguments):
                argument = arguments[place]
                value = _literal(argument)
                wrong = check(value) if value is not None else "a constant"
                if wrong is not None:
                    return f"argument {place + 1} of {self.name}() must be {wrong}"
        if self.name == "in" and not all(isinstance(a, Literal) for a in arguments[1:]):
            return "'in' takes a list of constants"
        if self.name == "if" and len(arguments) % 2 == 0:
            return "if() takes pairs of condition and value, and what else holds"
        return None

    def _wanted(self) -> str:
        if self.least == self.most:
            return f"{self.least} argument{'s' if self.least != 1 else ''}"
        if self.most >= _MANY:
            return f"at least {self.least} argument{'s' if self.least != 1 else ''}"
        return f"{self.least} to {self.most} arguments"


def _literal(node: Node) -> Any:
    if isinstance(node, Call) and node.function == "negative":
        value = _literal(node.arguments[0])
        return -value if isinstance(value, (int, float)) else None
    return node.value if isinstance(node, Literal) else None


def literals_of(arguments: tuple[Node, ...]) -> tuple[Any, ...]:
    """Return the constants among arguments, with ``None`` for the others."""
    return tuple(_literal(argument) for argument in arguments)


def _whole(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if fits else f"a whole number from {low} to {high}"

    return check


def _some_text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "a text"


def _any_text(value: Any) -> str | None:
    return None if isinstance(value, str) else "a text"


def _pattern(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > _MAX_PATTERN:
        return f"a regular expression of at most {_MAX_PATTERN} characters"
    try:
        pc.match_substring_regex(pa.array([""]), value)
    except pa.ArrowInvalid as error:
        return f"a regular expression as RE2 knows them: {str(error).splitlines()[0]}"
    return None


def _extractable(value: Any) -> str | None:
    wrong = _pattern(value)
    if wrong is None:
        try:
            _extract(pa.array([""]), value)
        except pa.ArrowInvalid:
            wrong = "a regular expression whose groups are of the form (?:…)"
    return wrong


def _character(value: Any) -> str | None:
    return None if isinstance(value, str) and len(value) == 1 else "one character"


# Operators


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Apply:
    return lambda given: given.finite(operation(given.number(0), given.number(1)))


def _floats(operation: Callable[..., Any]) -> Apply:
    """Make a function of doubles of one that numpy has; null where any argument is."""

    def apply(given: Arguments) -> Value:
        columns = [given.number(place) for place in range(len(given))]
        empty = reduce(np.logical_or, [as_mask(pc.is_null(column)) for column in columns])
        numbers = [pc.fill_null(column, 1.0).to_numpy() for column in columns]
        with np.errstate(all="ignore"):
            return given.finite(pa.array(operation(*numbers), mask=empty, from_pandas=False))

    return apply


def _comparison(operation: Callable[[Any, Any], Any], *, ordered: bool) -> Apply:
    def apply(given: Arguments) -> Value:
        kind, (left, right) = same_kind(given.values, f"'{given.function}'", given.position)
        if kind is Kind.NULL:
            return given.answer(Kind.BOOLEAN, nothing(Kind.BOOLEAN, given.rows))
        if ordered and kind is Kind.BOOLEAN:
            given.refuse(f"'{given.function}' has no sense for true and false")
        return given.answer(Kind.BOOLEAN, operation(left, right))

    return apply


def _in(given: Arguments) -> Value:
    kind, arrays = same_kind(given.values, "'in'", given.position)
    if kind is Kind.NULL:
        return given.answer(Kind.BOOLEAN, nothing(Kind.BOOLEAN, given.rows))
    listed = [literal for literal in given.literals[1:] if literal is not None]
    found = pc.is_in(arrays[0], pa.array(listed, arrays[0].type))
    # As in SQL: null is in no list, and of a list with null in it nothing is surely not.
    found = pc.if_else(pc.is_null(arrays[0]), None, found)
    if len(listed) < len(given) - 1:
        found = pc.if_else(found, True, None)
    return given.answer(Kind.BOOLEAN, found)


def _junction(operation: Callable[[Any, Any], Any], *, decisive: bool) -> Apply:
    def apply(given: Arguments) -> Value:
        left, right = given.of(0, Kind.BOOLEAN), given.of(1, Kind.BOOLEAN)
        failed_left, failed_right = (value.failed for value in given.values)
        if failed_right is not None:
            # What the left side has decided, the right side cannot spoil.
            decided = as_mask(pc.equal(left, decisive))
            failed_right = failed_right & ~decided
        failed = union([failed_left, failed_right])
        answer = operation(left, right)
        if failed is not None:
            answer = pc.if_else(pa.array(failed), None, answer)
        return Value(Kind.BOOLEAN, answer, failed)

    return apply


# Choice


def _if(given: Arguments) -> Value:
    conditions = [given.of(place, Kind.BOOLEAN) for place in range(0, len(given) - 1, 2)]
    chosen = [*given.values[1::2], given.values[-1]]
    kind, arrays = same_kind(chosen, "if()", given.position)
    result, failed = arrays[-1], chosen[-1].failed
    for place in reversed(range(len(conditions))):
        holds = as_mask(conditions[place])
        result = pc.if_else(pa.array(holds), arrays[place], result)
        failed = _chosen(holds, chosen[place].failed, failed)
        undecided = given.values[2 * place].failed
        if undecided is not None:
            result = pc.if_else(pa.array(undecided), None, result)
            failed = union([failed, undecided])
    return Value(kind, result, failed)


def _coalesce(given: Arguments) -> Value:
    kind, arrays = same_kind(given.values, "coalesce()", given.position)
    result, failed = arrays[-1], given.values[-1].failed
    for place in reversed(range(len(given) - 1)):
        value = given.values[place]
        there = as_mask(pc.is_valid(arrays[place]))
        failed = _chosen(there, None, failed)
        result = pc.if_else(pa.array(there), arrays[place], result)
        if value.failed is not None:
            result = pc.if_else(pa.array(value.failed), None, result)
            failed = union([failed, value.failed])
    return Value(kind, result, failed)


def _chosen(holds: Any, then: Any, otherwise: Any) -> Any:
    if then is None and otherwise is None:
        return None
    empty = np.zeros(len(holds), dtype=bool)
    return np.where(
        holds, empty if then is None else then, empty if otherwise is None else otherwise
    )


def _nullif(given: Arguments) -> Value:
    kind, (value, unwanted) = same_kind(given.values, "nullif()", given.position)
    if kind is Kind.NULL:
        return given.answer(kind, value)
    return given.answer(kind, pc.if_else(pa.array(as_mask(pc.equal(value, unwanted))), None, value))


def _extreme(function: Callable[..., Any]) -> Apply:
    def apply(given: Arguments) -> Value:
        kind, arrays = same_kind(given.values, given.name, given.position)
        if kind in (Kind.TEXT, Kind.BOOLEAN):
            given.refuse(f"{given.name} takes numbers or dates")
        if kind is Kind.NULL:
            return given.answer(kind, arrays[0])
        return given.answer(kind, function(*arrays, skip_nulls=True))

    return apply


# Numbers


def _round(given: Arguments) -> Value:
    digits = given.literals[1] if len(given) > 1 else 0
    return given.finite(pc.round(given.number(0), digits, round_mode="half_towards_infinity"))


def _to_number(given: Arguments) -> Value:
    if given.values[0].kind is not Kind.TEXT:
        return given.answer(Kind.NUMBER, given.of(0, Kind.NUMBER))
    texts = pc.utf8_trim_whitespace(given.text(0))
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    numbers = pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, None).cast(pa.float64())
    numbers = pc.if_else(pc.is_finite(numbers), numbers, None)
    if len(given) == 1:
        return given.readable(Kind.NUMBER, numbers, texts)
    otherwise = given.number(1)
    unread = pc.and_(pc.is_valid(texts), pc.is_null(numbers))
    return given.answer(Kind.NUMBER, pc.if_else(unread, otherwise, numbers))


# Texts


def _to_text(given: Arguments) -> Value:
    kind = given.values[0].kind
    if kind is Kind.TIME:
        if len(given) == 1:
            given.refuse("text() of a date wants its format: text(…, '%Y-%m-%d')")
        written = pc.strftime(given.of(0, kind).cast(pa.timestamp("s")), given.literals[1])
        return given.answer(Kind.TEXT, written)
    if len(given) > 1:
        given.refuse("text() takes a format for dates only")
    return given.answer(Kind.TEXT, _written(given, 0))


def _written(given: Arguments, place: int) -> pa.Array:
    kind = given.values[place].kind
    if kind is Kind.NUMBER:
        return number_text(given.values[place].array)
    if kind is Kind.BOOLEAN:
        return given.values[place].array.cast(pa.string())
    return given.text(place)


def _concat(given: Arguments) -> Value:
    pieces = [_written(given, place) for place in range(len(given))]
    return given.answer(Kind.TEXT, pc.binary_join_element_wise(*pieces, ""))


def _texts(operation: Callable[..., Any]) -> Apply:
    """Make a function of one text and constants."""
    return lambda given: given.answer(Kind.TEXT, operation(given.text(0), *given.literals[1:]))


def _substr(texts: pa.Array, start: int, length: int | None = None) -> pa.Array:
    stop = None if length is None else start - 1 + length
    return pc.utf8_slice_codeunits(texts, start - 1, stop)


def _part(texts: pa.Array, separator: str, number: int) -> pa.Array:
    parts = pc.split_pattern(texts, separator)
    found = pc.binary_join(pc.list_slice(parts, number - 1, number), "")
    return pc.if_else(pc.greater_equal(pc.list_value_length(parts), number), found, None)


def _extract(texts: pa.Array, pattern: str) -> pa.Array:
    found = pc.struct_field(pc.extract_regex(texts, f"(?P<found>{pattern})"), "found")
    return pc.if_else(pc.match_substring_regex(texts, pattern), found, None)


def _tests(operation: Callable[..., Any]) -> Apply:
    """Make a question about one text with a constant."""
    return lambda given: given.answer(Kind.BOOLEAN, operation(given.text(0), given.literals[1]))


# Dates


def _to_date(given: Arguments) -> Value:
    if given.values[0].kind is Kind.TIME and len(given) == 1:
        return given.answer(Kind.TIME, given.values[0].array)
    if len(given) == 3:
        parts = [given.number(place) for place in range(3)]
        there = reduce(pc.and_, [pc.is_valid(part) for part in parts])
        numbers = [pc.fill_null(part, 0.0).to_numpy() for part in parts]
        return given.readable(Kind.TIME, _days(*numbers), pc.if_else(there, True, None))
    texts = pc.utf8_trim_whitespace(given.text(0))
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    if len(given) == 2:
        if not isinstance(given.literals[1], str):
            given.refuse("the format of date() must be a constant text such as '%Y/%m/%d'")
        read = pc.strptime(texts, format=given.literals[1], unit="us", error_is_null=True)
        return given.readable(Kind.TIME, read, texts)
    found = pc.extract_regex(texts, _DATE)

    def number(name: str) -> Any:
        digits = pc.struct_field(found, name)
        filled = pc.if_else(pc.fill_null(pc.not_equal(digits, ""), False), digits, "0")
        return filled.cast(pa.float64()).to_numpy()

    months, days = number("month") + number("month2"), number("day") + number("day2")
    return given.readable(Kind.TIME, _days(number("year"), months, days), texts)


def _days(years: Any, months: Any, days: Any) -> pa.Array:
    """Return the beginnings of days; null where there is no such day in the years 1 to 9999."""
    good = (years >= 1) & (years <= 9999) & (months >= 1) & (months <= 12) & (days >= 1)
    good &= (days <= 31) & (years % 1 == 0) & (months % 1 == 0) & (days % 1 == 0)
    years, months, days = (np.where(good, part, 1).astype(int) for part in (years, months, days))
    begin = (years - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (months - 1)
    in_month = ((begin + 1).astype("datetime64[D]") - begin.astype("datetime64[D]")).astype(int)
    good &= days <= in_month
    micros = (begin.astype("datetime64[D]").astype(np.int64) + days - 1) * _DAY_US
    return pa.array(micros, mask=~good).cast(pa.timestamp("us"))


def _date_part(operation: Callable[[Any], Any]) -> Apply:
    return lambda given: given.answer(
        Kind.NUMBER, operation(given.of(0, Kind.TIME)).cast(pa.int64())
    )


def _days_between(given: Arguments) -> Value:
    first, last = (given.of(place, Kind.TIME).cast(pa.int64()) for place in range(2))
    days = pc.divide(pc.subtract(last, first).cast(pa.float64(), safe=False), float(_DAY_US))
    return given.answer(Kind.NUMBER, days)


def _is_null(given: Arguments) -> Value:
    return given.answer(Kind.BOOLEAN, pc.is_null(given.values[0].array))


def _unary(kind: Kind, operation: Callable[[Any], Any]) -> Apply:
    return lambda given: given.answer(kind, operation(given.of(0, kind)))


_FORMAT: tuple[int, Check] = (1, _some_text)
_PAD = ((1, _whole(0, _MAX_PAD)), (2, _character))
_ALL = (
    Function("or", 2, 2, _junction(pc.or_kleene, decisive=True)),
    Function("and", 2, 2, _junction(pc.and_kleene, decisive=False)),
    Function("not", 1, 1, _unary(Kind.BOOLEAN, pc.invert)),
    Function("=", 2, 2, _comparison(pc.equal, ordered=False)),
    Function("!=", 2, 2, _comparison(pc.not_equal, ordered=False)),
    Function("<", 2, 2, _comparison(pc.less, ordered=True)),
    Function("<=", 2, 2, _comparison(pc.less_equal, ordered=True)),
    Function(">", 2, 2, _comparison(pc.greater, ordered=True)),
    Function(">=", 2, 2, _comparison(pc.greater_equal, ordered=True)),
    Function("in", 2, _MANY, _in),
    Function("is null", 1, 1, _is_null),
    Function("||", 2, 2, _concat),
    Function("+", 2, 2, _arithmetic(pc.add)),
    Function("-", 2, 2, _arithmetic(pc.subtract)),
    Function("*", 2, 2, _arithmetic(pc.multiply)),
    Function("/", 2, 2, _arithmetic(pc.divide)),
    Function("%", 2, 2, _floats(np.mod)),
    Function("^", 2, 2, _floats(np.power)),
    Function("negative", 1, 1, lambda given: given.finite(pc.negate(given.number(0)))),
    Function("if", 3, _MANY, _if),
    Function("coalesce", 1, _MANY, _coalesce),
    Function("nullif", 2, 2, _nullif),
    Function("min", 1, _MANY, _extreme(pc.min_element_wise)),
    Function("max", 1, _MANY, _extreme(pc.max_element_wise)),
    Function("abs", 1, 1, lambda given: given.finite(pc.abs(given.number(0)))),
    Function("sqrt", 1, 1, lambda given: given.finite(pc.sqrt(given.number(0)))),
    Function("floor", 1, 1, lambda given: given.finite(pc.floor(given.number(0)))),
    Function("ceil", 1, 1, lambda given: given.finite(pc.ceil(given.number(0)))),
    Function("round", 1, 2, _round, ((1, _whole(-12, 12)),)),
    Function("number", 1, 2, _to_number),
    Function("text", 1, 2, _to_text, (_FORMAT,)),
    Function("concat", 1, _MANY, _concat),
    Function("upper", 1, 1, _texts(pc.utf8_upper)),
    Function("lower", 1, 1, _texts(pc.utf8_lower)),
    Function("trim", 1, 1, _texts(pc.utf8_trim_whitespace)),
    Function("len", 1, 1, lambda given: given.answer(
        Kind.NUMBER, pc.utf8_length(given.text(0)).cast(pa.int64()))),
    Function("substr", 2, 3, _texts(_substr), ((1, _whole(1, 10_000)), (2, _whole(0, 10_000)))),
    Function("left", 2, 2, _texts(lambda texts, count: pc.utf8_slice_codeunits(texts, 0, count)),
             ((1, _whole(0, 10_000)),)),
    Function("right", 2, 2, _texts(lambda texts, count: pc.utf8_slice_codeunits(texts, -count)),
             ((1, _whole(1, 10_000)),)),
    Function("replace", 3, 3, _texts(pc.replace_substring), ((1, _some_text), (2, _any_text))),
    Function("lpad", 3, 3, _texts(pc.utf8_lpad), _PAD),
    Function("rpad", 3, 3, _texts(pc.utf8_rpad), _PAD),
    Function("part", 3, 3, _texts(_part), ((1, _some_text), (2, _whole(1, 1_000)))),
    Function("extract", 2, 2, _texts(_extract), ((1, _extractable),)),
    Function("matches", 2, 2, _tests(pc.match_substring_regex), ((1, _pattern),)),
    Function("contains", 2, 2, _tests(pc.match_substring), ((1, _some_text),)),
    Function("starts", 2, 2, _tests(pc.starts_with), ((1, _some_text),)),
    Function("ends", 2, 2, _tests(pc.ends_with), ((1, _some_text),)),
    Function("date", 1, 3, _to_date),
    Function("year", 1, 1, _date_part(pc.year)),
    Function("month", 1, 1, _date_part(pc.month)),
    Function("day", 1, 1, _date_part(pc.day)),
    Function("days", 2, 2, _days_between),
)  # fmt: skip

#: Every function and operator, by name in lower case.
FUNCTIONS = {function.name: function for function in _ALL}
