"""The functions that filters may call, beside those that CQL2 itself defines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, Numeric, Text, case, cast, extract, func
from sqlalchemy.dialects.postgresql import ARRAY

from gis.times import BEIJING
from layers.check_definition import Bilingual
from layers.errors import InvalidValue
from layers.filter_values import (
    TIMES,
    Kind,
    Part,
    Value,
    as_time,
    lowered,
    raised,
)

_Sql = ColumnElement[Any]
_GEOMETRY = (Kind.GEOMETRY,)
_TEXT = (Kind.TEXT,)
_NUMBER = (Kind.NUMBER,)


@dataclass(frozen=True, slots=True)
class FilterFunction:
    """A function of filters."""

    name: str
    title: Bilingual
    #: What each argument may be.
    arguments: tuple[tuple[Kind, ...], ...]
    returns: Kind
    apply: Callable[..., _Sql]
    #: Whether the result is a whole number: always, or (``None``) where the argument is.
    whole: bool | None = False

    def call(self, parts: list[Part]) -> Value:
        """Return the function of some arguments; without one of them it is unknown.

        Raises:
            InvalidValue: If they are not those that it takes.
        """
        if len(parts) != len(self.arguments):
            raise InvalidValue(
                f"filter: {self.name}() takes {len(self.arguments)} arguments, not {len(parts)}"
            )
        values = [
            self._argument(part, kinds) for part, kinds in zip(parts, self.arguments, strict=True)
        ]
        whole = all(value.whole for value in values) if self.whole is None else self.whole
        return Value(
            self.returns, self.apply(*(v.sql for v in values)), f"{self.name}()", whole=whole
        )

    def _argument(self, part: Part, kinds: tuple[Kind, ...]) -> Value:
        if isinstance(part, Value):
            if kinds == TIMES:
                return as_time(part)
            if part.kind in kinds:
                return part
        wanted = " or ".join(kinds)
        name = part.shown if isinstance(part, Value) else "an array or an interval"
        raise InvalidValue(f"filter: {self.name}() takes {wanted}, not {name}")


def _on_ellipsoid(geometry: _Sql) -> _Sql:
    return func.geography(geometry)


def _calendar(part: str) -> Callable[[_Sql], _Sql]:
    def apply(moment: _Sql) -> _Sql:
        is_moment = getattr(moment.type, "timezone", False)
        local = func.timezone(str(BEIJING), moment) if is_moment else moment
        return cast(extract(part, local), BigInteger)

    return apply


def _rounded(name: str) -> Callable[[_Sql], _Sql]:
    def apply(number: _Sql) -> _Sql:
        return cast(getattr(func, name)(cast(number, Double)), Double)

    return apply


def _root(number: _Sql) -> _Sql:
    value = cast(number, Double)
    return case((value >= 0, func.sqrt(value)), else_=None)


def _absolute(number: _Sql) -> _Sql:
    # The smallest whole number of 64 bits has no counterpart among them.
    wide = number if isinstance(number.type, Double) else cast(number, Numeric)
    return func.abs(wide)


def _split(text: _Sql, separator: _Sql) -> _Sql:
    return func.string_to_array(text, separator, type_=ARRAY(Text))


def _function(
    name: str,
    titles: tuple[str, str],
    arguments: tuple[tuple[Kind, ...], ...],
    returns: Kind,
    apply: Callable[..., _Sql],
    whole: bool | None = False,
) -> FilterFunction:
    title = Bilingual(zh=titles[0], en=titles[1])
    return FilterFunction(name, title, arguments, returns, apply, whole)


_ALL = (
    _function(
        "area",
        ("椭球面积（平方米）", "Area on the ellipsoid, square metres"),
        (_GEOMETRY,),
        Kind.NUMBER,
        lambda shape: func.ST_Area(_on_ellipsoid(shape), type_=Double),
    ),
    _function(
        "length",
        ("线的椭球长度（米）", "Length of lines on the ellipsoid, metres"),
        (_GEOMETRY,),
        Kind.NUMBER,
        lambda shape: func.ST_Length(_on_ellipsoid(shape), type_=Double),
    ),
    _function(
        "perimeter",
        ("面的椭球周长（米）", "Length of areas' boundaries on the ellipsoid, metres"),
        (_GEOMETRY,),
        Kind.NUMBER,
        lambda shape: func.ST_Perimeter(_on_ellipsoid(shape), type_=Double),
    ),
    _function(
        "distance",
        ("椭球最短距离（米）", "Shortest distance on the ellipsoid, metres"),
        (_GEOMETRY, _GEOMETRY),
        Kind.NUMBER,
        lambda one, other: func.ST_Distance(_on_ellipsoid(one), _on_ellipsoid(other), type_=Double),
    ),
    _function(
        "centroid",
        ("几何重心", "Centroid of the geometry"),
        (_GEOMETRY,),
        Kind.GEOMETRY,
        lambda shape: func.ST_Centroid(shape),
    ),
    _function("lower", ("转为小写", "In small letters"), (_TEXT,), Kind.TEXT, lowered),
    _function("upper", ("转为大写", "In capitals"), (_TEXT,), Kind.TEXT, raised),
    _function(
        "char_length",
        ("字符数", "Number of characters"),
        (_TEXT,),
        Kind.NUMBER,
        lambda text: func.char_length(text, type_=BigInteger),
        True,
    ),
    _function(
        "split",
        ("按分隔符拆分为数组", "Parts of a text between separators, as an array"),
        (_TEXT, _TEXT),
        Kind.ARRAY,
        _split,
    ),
    _function("abs", ("绝对值", "Absolute value"), (_NUMBER,), Kind.NUMBER, _absolute, None),
    _function("floor", ("向下取整", "Rounded down"), (_NUMBER,), Kind.NUMBER, _rounded("floor")),
    _function("ceil", ("向上取整", "Rounded up"), (_NUMBER,), Kind.NUMBER, _rounded("ceil")),
    _function(
        "round",
        ("四舍六入五成双取整", "Rounded to the nearest, halves to the even one"),
        (_NUMBER,),
        Kind.NUMBER,
        _rounded("round"),
    ),
    _function(
        "sqrt", ("平方根", "Square root; of less than 0, none"), (_NUMBER,), Kind.NUMBER, _root
    ),
    _function(
        "year",
        ("年（北京时间）", "Year, in Beijing"),
        (TIMES,),
        Kind.NUMBER,
        _calendar("year"),
        True,
    ),
    _function(
        "month",
        ("月（北京时间）", "Month, 1 to 12, in Beijing"),
        (TIMES,),
        Kind.NUMBER,
        _calendar("month"),
        True,
    ),
    _function(
        "day",
        ("日（北京时间）", "Day of the month, 1 to 31, in Beijing"),
        (TIMES,),
        Kind.NUMBER,
        _calendar("day"),
        True,
    ),
)
#: By name.
FUNCTIONS: Mapping[str, FilterFunction] = {function.name: function for function in _ALL}
