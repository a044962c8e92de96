"""Changes of a layer between two dates as documents: GeoJSON features, and a page."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import orjson
import shapely

from api import html
from api.links import Link
from layers.change_features import KINDS, ChangedFeature
from layers.definition import LayerDefinition
from layers.geometry_changes import geometry_change

_TITLES = {
    "added": "新增 / added",
    "changed": "变更 / changed",
    "removed": "消失 / removed",
}
_LONGEST = 120


def change_feature(change: ChangedFeature, layer: LayerDefinition) -> dict[str, Any]:
    """Return what became of a feature as a GeoJSON feature.

    The kind of change stands among the properties, too, where a GIS shows it, unless the layer has
    a field of that name.
    """
    wkb = change.before if change.after is None else change.after
    geometry = None
    if wkb is not None:
        geometry = orjson.Fragment(shapely.to_geojson(shapely.from_wkb(wkb)))
    return {
        "type": "Feature",
        "id": change.feature_id,
        "geometry": geometry,
        "properties": {"change": change.kind, **change.properties},
        "change": change.kind,
        "changes": {
            name: {"before": old, "after": new} for name, (old, new) in change.fields.items()
        },
        "geometryChanged": change.moved,
        "geometryChange": geometry_change(change.before, change.after, layer)
        if change.moved
        else {},
    }


def changes_page_body(
    layer: LayerDefinition,
    features: Sequence[Mapping[str, Any]],
    counts: Mapping[str, int] | None,
    home: str,
    links: Sequence[Link],
) -> str:
    """Return the body of the page: how many, and a table of them."""
    body = ""
    if counts is not None:
        shown = " · ".join(f"{_TITLES[kind]}: <b>{counts[kind]:,}</b>" for kind in KINDS)
        body = f"<p>{shown}</p>"
    here = f"{home}/collections/{layer.name}/items"
    rows = [
        [
            html.anchor(f"{here}/{one['id']}/versions?f=html", str(one["id"])),
            escape(", ".join(str(one["properties"].get(name)) for name in layer.key)),
            escape(_TITLES[one["change"]]),
            _values(one, layer),
        ]
        for one in features
    ]
    head = ["id", "主键 / key", "变化 / change", "前 → 后 / before → after"]
    body += html.table(head, rows)
    for entry in links:
        if entry["rel"] == "next":
            body += f"<p>{html.anchor(str(entry['href']), '下一页 / next page')}</p>"
    return body


def _values(feature: Mapping[str, Any], layer: LayerDefinition) -> str:
    told = []
    for name, values in feature["changes"].items():
        title = layer.field(name).title
        before, after = (
            ("∅" if value is None else str(value))[:_LONGEST] for value in values.values()
        )
        told.append(escape(f"{title.zh} / {title.en}: {before} → {after}"))
    if feature["geometryChanged"]:
        sizes = ", ".join(
            f"{name} {value:,.2f}" for name, value in feature["geometryChange"].items()
        )
        told.append(escape(f"几何 / geometry: {sizes}".rstrip(": ")))
    return "<br>".join(told)
