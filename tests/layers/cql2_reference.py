"""CQL2 JSON evaluated feature by feature in plain Python and shapely, as the standard words it.

It is what the service's filters are compared with, and shares no code with them. Values are
Python's (``None``: none), geometries shapely's; truth is ``True``, ``False`` or ``None`` (unknown).
"""

import math
import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from itertools import starmap
from typing import Any
from zoneinfo import ZoneInfo

import shapely
from shapely.geometry import shape

BEIJING = ZoneInfo("Asia/Shanghai")
EVER = (float("-inf"), float("inf"))
Row = Mapping[str, Any]


def evaluate(tree: Any, row: Row) -> Any:
    """Return what a tree gives for a row: fields by name, ``geometry`` and ``id`` among them."""
    if isinstance(tree, list):
        return [evaluate(part, row) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if "property" in tree:
        return row[tree["property"]]
    if "op" in tree:
        return _operation(tree["op"].lower(), tree["args"], row)
    if "date" in tree:
        return date.fromisoformat(tree["date"])
    if "timestamp" in tree:
        return datetime.fromisoformat(tree["timestamp"])
    if "interval" in tree:
        return ("interval", *(_end(end, row) for end in tree["interval"]))
    if "bbox" in tree:
        return _box(tree["bbox"])
    return shape(tree)


def _end(tree: Any, row: Row) -> Any:
    if tree == "..":
        return ".."
    if isinstance(tree, str):
        return datetime.fromisoformat(tree) if "T" in tree else date.fromisoformat(tree)
    return evaluate(tree, row)


def _box(numbers: list[float]) -> shapely.Geometry:
    west, south, east, north = numbers
    if west > east:
        halves = [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
        return shapely.union_all(halves)
    return shapely.box(west, south, east, north)


def _operation(name: str, trees: list[Any], row: Row) -> Any:
    if name in ("and", "or"):
        return _combined(name, [evaluate(tree, row) for tree in trees])
    arguments = [evaluate(tree, row) for tree in trees]
    if name == "isnull":
        return arguments[0] is None
    if name == "in":
        return _combined("or", [_compared("=", arguments[0], value) for value in arguments[1]])
    if name == "between":
        subject, lowest, highest = arguments
        bounds = [_compared(">=", subject, lowest), _compared("<=", subject, highest)]
        return _combined("and", bounds)
    if name.startswith("t_"):
        return _temporal(name, *arguments)
    if any(argument is None for argument in arguments):
        return None
    if name in _COMPARED:
        return _compared(name, *arguments)
    if name in _SPATIAL:
        return bool(_SPATIAL[name](*arguments))
    return {**_PLAIN, **_ARITHMETIC, **_ARRAYS}[name](*arguments)


def _combined(name: str, truths: list[Any]) -> Any:
    deciding = name == "or"
    if deciding in truths:
        return deciding
    return None if None in truths else not deciding


_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compared(name: str, left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    return _COMPARED[name](*_alike(left, right))


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    if type(left) is type(right):
        return left, right
    if isinstance(left, date) or isinstance(right, date):
        return _instant(left), _instant(right)
    return float(left), float(right)


def _instant(moment: Any) -> datetime:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment) if "T" in moment else date.fromisoformat(moment)
    if isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time(), BEIJING)


def _like(text: str, pattern: str) -> bool:
    wanted = {"%": ".*", "_": "."}
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    regex = "".join(wanted.get(part, re.escape(part[-1])) for part in parts)
    return re.fullmatch(regex, text, re.DOTALL) is not None


_STROKES = str.maketrans("øØłŁđĐ", "oOlLdD")


def _accentless(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    bare = "".join(
        letter.translate(_STROKES) for letter in decomposed if not "\u0300" <= letter <= "\u036f"
    )
    return unicodedata.normalize("NFC", bare)


def _local(moment: Any) -> Any:
    return moment.astimezone(BEIJING) if isinstance(moment, datetime) else moment


_PLAIN: dict[str, Callable[..., Any]] = {
    "not": operator.not_,
    "like": _like,
    "casei": str.casefold,
    "accenti": _accentless,
    "lower": str.lower,
    "upper": str.upper,
    "char_length": len,
    "split": lambda text, separator: text.split(separator) if text else [],
    "abs": abs,
    "floor": lambda number: float(math.floor(number)),
    "ceil": lambda number: float(math.ceil(number)),
    "round": lambda number: float(round(number)),
    "sqrt": lambda number: math.sqrt(number) if number >= 0 else None,
    "year": lambda moment: _local(moment).year,
    "month": lambda moment: _local(moment).month,
    "day": lambda moment: _local(moment).day,
}


def _power(base: float, exponent: float) -> float | None:
    base, exponent = float(base), float(exponent)
    if (base == 0 and exponent < 0) or (base < 0 and not exponent.is_integer()):
        return None
    return math.pow(base, exponent)


def _division(left: float, right: float) -> float | None:
    return float(left) / float(right) if right else None


def _whole_division(left: float, right: float) -> float | None:
    if not right:
        return None
    if isinstance(left, int) and isinstance(right, int):
        return abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return float(math.trunc(float(left) / float(right)))


def _rest(left: float, right: float) -> float | None:
    quotient = _whole_division(left, right)
    return None if quotient is None else left - right * quotient


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _division,
    "div": _whole_division,
    "%": _rest,
    "^": _power,
}
_SPATIAL: dict[str, Callable[..., Any]] = {
    "s_intersects": shapely.intersects,
    "s_disjoint": shapely.disjoint,
    "s_within": shapely.within,
    "s_contains": shapely.contains,
    "s_equals": shapely.equals,
    "s_touches": shapely.touches,
    "s_crosses": shapely.crosses,
    "s_overlaps": shapely.overlaps,
}


def _same(left: Any, right: Any) -> bool:
    """Tell whether two elements of arrays are equal; arrays within arrays are sets too."""
    if isinstance(left, list) and isinstance(right, list):
        return _superset(left, right) and _superset(right, left)
    if left is None or right is None or isinstance(left, list) or isinstance(right, list):
        return False
    return operator.eq(*_alike(left, right))


def _has(array: list[Any], wanted: Any) -> bool:
    return any(_same(element, wanted) for element in array)


def _superset(left: list[Any], right: list[Any]) -> bool:
    return all(_has(left, element) for element in right)


_ARRAYS: dict[str, Callable[..., Any]] = {
    "a_contains": _superset,
    "a_containedby": lambda left, right: _superset(right, left),
    "a_equals": lambda left, right: _superset(left, right) and _superset(right, left),
    "a_overlaps": lambda left, right: any(_has(left, element) for element in right),
}


def _seconds(moment: Any, last: int) -> Any:
    if moment == "..":
        return EVER[last]
    return None if moment is None else _instant(moment).timestamp()


def _span(value: Any) -> tuple[Any, Any]:
    if isinstance(value, tuple):
        return _seconds(value[1], 0), _seconds(value[2], 1)
    return _seconds(value, 0), _seconds(value, 1)


def _holds(sign: str, left: Any, right: Any) -> Any:
    return None if left is None or right is None else _COMPARED[sign](left, right)


def _temporal(name: str, left: Any, right: Any) -> Any:
    (start, end), (other_start, other_end) = _span(left), _span(right)
    ends = {"S": start, "E": end, "s": other_start, "e": other_end}
    words = {
        "t_after": "S>e",
        "t_before": "E<s",
        "t_contains": "S<s E>e",
        "t_disjoint": "S>e or E<s",
        "t_during": "S>s E<e",
        "t_equals": "S=s E=e",
        "t_finishedby": "S<s E=e",
        "t_finishes": "S>s E=e",
        "t_intersects": "S<=e E>=s",
        "t_meets": "E=s",
        "t_metby": "S=e",
        "t_overlappedby": "S>s S<e E>e",
        "t_overlaps": "S<s E>s E<e",
        "t_startedby": "S=s E>e",
        "t_starts": "S=s E<e",
    }[name]
    pairs = [(part[1:-1], ends[part[0]], ends[part[-1]]) for part in words.split() if part != "or"]
    return _combined("or" if " or " in words else "and", list(starmap(_holds, pairs)))
