"""Where a feature came from: its versions, their loads, files and rows, and its ancestry."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

from api import html
from api.answers import document_answer
from api.dependencies import TheService, TheViewer
from api.feature_numbers import feature_number
from api.lineage_documents import lineage_document
from api.links import base_url, link
from api.load_reports import may_see_values
from api.openapi_parts import DOCUMENT
from layers.lineage_reading import read_lineage

router = APIRouter(prefix="/api/collections/{layer}/items", tags=["Features"])


@router.get("/{feature_id}/lineage", summary="Where a feature came from", openapi_extra=DOCUMENT)
async def lineage(
    request: Request, layer: str, feature_id: str, service: TheService, viewer: TheViewer
) -> Response:
    """Return every version with its load, file, row, operator and mapping, and the ancestry."""
    definition = service.layer(layer, viewer)
    number = feature_number(layer, feature_id)
    found = await read_lineage(service.reader, definition, viewer, number)
    home = f"{base_url(request)}/api"
    values = may_see_values(service.catalogue, viewer)
    document = lineage_document(found, home, definition.name, values=values)
    here = f"{home}/collections/{definition.name}"
    document["links"] = [
        link(f"{here}/items/{found.feature_id}", "up", "application/geo+json", "The feature"),
        link(here, "collection", "application/json", "The layer"),
    ]
    title = f"{definition.title.zh} / {definition.title.en} {found.feature_id}"
    return document_answer(request, f"{title}: 沿革 / lineage", document, _page(document, home))


def _page(document: dict[str, Any], home: str) -> str:
    head = ["版本 / version", "有效 / valid", "记录 / recorded", "入库 / load", "来源 / source",
            "行 / row", "操作员 / operator", "坐标系 / CRS", "修复 / repair"]  # fmt: skip
    rows = []
    for entry in document["versions"]:
        load = entry["load"]
        number = load["id"]
        source = load["source"] if entry["part"] is None else f"{load['source']}: {entry['part']}"
        rows.append(
            [
                str(entry["version"]),
                _span(entry["valid"]),
                _span(entry["recorded"]),
                html.anchor(f"{home}/loads/{number}/report?f=html", str(number)),
                escape(str(source)),
                str(entry["row"]),
                escape(str(load["operator"])),
                escape(str(load["crs"])),
                _repair(entry),
            ]
        )
    body = html.table(head, rows)
    for title, name in (("来自 / came from", "ancestors"), ("变为 / became", "descendants")):
        if document[name]:
            kin = [
                [
                    html.anchor(f"{one['href']}?f=html", str(one["feature"])),
                    escape(one["kind"]),
                    "" if one["share"] is None else f"{one['share']:.1%}",
                    escape(str(one["since"])[:10]),
                ]
                for one in document[name]
            ]
            body += f"<h2>{title}</h2>" + html.table(["id", "", "", "自 / since"], kin)
    return body


def _span(interval: list[str | None]) -> str:
    start, end = (None if moment is None else moment[:10] for moment in interval)
    return escape(f"{start} – {end or ''}")


def _repair(entry: dict[str, Any]) -> str:
    told = []
    if entry["geometryRepaired"]:
        told.append("几何 / geometry")
    if entry["repair"] is not None:
        told.append(f"退回后修复 / refused: {', '.join(entry['repair']['rules'])}")
    return escape("; ".join(told))
