"""A feature's history as documents: JSON, GeoJSON, and a page with a time line."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import orjson
import shapely

from api import html
from gis.times import BEIJING
from layers.definition import LayerDefinition
from layers.feature_history import FeatureVersion, Recorder
from layers.geometry_changes import geometry_change
from layers.lineage import Kin

#: Version → its geometry, WKB.
Geometries = Mapping[int, bytes | None]

_CHANGES = {"added": "新增 / added", "changed": "变更 / changed", "returned": "恢复 / returned"}
_MEASURES = {
    "before": "前 / before",
    "after": "后 / after",
    "moved": "移动 / moved (m)",
    "differing": "相差 / differing (m²)",
    "raised": "抬升 / raised (m)",
}
_KINDS = {
    "survey": "测量 / survey",
    "repair": "修复 / repair",
    "revert": "撤回 / revert",
    "transaction": "编辑 / edit",
}
_KIN = {"split": "分割 / split", "merge": "合并 / merge", "redraw": "重划 / redraw"}
#: Width and height of a version's bar in the time line, and what is left at its ends.
_WIDTH, _BAR, _EDGE = 900, 18, 4


def version_document(
    entry: FeatureVersion, shapes: Geometries, layer: LayerDefinition, home: str
) -> dict[str, Any]:
    """Return a version as a document.

    Args:
        entry: The version.
        shapes: Its geometry and that of the version before.
        layer: The layer.
        home: Address of the landing page.
    """
    before = None if entry.previous is None else shapes.get(entry.previous)
    measures = {}
    if entry.geometry_changed:
        measures = geometry_change(before, shapes.get(entry.version), layer)
    return {
        "version": entry.version,
        "valid": [_time(entry.valid_from), _time(entry.valid_to)],
        "recorded": [_time(entry.recorded_from), _time(entry.recorded_to)],
        "held": entry.recorded_to is None,
        "change": entry.change,
        "previous": entry.previous,
        "changes": {
            name: {"before": old, "after": new} for name, (old, new) in entry.fields.items()
        },
        "geometryChanged": entry.geometry_changed,
        "geometryChange": measures,
        "recordedBy": _recorder(entry.recorded_by, home),
        "endedBy": _recorder(entry.ended_by, home),
        "replacedBy": _recorder(entry.replaced_by, home),
        "load": {
            "id": entry.load.load_id,
            "href": f"{home}/loads/{entry.load.load_id}",
            "source": entry.load.source,
            "row": entry.source_row,
            "operator": entry.load.operator,
        },
        "properties": dict(entry.properties),
    }


def version_feature(
    document: Mapping[str, Any], feature_id: int, wkb: bytes | None
) -> dict[str, Any]:
    """Return a version's document as a GeoJSON feature.

    What a GIS shows of a feature are its properties: there stand, beside the fields, the times, the
    kind of change and who recorded it, unless the layer has a field of that name.
    """
    rest = {name: value for name, value in document.items() if name != "properties"}
    by = document["recordedBy"] or {}
    told = {
        "version": document["version"],
        "valid_from": document["valid"][0],
        "valid_to": document["valid"][1],
        "recorded_from": document["recorded"][0],
        "recorded_to": document["recorded"][1],
        "change": document["change"],
        "operator": by.get("operator"),
        "reason": by.get("reason"),
    }
    geometry = None
    if wkb is not None:
        geometry = orjson.Fragment(shapely.to_geojson(shapely.from_wkb(wkb)))
    return {
        "type": "Feature",
        "id": f"{feature_id}.{document['version']}",
        "geometry": geometry,
        "properties": told | document["properties"],
        **rest,
    }


def history_page(
    layer: LayerDefinition,
    versions: Sequence[Mapping[str, Any]],
    kin: Mapping[str, Sequence[Kin]],
    home: str,
    following: str | None,
) -> str:
    """Return the body of the page: a time line, a table of the versions, and the kin."""
    head = ["版本 / version", "有效 / valid", "记录 / recorded", "变化 / change",
            "操作员 / operator", "原因 / reason", "入库 / load"]  # fmt: skip
    body = _time_line(versions) + html.table(head, [_row(one, layer, home) for one in versions])
    if following is not None:
        body += f"<p>{html.anchor(following, '后续版本 / next versions')}</p>"
    for title, name in (("来自 / came from", "ancestors"), ("变为 / became", "descendants")):
        if kin[name]:
            here = f"{home}/collections/{layer.name}/items"
            rows = [
                [
                    html.anchor(f"{here}/{one.feature_id}/versions?f=html", str(one.feature_id)),
                    escape(_KIN.get(one.kind, one.kind)),
                    "" if one.share is None else f"{one.share:.1%}",
                    escape(_day(_time(one.valid_from))),
                ]
                for one in kin[name]
            ]
            body += f"<h2>{title}</h2>" + html.table(["id", "", "", "自 / since"], rows)
    return body


def _row(entry: Mapping[str, Any], layer: LayerDefinition, home: str) -> list[str]:
    by = entry["recordedBy"] or {}
    number = by.get("load")
    report = "" if number is None else html.anchor(f"{home}/loads/{number}/report?f=html",
                                                   f"{number}")  # fmt: skip
    kind = _KINDS.get(str(by.get("kind")), "")
    mark = "" if entry["held"] else "（已被取代 / replaced）"
    return [
        escape(f"{entry['version']}{mark}"),
        escape(_span(entry["valid"])),
        escape(_span(entry["recorded"])),
        _changed(entry, layer),
        escape(str(by.get("operator") or entry["load"]["operator"])),
        escape(str(by.get("reason") or "")),
        f"{report} {escape(kind)}",
    ]


def _changed(entry: Mapping[str, Any], layer: LayerDefinition) -> str:
    told = [f"<b>{escape(_CHANGES[entry['change']])}</b>"]
    for name, values in entry["changes"].items():
        title = layer.field(name).title
        shown = [("∅" if value is None else str(value))[:120] for value in values.values()]
        told.append(escape(f"{title.zh} / {title.en}: {shown[0]} → {shown[1]}"))
    if entry["geometryChanged"]:
        measures = ", ".join(
            f"{_MEASURES[name]} {value:,.2f}" for name, value in entry["geometryChange"].items()
        )
        told.append(escape(f"几何 / geometry: {measures}".rstrip(": ")))
    if entry["endedBy"] is not None:
        by = entry["endedBy"]
        told.append(escape(f"终止 / ended: {by['operator']} {by['reason'] or ''}".strip()))
    return "<br>".join(told)


def _time_line(versions: Sequence[Mapping[str, Any]]) -> str:
    """Draw when each version held: a bar each, those replaced since hollow."""
    if not versions:
        return ""
    starts = [datetime.fromisoformat(one["valid"][0]) for one in versions]
    ends = [one["valid"][1] and datetime.fromisoformat(one["valid"][1]) for one in versions]
    recorded = [datetime.fromisoformat(one["recorded"][0]) for one in versions]
    low = min(starts)
    high = max([*(end for end in ends if end), *starts, *recorded])
    seconds = max((high - low).total_seconds(), 1.0) * 1.05
    bars = []
    for place, (one, start, end) in enumerate(zip(versions, starts, ends, strict=True)):
        left = (start - low).total_seconds() / seconds * _WIDTH
        right = _WIDTH if end is None else (end - low).total_seconds() / seconds * _WIDTH
        look = "" if one["held"] else ' fill-opacity="0.15" stroke="currentColor"'
        top = place * (_BAR + _EDGE)
        bars.append(
            f'<rect x="{left:.1f}" y="{top}" width="{max(right - left, 3):.1f}" height="{_BAR}" '
            f'rx="3" fill="#1f6f8b"{look}><title>{escape(str(one["version"]))}: '
            f"{escape(_span(one['valid']))}</title></rect>"
            f'<text x="{min(left + 5, _WIDTH - 20):.1f}" y="{top + 13}" font-size="11" '
            f'fill="{"#fff" if one["held"] else "currentColor"}">{one["version"]}</text>'
        )
    height = len(versions) * (_BAR + _EDGE)
    ticks = (
        f'<text x="0" y="{height + 12}" font-size="11" fill="currentColor">'
        f"{escape(_day(_time(low)))}</text>"
        f'<text x="{_WIDTH}" y="{height + 12}" font-size="11" text-anchor="end" '
        f'fill="currentColor">{escape(_day(_time(high)))} →</text>'
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height + 16}" width="100%" role="img" '
        f'aria-label="时间轴 / time line">{"".join(bars)}{ticks}</svg>'
    )


def _recorder(by: Recorder | None, home: str) -> dict[str, Any] | None:
    if by is None:
        return None
    return {
        "load": by.load_id,
        "href": f"{home}/loads/{by.load_id}",
        "kind": by.kind,
        "source": by.source,
        "operator": by.operator,
        "reason": by.reason,
        "recorded": _time(by.recorded_at),
    }


def _span(interval: Sequence[str | None]) -> str:
    start, end = (None if moment is None else moment[:16].replace("T", " ") for moment in interval)
    trimmed = [part and part.removesuffix(" 00:00") for part in (start, end)]
    return f"{trimmed[0]} – {trimmed[1] or ''}".strip()


def _day(moment: str | None) -> str:
    return "" if moment is None else moment[:10]


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).astimezone(BEIJING).isoformat()
