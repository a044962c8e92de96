"""The syntax of expressions: text to a small tree, refused where it could do harm.

No part of an expression is ever given to Python: the parser knows the operators, the names of
columns and the functions it is told of, and nothing else. Limits on length, depth and size are
checked while reading, so that what was read can be evaluated in bounded time and memory.

::

    or · and · not · = == != <> < <= > >= in (…) is [not] null · || · + - · * / % · - · ^
    'text' "text" · 12 1.5e3 · true false null · COLUMN [any column name] · function(…)
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from layers.errors import DefinitionError

MAX_LENGTH = 4_000
MAX_NODES = 500
MAX_DEPTH = 60
MAX_TEXT = 1_000

LiteralValue = str | int | float | bool | None

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<column>\[[^\[\]]+\]|`[^`]+`)
    | (?P<name>[^\W\d]\w*)
    | (?P<operator>\|\||<=|>=|<>|!=|==|[-+*/%^(),<>=])
    )""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "null", "true", "false"})
_COMPARISONS = {"==": "=", "<>": "!="} | {sign: sign for sign in ("=", "!=", "<", "<=", ">", ">=")}
_CONSTANTS: dict[str, LiteralValue] = {"null": None, "true": True, "false": False}
#: Left-associative operators by how tightly they bind, loosest first.
_LEVELS = (frozenset({"||"}), frozenset({"+", "-"}), frozenset({"*", "/", "%"}))


class ExpressionError(DefinitionError, ValueError):
    """An expression cannot be read, or not be evaluated with the columns there are.

    It is a ``ValueError`` too, so that models of YAML files collect it with their other faults.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"character {position}: {message}")
        #: 1-based place in the text of the expression.
        self.position = position


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    position: int
    value: LiteralValue


@dataclass(frozen=True, slots=True)
class Name:
    """The values of a column."""

    position: int
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function, or an operator under its sign, of its arguments."""

    position: int
    function: str
    arguments: tuple["Node", ...]


Node = Literal | Name | Call


class Signature(Protocol):
    """What the parser asks of a function before it accepts a call of it."""

    def refusal(self, arguments: tuple[Node, ...]) -> str | None:
        """Return why it cannot be called with these arguments, or ``None``."""
        ...


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


_END = "end"


def parse(text: str, functions: Mapping[str, Signature]) -> Node:
    """Read an expression.

    Args:
        text: What to read.
        functions: The functions that exist, by name in lower case.

    Raises:
        ExpressionError: If it is none, or too long, too deep or too large.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH + 1)
    parser = _Parser(_tokens(text), functions)
    node = parser.expression()
    parser.end()
    return node


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            what = "text without its closing quote" if text[start] in "'\"" else repr(text[start])
            raise ExpressionError(f"{what} is not understood", start + 1)
        kind = str(match.lastgroup)
        word = match.group(kind)
        start = match.start(kind) + 1
        if kind == "number" and end > match.end() and re.match(r"[\w.]", text[match.end()]):
            raise ExpressionError(
                "a number ends in letters; a column whose name starts so stands in [ ]", start
            )
        if kind == "name" and word.lower() in _KEYWORDS:
            kind, word = "keyword", word.lower()
        tokens.append(_Token(kind, word, start))
        place = match.end()
    tokens.append(_Token(_END, "", end + 1))
    return tokens


@dataclass
class _Parser:
    """A parser by recursive descent, one method a level of binding."""

    tokens: list[_Token]
    functions: Mapping[str, Signature]
    place: int = 0
    depth: int = 0
    depths: dict[int, int] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def expression(self) -> Node:
        self._descend()
        node = self._conjunction()
        while (token := self._taken("or")) is not None:
            node = self._call(token, "or", node, self._conjunction())
        self.depth -= 1
        return node

    def end(self) -> None:
        if self._next.kind != _END:
            raise ExpressionError(f"'{self._next.text}' was not expected here", self._next.position)

    def _conjunction(self) -> Node:
        node = self._negation()
        while (token := self._taken("and")) is not None:
            node = self._call(token, "and", node, self._negation())
        return node

    def _negation(self) -> Node:
        signs = []
        while (token := self._taken("not")) is not None:
            signs.append(token)
        node = self._comparison()
        for token in reversed(signs):
            node = self._call(token, "not", node)
        return node

    def _comparison(self) -> Node:
        node = self._chain(0)
        token = self._next
        if token.text in _COMPARISONS and token.kind == "operator":
            self.place += 1
            node = self._call(token, _COMPARISONS[token.text], node, self._chain(0))
            if self._next.kind == "operator" and self._next.text in _COMPARISONS:
                raise ExpressionError(
                    "comparisons do not chain: join two of them with and", self._next.position
                )
            return node
        if (token_is := self._taken("is")) is not None:
            negated = self._taken("not") is not None
            self._expect("null")
            node = self._call(token_is, "is null", node)
            return self._call(token_is, "not", node) if negated else node
        negation = self._taken("not")
        if (token_in := self._taken("in")) is not None:
            node = self._call(token_in, "in", node, *self._arguments())
            return self._call(negation, "not", node) if negation else node
        if negation is not None:
            raise ExpressionError("'in' is missing after 'not'", self._next.position)
        return node

    def _chain(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._sign()
        node = self._chain(level + 1)
        while self._next.kind == "operator" and self._next.text in _LEVELS[level]:
            token = self._next
            self.place += 1
            node = self._call(token, token.text, node, self._chain(level + 1))
        return node

    def _sign(self) -> Node:
        signs = []
        while self._next.kind == "operator" and self._next.text in "+-":
            signs.append(self._next)
            self.place += 1
        node = self._power()
        for token in reversed(signs):
            if token.text == "-":
                node = self._call(token, "negative", node)
        return node

    def _power(self) -> Node:
        node = self._operand()
        if (token := self._taken("^")) is not None:
            self._descend()
            node = self._call(token, "^", node, self._sign())
            self.depth -= 1
        return node

    def _operand(self) -> Node:
        token = self._next
        self.place += 1
        if token.kind == "number":
            return self._kept(Literal(token.position, _number(token)))
        if token.kind == "text":
            return self._kept(Literal(token.position, _text(token)))
        if token.kind == "column":
            return self._kept(Name(token.position, token.text[1:-1].strip()))
        if token.kind == "keyword" and token.text in _CONSTANTS:
            return self._kept(Literal(token.position, _CONSTANTS[token.text]))
        if token.kind == "name":
            if self._next.kind == "operator" and self._next.text == "(":
                return self._function(token)
            return self._kept(Name(token.position, token.text))
        if token.text == "(":
            node = self.expression()
            self._expect(")")
            return node
        found = f"'{token.text}'" if token.kind != _END else "the end"
        raise ExpressionError(
            f"a value was expected, not {found}; a column with such a name stands in [ ]"
            if token.kind == "keyword"
            else f"a value was expected, not {found}",
            token.position,
        )

    def _function(self, token: _Token) -> Node:
        name = token.text.lower()
        if name not in self.functions or not name.isidentifier():
            close = difflib.get_close_matches(name, [f for f in self.functions if f.isidentifier()])
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise ExpressionError(f"there is no function '{token.text}'{hint}", token.position)
        return self._call(token, name, *self._arguments())

    def _arguments(self) -> list[Node]:
        self._expect("(")
        if self._taken(")") is not None:
            return []
        arguments = [self.expression()]
        while self._taken(",") is not None:
            arguments.append(self.expression())
        self._expect(")")
        return arguments

    def _call(self, token: _Token, function: str, *arguments: Node) -> Node:
        node = Call(token.position, function, arguments)
        refusal = self.functions[function].refusal(arguments)
        if refusal is not None:
            raise ExpressionError(refusal, token.position)
        depth = 1 + max((self.depths.get(id(argument), 1) for argument in arguments), default=0)
        if depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH}", token.position)
        self.depths[id(node)] = depth
        return self._kept(node)

    def _kept(self, node: Node) -> Node:
        # Kept nodes cannot give their id to another one.
        self.nodes.append(node)
        if len(self.nodes) > MAX_NODES:
            raise ExpressionError(f"larger than {MAX_NODES} parts", node.position)
        return node

    def _descend(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH}", self._next.position)

    @property
    def _next(self) -> _Token:
        return self.tokens[self.place]

    def _taken(self, word: str) -> _Token | None:
        token = self._next
        if token.kind in ("keyword", "operator") and token.text == word:
            self.place += 1
            return token
        return None

    def _expect(self, word: str) -> None:
        if self._taken(word) is None:
            found = f"'{self._next.text}'" if self._next.kind != _END else "the end"
            raise ExpressionError(f"'{word}' was expected, not {found}", self._next.position)


def _number(token: _Token) -> int | float:
    value = float(token.text)
    if value == float("inf"):
        raise ExpressionError("the number is too large", token.position)
    return int(token.text) if token.text.isdigit() and value < 2**53 else value


def _text(token: _Token) -> str:
    quote = token.text[0]
    value = token.text[1:-1].replace(quote * 2, quote)
    if len(value) > MAX_TEXT:
        raise ExpressionError(f"text longer than {MAX_TEXT} characters", token.position)
    return value
