"""Names in the tables of pipeline surveys: tables, columns, classes (CJJ 61-2017)."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["point", "line"]

#: Major class to its minor ones (CJJ 61-2017, appendix B).
CLASSES = {
    "JS": ("JY", "SS", "ZS", "JP", "JZ", "XS", "LS", "JH"),
    "PS": ("YS", "WS", "HS"),
    "RQ": ("MQ", "YH", "TR"),
    "RL": ("RS", "ZQ"),
    "DL": ("GD", "LD", "XH", "DC", "GG"),
    "TX": ("DH", "DS", "XX", "GB"),
    "GY": ("QQ", "YQ", "GQ", "YX", "BQ", "LQ", "DQ", "EY", "AQ", "JB"),
    "QT": ("ZH", "BM"),
}
#: Classes of older surveys to those of the standard.
OLD_CLASSES = {"DX": "TX"}
_MAJOR = {minor: major for major, minors in CLASSES.items() for minor in (major, *minors)}

#: Where a drain, a trench or a corridor is levelled at its inner bottom; else at the outer top.
_INVERT_MAJOR, _INVERT_MINOR, _UNKNOWN = "PS", frozenset({"ZH"}), frozenset({"BM", "QT"})
_TRENCH = frozenset({"GG", "管沟"})

POINT_NUMBER = ("exp_no", "gxdh", "物探点号", "wtdh", "point_no", "manhole_id", "管线点编号")
NORTH = ("x", "x坐标", "纵坐标", "北坐标", "xzb")
EAST = ("y", "y坐标", "横坐标", "东坐标", "yzb")
GROUND = ("high", "dmgc", "surf_h", "ground_h", "地面高程")
START = ("s_exp", "s_point", "qddh", "start_node_name", "up_s_mh_na", "起点编号", "起点点号")
END = ("e_exp", "e_point", "zddh", "end_node_name", "dn_s_mh_na", "终点编号", "终点点号")
START_ELEVATION = ("s_h", "qdgc", "s_elev", "起点管线高程", "起点高程")
END_ELEVATION = ("e_h", "zdgc", "e_elev", "终点管线高程", "终点高程")
START_DEPTH = ("s_deep", "qdms", "起点埋深")
END_DEPTH = ("e_deep", "zdms", "终点埋深")
#: The finer division first.
PIPE_CLASS = ("pipe_class", "gxxl", "gxzl", "gxlb", "管类", "pipeclass")
ELEVATION_OF = ("elev_ref", "elevref")
LAYING = ("embed", "msfs", "埋设方式")

_TABLE = re.compile(
    r"^(?:(?P<prefix>[a-z]{2})[_\- ]?)?(?P<kind>point|line|管线点|管点|管线|点|线)s?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TableName:
    """What the name of a table says."""

    kind: Kind
    #: The class as the name writes it, in capitals; ``None`` for a table of all classes.
    prefix: str | None

    @property
    def pipe_class(self) -> str | None:
        """The standard's class of the prefix."""
        return OLD_CLASSES.get(self.prefix, self.prefix) if self.prefix is not None else None


def table_name(name: str) -> TableName | None:
    """Read a table's name such as ``JS_POINT``; ``None`` if it is no table of pipelines."""
    match = _TABLE.match(name.strip())
    if match is None:
        return None
    prefix = match["prefix"].upper() if match["prefix"] else None
    is_point = match["kind"].lower().endswith(("point", "点"))
    return TableName("point" if is_point else "line", prefix)


def is_known(prefix: str | None) -> bool:
    """Say whether a prefix is one of a class, old or new."""
    return prefix in _MAJOR or prefix in OLD_CLASSES


def elevation_reference(pipe_class: str | None, laying: str | None) -> str | None:
    """Return what of a pipe its elevation is of, by its class (CJJ 61-2017).

    Water, gas, heat, industrial pipes and directly buried cables and duct blocks: the outer top.
    Gravity drains, cables in trenches, and corridors: the inner bottom.

    Args:
        pipe_class: A major or minor class.
        laying: How it is laid (code or word), if known.

    Returns:
        ``top`` or ``invert``, or ``None`` where the class does not tell.
    """
    code = OLD_CLASSES.get(pipe_class or "", pipe_class or "").upper()
    major = _MAJOR.get(code)
    if major is None or code in _UNKNOWN:
        return None
    if major == _INVERT_MAJOR or code in _INVERT_MINOR or laying in _TRENCH:
        return "invert"
    return "top"


def find_column(columns: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    """Return the first column that has one of the names, in any case."""
    by_name = {column.strip().casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)
