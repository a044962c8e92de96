"""Reading CQL2 text (OGC 21-065r2, annex B) as the tree that CQL2 JSON (annex C) would give.

Reading takes time in proportion to the text's length, and what nests deeper than people write is
refused. Arrays may stand in square brackets, too, as drafts of the standard had them.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
import shapely

from layers.errors import InvalidValue

#: Brackets and ``NOT`` within each other.
MOST_DEPTH = 30
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.|'')*')
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<quoted>"[^"]+")
      | (?P<word>[^\W\d][\w.:]*)
      | (?P<sign><=|>=|<>|[-<>=(),+*/%^\[\]])
    )""",
    re.VERBOSE | re.DOTALL,
)
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_GEOMETRIES = frozenset(
    {
        "POINT",
        "LINESTRING",
        "POLYGON",
        "MULTIPOINT",
        "MULTILINESTRING",
        "MULTIPOLYGON",
        "GEOMETRYCOLLECTION",
    }
)
_WITHIN_GEOMETRIES = _GEOMETRIES | {"Z"}
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
#: Operators that CQL2 JSON writes with capitals within.
_CAMEL = {
    name.lower(): name
    for name in (
        "a_containedBy",
        "t_finishedBy",
        "t_metBy",
        "t_overlappedBy",
        "t_startedBy",
    )
}
_ARRAY_OPERATORS = frozenset({"A_EQUALS", "A_CONTAINS", "A_CONTAINEDBY", "A_OVERLAPS"})
_RESERVED = frozenset({"AND", "OR", "NOT", "LIKE", "BETWEEN", "IN", "IS", "NULL"})
#: Digits of the largest whole number of 64 bits.
_MOST_DIGITS = 19


class _Token(NamedTuple):
    kind: str
    value: str
    #: Where it begins and ends.
    start: int
    end: int

    @property
    def word(self) -> str:
        """The keyword that the token may be."""
        return self.value.upper() if self.kind in ("word", "sign") else ""


@dataclass(frozen=True, slots=True)
class _Bracket:
    """What stood in round brackets: one expression, or an array; what surrounds it decides."""

    parts: list[Any]


def parse_cql2(text: str) -> Any:
    """Return the CQL2 JSON tree of a CQL2 text.

    Raises:
        InvalidValue: If it cannot be read; the message says where.
    """
    return _Parser(text).whole()


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    end = len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise InvalidValue(f"filter: cannot be read from character {place + 1} on")
        kind = match.lastgroup or ""
        yield _Token(kind, match[kind], match.start(kind), match.end())
        place = match.end()
    yield _Token("end", "", end, end)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._now = next(self._tokens)
        self._depth = 0

    def whole(self) -> Any:
        tree = _plain(self._disjunction())
        if self._now.kind != "end":
            raise self._unexpected("AND, OR or the end")
        return tree

    def _next(self) -> _Token:
        """Go on, and return the token that was passed."""
        passed = self._now
        if passed.kind != "end":
            self._now = next(self._tokens)
        return passed

    def _take(self, *words: str) -> str | None:
        """Go on if the next token is one of some keywords or signs, and return which."""
        word = self._now.word
        if word not in words:
            return None
        self._next()
        return word

    def _need(self, word: str) -> None:
        if self._take(word) is None:
            raise self._unexpected(f"'{word}'")

    def _unexpected(self, wanted: str) -> InvalidValue:
        value = self._now.value
        found = f"'{value[:60]}'" if self._now.kind != "end" else "the end"
        return InvalidValue(
            f"filter: {wanted} is expected at character {self._now.start + 1}, not {found}"
        )

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise InvalidValue(f"filter: nests deeper than {MOST_DEPTH} levels")

    def _disjunction(self) -> Any:
        return self._chain("OR", self._conjunction)

    def _conjunction(self) -> Any:
        return self._chain("AND", self._negation)

    def _chain(self, word: str, part: Callable[[], Any]) -> Any:
        parts = [part()]
        while self._take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else _operation(word, *parts)

    def _negation(self) -> Any:
        if self._take("NOT"):
            self._deeper()
            negated = _operation("NOT", self._negation())
            self._depth -= 1
            return negated
        return self._predicate()

    def _predicate(self) -> Any:
        left = self._sum()
        comparison = self._take(*_COMPARISONS)
        if comparison is not None:
            return _operation(comparison, left, self._sum())
        if self._take("IS"):
            negated = self._take("NOT")
            self._need("NULL")
            return _maybe_not(negated, {"op": "isNull", "args": [_plain(left)]})
        negated = self._take("NOT")
        word = self._take("LIKE", "BETWEEN", "IN")
        if word is None:
            if negated:
                raise self._unexpected("LIKE, BETWEEN or IN")
            return left
        return _maybe_not(negated, _operation(word, left, *self._operands(word)))

    def _operands(self, word: str) -> list[Any]:
        """Read what stands on the right of a word."""
        if word == "LIKE":
            return [self._sum()]
        if word == "BETWEEN":
            lowest = self._sum()
            self._need("AND")
            return [lowest, self._sum()]
        self._need("(")
        return [[_plain(value) for value in self._listed(")", self._sum)]]

    def _listed(self, closing: str, part: Callable[[], Any]) -> list[Any]:
        """Return what stands between brackets, of which the first was read; at least one part."""
        values = []
        while True:
            values.append(part())
            if self._take(closing):
                return values
            self._need(",")

    def _sum(self) -> Any:
        return self._computed(self._product, "+", "-")

    def _product(self) -> Any:
        return self._computed(self._power, "*", "/", "%", "DIV")

    def _computed(self, part: Callable[[], Any], *signs: str) -> Any:
        value = part()
        while sign := self._take(*signs):
            value = _operation(sign, value, part())
        return value

    def _power(self) -> Any:
        base = self._signed()
        return _operation("^", base, self._signed()) if self._take("^") else base

    def _signed(self) -> Any:
        sign = self._take("-", "+")
        if sign is None:
            return self._primary()
        if self._now.kind == "number":
            value = self._primary()
            return -value if sign == "-" else value
        if sign == "+":
            raise self._unexpected("a number")
        return _operation("*", -1, self._primary())

    def _primary(self) -> Any:
        token = self._now
        reader: Callable[[str], Any] | None = {
            "text": _unescaped,
            "number": _number,
            "quoted": _quoted,
        }.get(token.kind)
        if reader is not None:
            self._next()
            return reader(token.value)
        if token.word in ("(", "["):
            return self._bracket()
        if token.kind != "word" or token.word in _RESERVED:
            raise self._unexpected("a field or a value")
        self._next()
        if token.word in ("TRUE", "FALSE"):
            return token.word == "TRUE"
        if self._now.value == "(" or (token.word in _GEOMETRIES and self._now.word == "Z"):
            return self._call(token)
        return {"property": token.value}

    def _bracket(self) -> Any:
        closing = ")" if self._take("(", "[") == "(" else "]"
        parts: list[Any] = []
        if not self._take(closing):
            self._deeper()
            parts = self._listed(closing, self._disjunction)
            self._depth -= 1
        return _Bracket(parts) if closing == ")" else _array(_Bracket(parts))

    def _call(self, name: _Token) -> Any:
        if name.word in _GEOMETRIES:
            return self._geometry(name)
        self._need("(")
        arguments: list[Any] = []
        if not self._take(")"):
            self._deeper()
            resolve = _array if name.word in _ARRAY_OPERATORS else _plain
            arguments = [resolve(part) for part in self._listed(")", self._disjunction)]
            self._depth -= 1
        if name.word in ("DATE", "TIMESTAMP"):
            if len(arguments) != 1 or not isinstance(arguments[0], str):
                raise InvalidValue(f"filter: {name.word} takes one text, as in DATE('2024-05-01')")
            return {name.word.lower(): arguments[0]}
        if name.word in ("BBOX", "INTERVAL"):
            return {name.word.lower(): arguments}
        operator = name.value.lower()
        return {"op": _CAMEL.get(operator, operator), "args": arguments}

    def _geometry(self, name: _Token) -> Any:
        """Read well-known text up to the bracket that ends it."""
        depth = 0
        while self._now.kind in ("number", "sign") or self._now.word in _WITHIN_GEOMETRIES:
            token = self._next()
            depth += {"(": 1, ")": -1}.get(token.value, 0)
            if depth > MOST_DEPTH:
                raise InvalidValue(f"filter: nests deeper than {MOST_DEPTH} levels")
            end = token.end
            if depth == 0 and token.value == ")":
                break
        else:
            raise self._unexpected("the end of the geometry")
        try:
            # Numbers that are none are told when the geometry is looked at.
            with np.errstate(all="ignore"):
                geometry = shapely.from_wkt(self._text[name.start : end])
            tree: dict[str, Any] = orjson.loads(shapely.to_geojson(geometry))
        except (shapely.errors.GEOSException, orjson.JSONDecodeError):
            raise InvalidValue(
                f"filter: the {name.word} at character {name.start + 1} is not well-known text"
            ) from None
        return tree


def _plain(part: Any) -> Any:
    """Return a part where an expression is expected: one in brackets is what they hold."""
    if isinstance(part, _Bracket):
        return _plain(part.parts[0]) if len(part.parts) == 1 else _array(part)
    return part


def _array(part: Any) -> Any:
    """Return a part where an array may stand: what is in brackets is one."""
    return [_array(entry) for entry in part.parts] if isinstance(part, _Bracket) else part


def _operation(name: str, *arguments: Any) -> dict[str, Any]:
    return {"op": name.lower(), "args": [_plain(argument) for argument in arguments]}


def _maybe_not(negated: str | None, tree: dict[str, Any]) -> dict[str, Any]:
    return tree if negated is None else {"op": "not", "args": [tree]}


def _unescaped(text: str) -> str:
    # A backslash stays where it does not stand before a quote: LIKE has a use for it.
    def plain(match: re.Match[str]) -> str:
        return "'" if match[0] in ("''", "\\'") else match[0]

    return _ESCAPED.sub(plain, text[1:-1])


def _quoted(text: str) -> dict[str, str]:
    return {"property": text[1:-1]}


def _number(text: str) -> int | float:
    if not text.isdecimal():
        return float(text)
    if len(text.lstrip("0")) > _MOST_DIGITS:
        raise InvalidValue("filter: holds a number of more than 64 bits")
    return int(text)
