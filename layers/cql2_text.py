"""Reading CQL2 text (OGC 21-065r2, annex B) as the tree that CQL2 JSON (annex C) would give.

The part without arithmetic and arrays. Reading takes time in proportion to the text's length, and
what nests deeper than people write is refused.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import shapely

from layers.errors import InvalidValue

#: Brackets and ``NOT`` within each other.
MOST_DEPTH = 30
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.|'')*')
      | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<quoted>"[^"]+")
      | (?P<word>[^\W\d][\w.:]*)
      | (?P<sign><=|>=|<>|[<>=(),])
    )""",
    re.VERBOSE,
)
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_GEOMETRIES = frozenset(
    {"POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON"}
)
_ESCAPED = re.compile(r"''|\\(.)")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: str
    #: Where it begins and ends.
    start: int
    end: int

    @property
    def word(self) -> str:
        """The keyword that the token may be."""
        return self.value.upper() if self.kind in ("word", "sign") else ""


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
        self._tokens = list(_tokens(text))
        self._place = 0
        self._depth = 0

    def whole(self) -> Any:
        tree = self._disjunction()
        if self._now.kind != "end":
            raise self._unexpected("AND, OR or the end")
        return tree

    @property
    def _now(self) -> _Token:
        return self._tokens[self._place]

    def _take(self, *words: str) -> str | None:
        """Go on if the next token is one of some keywords or signs, and return which."""
        word = self._now.word
        if word not in words:
            return None
        self._place += 1
        return word

    def _need(self, word: str) -> None:
        if self._take(word) is None:
            raise self._unexpected(f"'{word}'")

    def _unexpected(self, wanted: str) -> InvalidValue:
        found = f"'{self._now.value}'" if self._now.kind != "end" else "the end"
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
        return parts[0] if len(parts) == 1 else {"op": word.lower(), "args": parts}

    def _negation(self) -> Any:
        if self._take("NOT"):
            self._deeper()
            negated = {"op": "not", "args": [self._negation()]}
            self._depth -= 1
            return negated
        if self._take("("):
            self._deeper()
            inner = self._disjunction()
            self._need(")")
            self._depth -= 1
            return inner
        return self._predicate()

    def _predicate(self) -> Any:
        left = self._scalar()
        comparison = self._take(*_COMPARISONS)
        if comparison is not None:
            return {"op": comparison, "args": [left, self._scalar()]}
        if self._take("IS"):
            negated = self._take("NOT")
            self._need("NULL")
            return _maybe_not(negated, {"op": "isNull", "args": [left]})
        negated = self._take("NOT")
        word = self._take("LIKE", "BETWEEN", "IN")
        if word is None:
            if negated:
                raise self._unexpected("LIKE, BETWEEN or IN")
            return left
        return _maybe_not(negated, {"op": word.lower(), "args": self._operands(left, word)})

    def _operands(self, left: Any, word: str) -> list[Any]:
        if word == "LIKE":
            return [left, self._scalar()]
        if word == "BETWEEN":
            lowest = self._scalar()
            self._need("AND")
            return [left, lowest, self._scalar()]
        self._need("(")
        return [left, self._listed()]

    def _listed(self) -> list[Any]:
        """Return what stands between brackets, of which the first was read."""
        values = []
        while True:
            values.append(self._scalar())
            if self._take(")"):
                return values
            self._need(",")

    def _scalar(self) -> Any:
        token = self._now
        reader: Callable[[str], Any] | None = {
            "text": _unescaped,
            "number": _number,
            "quoted": _quoted,
        }.get(token.kind)
        if reader is not None:
            self._place += 1
            return reader(token.value)
        if token.kind != "word" or token.word in _RESERVED:
            raise self._unexpected("a field or a value")
        self._place += 1
        if token.word in ("TRUE", "FALSE"):
            return token.word == "TRUE"
        if self._now.value != "(" and token.word not in _GEOMETRIES:
            return {"property": token.value}
        return self._call(token)

    def _call(self, name: _Token) -> Any:
        if name.word in _GEOMETRIES:
            return self._geometry(name)
        self._need("(")
        self._deeper()
        arguments = self._listed()
        self._depth -= 1
        if name.word in ("DATE", "TIMESTAMP"):
            if len(arguments) != 1 or not isinstance(arguments[0], str):
                raise InvalidValue(f"filter: {name.word} takes one text, as in DATE('2024-05-01')")
            return {name.word.lower(): arguments[0]}
        if name.word in ("BBOX", "INTERVAL"):
            return {name.word.lower(): arguments}
        return {"op": name.value.lower(), "args": arguments}

    def _geometry(self, name: _Token) -> Any:
        """Read well-known text up to the bracket that ends it."""
        self._take("Z")
        depth = 0
        while self._now.kind in ("number", "sign"):
            depth += {"(": 1, ")": -1}.get(self._now.value, 0)
            end = self._now.end
            self._place += 1
            if depth == 0:
                break
        else:
            raise self._unexpected("the end of the geometry")
        try:
            geometry = shapely.from_wkt(self._text[name.start : end])
        except shapely.errors.GEOSException:
            raise InvalidValue(
                f"filter: the {name.word} at character {name.start + 1} is not well-known text"
            ) from None
        tree: dict[str, Any] = orjson.loads(shapely.to_geojson(geometry))
        return tree


_RESERVED = frozenset({"AND", "OR", "NOT", "LIKE", "BETWEEN", "IN", "IS", "NULL"})


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
    return int(text) if text.lstrip("+-").isdigit() else float(text)
