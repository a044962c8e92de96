"""The report of a load as one page that needs nothing else: for the screen and for paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from etl.report_map import PALETTE, draw_map, frame_of
from etl.rule_titles import rule_title
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.class_changes import class_field
from layers.definition import LayerDefinition

_UNCODED = "#b9b7b1"
_STATUS = {
    "done": ("已入库", "done"),
    "failed": ("未入库", "failed"),
    "cancelled": ("已取消", "cancelled"),
    "running": ("进行中", "running"),
    "queued": ("排队中", "queued"),
}
_KINDS = {
    "survey": ("测绘入库", "survey"),
    "repair": ("修复入库", "repair"),
    "revert": ("撤回", "revert"),
    "transaction": ("编辑", "edit"),
}
_STAGES = {
    "read and check": ("读取与检查", "read and check"),
    "write": ("传送", "send to the database"),
    "check the whole": ("整体检查", "check the whole"),
    "index": ("建立索引", "build indexes"),
    "apply": ("写入版本", "write versions"),
    "sum up": ("汇总", "sum up"),
}
#: A size in square metres is told in hectares from this on, one in metres in kilometres.
_HECTARE, _KILOMETRE = 10_000.0, 1_000.0


@dataclass(frozen=True)
class Picture:
    """What a report's page shows beside the report itself."""

    #: WKB (EPSG:4490) of the layer's features around the refused rows.
    context: Sequence[bytes] = ()
    #: Whether values of rows, which may be personal, are shown.
    values: bool = True
    #: Addresses of related pages by name, in the order shown: title → address.
    links: Mapping[str, str] | None = None
    #: How the refused rows stand now: state → number.
    states: Mapping[str, int] | None = None


class _Told(dict[str, Any]):
    """A report in which whatever it does not tell is ``None``: not every load has a whole one."""

    def __missing__(self, name: str) -> None:
        return None


def render_report(
    load: Mapping[str, Any], layer: LayerDefinition, catalogue: Catalogue, picture: Picture
) -> str:
    """Return the page.

    Args:
        load: The load's record with its ``report`` and ``mapping``, decoded.
        layer: The layer it was for.
        catalogue: The code lists.
        picture: What else to show.
    """
    report = _Told(load["report"] or {})
    rules = [_rule(entry, place, layer) for place, entry in enumerate(report.get("rules", []))]
    colors = {rule["rule"]: rule["color"] for rule in rules}
    shapes = report.get("bad_shapes", [])
    frame = frame_of(shapes)
    drawn = Markup(draw_map(shapes, picture.context, colors, frame)) if frame else None  # noqa: S704
    in_picture = {str(shape["rule"]) for shape in shapes}
    return _template().render(
        load=load,
        report=report,
        layer=layer,
        status=_STATUS.get(load["status"], (load["status"],) * 2),
        kind=_KINDS.get(load["kind"], (load["kind"],) * 2),
        rules=rules,
        worst=max((rule["rows"] for rule in rules), default=1) or 1,
        map=drawn,
        map_rules=[rule for rule in rules if rule["rule"] in in_picture],
        shapes=len(shapes),
        classes=_classes(report.get("classes"), layer, catalogue),
        class_title=_class_title(layer),
        measure=("面积", "area") if layer.geometry.dimension == 2 else ("长度", "length"),
        measured=layer.geometry.dimension > 0,
        stages=_stages(report.get("seconds", {})),
        total=report.get("seconds", {}).get("total"),
        mapping=_listed(load["mapping"] or {}),
        picture=picture,
        links=picture.links or {},
        states=picture.states or {},
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"day": _day, "moment": _moment, "size": _size, "count": _count}
    return environment.get_template("report.html.j2")


def _rule(entry: Mapping[str, Any], place: int, layer: LayerDefinition) -> dict[str, Any]:
    title = rule_title(entry["rule"], layer)
    return {
        "rule": entry["rule"],
        "zh": title.zh,
        "en": title.en,
        "rows": entry["rows"],
        "severity": entry.get("severity", "error"),
        "examples": entry.get("examples", []),
        "color": PALETTE[min(place, len(PALETTE) - 1)],
    }


def _classes(
    sums: Sequence[Mapping[str, Any]] | None, layer: LayerDefinition, catalogue: Catalogue
) -> list[dict[str, Any]] | None:
    if sums is None:
        return None
    name = class_field(layer)
    codes = None
    if name is not None and layer.field(name).codes:
        codes = catalogue.code_list(str(layer.field(name).codes))
    greatest = max((max(entry["before"], entry["after"]) for entry in sums), default=0) or 1
    most = max((max(e["features_before"], e["features_after"]) for e in sums), default=0) or 1
    found = []
    for entry in sums:
        code = codes.codes.get(str(entry["class"])) if codes is not None else None
        by_size = layer.geometry.dimension > 0
        before = entry["before"] / greatest if by_size else entry["features_before"] / most
        after = entry["after"] / greatest if by_size else entry["features_after"] / most
        found.append(
            {
                **entry,
                "zh": code.name_zh if code else None,
                "en": code.name_en if code else None,
                "color": (codes.color(str(entry["class"])) if codes else None) or _UNCODED,
                "before_share": round(before * 100, 1),
                "after_share": round(after * 100, 1),
                "difference": entry["after"] - entry["before"],
            }
        )
    return found


def _class_title(layer: LayerDefinition) -> tuple[str, str]:
    name = class_field(layer)
    if name is None:
        return "全部要素", "all features"
    title = layer.field(name).title
    return title.zh, title.en


def _stages(seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    total = seconds.get("total") or sum(seconds.values()) or 1
    return [
        {
            "zh": _STAGES.get(name, (name, name))[0],
            "en": _STAGES.get(name, (name, name))[1],
            "seconds": value,
            "share": round(min(value / total, 1) * 100, 1),
        }
        for name, value in seconds.items()
        if name != "total"
    ]


def _listed(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return a nested record as pairs of a dotted name and a text, empty ones left out."""
    if isinstance(value, Mapping):
        return [
            pair
            for name, part in value.items()
            for pair in _listed(part, f"{prefix}.{name}" if prefix else str(name))
        ]
    if value in (None, [], (), "", False):
        return []
    if isinstance(value, list | tuple):
        return [(prefix, ", ".join(str(part) for part in value))]
    return [(prefix, str(value))]


def _as_time(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(str(value))


def _day(value: Any) -> str:
    moment = _as_time(value)
    return "—" if moment is None else moment.astimezone(BEIJING).strftime("%Y-%m-%d")


def _moment(value: Any) -> str:
    moment = _as_time(value)
    return "—" if moment is None else moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _count(value: Any) -> str:
    return "—" if value is None else f"{int(value):,}"


def _size(value: float, dimension: int, like: float | None = None) -> str:
    """Return a size with its unit.

    Args:
        value: Square metres or metres.
        dimension: 2 for areas, 1 for lengths.
        like: For a difference: the size whose unit it takes; it gets a sign.
    """
    least, great, small = (_HECTARE, "ha", "m²") if dimension == 2 else (_KILOMETRE, "km", "m")
    if like is not None and not round(value, 3):
        return "—"
    unit = great if abs(value if like is None else like) >= least else small
    number = value / least if unit == great else value
    return f"{format(number, '+,.2f' if like is not None else ',.2f')} {unit}"
