"""Records as pages: a form to search with, what was found, and one record."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from api.html import anchor, any_value, page
from api.links import Link
from api.record_documents import CATALOGUE, DESCRIPTION, TITLE
from api.record_request import RecordRequest
from api.records import OPEN_NAMES, THEME_NAMES, TYPE_NAMES, Record, both, rights
from gis.times import BEIJING
from layers.definition import Bilingual

_STYLE = """<style>
article { border-top: 1px solid #d9d5ca; padding: .7rem 0; }
article h2 { margin: 0 0 .2rem; font-size: 1.02rem; }
article p { margin: .15rem 0; } article small { color: #7a858c; }
span.tag { border: 1px solid currentColor; border-radius: 3px; padding: 0 .35rem; font-size: .78rem;
  margin-right: .4rem; color: #1f6f8b; }
nav.pages { margin: 1rem 0; display: flex; gap: 1.5rem; }
@media (prefers-color-scheme: dark) { span.tag { color: #7cc4dd; }
  article { border-color: #2d3a44; } }
</style>"""
_LINES = {"next": "下一页 / Next", "prev": "上一页 / Previous"}


def search_page(
    wanted: RecordRequest, records: Sequence[Record], matched: int, links: list[Link], home: str
) -> bytes:
    """Return the page with the form and what was found.

    Args:
        wanted: What was asked for.
        records: The records of this page.
        matched: How many there are.
        links: The document's links.
        home: Address of the landing page.
    """
    address = f"{home}/collections/{CATALOGUE}/items"
    found = "".join(_entry(record, address) for record in records)
    if not records:
        found = "<p>没有符合条件的记录。 / No record fits.</p>"
    first, last = wanted.offset + 1, wanted.offset + len(records)
    shown = f"（{first}–{last}）" if records else ""
    turns = " ".join(
        anchor(str(entry["href"]), _LINES[str(entry["rel"])])
        for entry in links
        if entry["rel"] in _LINES
    )
    body = (
        f"{_STYLE}{_form(wanted.parameters, address)}"
        f"<p>共 {matched} 条 / {matched} records {escape(shown)}</p>{found}"
        f'<nav class="pages">{turns}</nav>'
    )
    return page(TITLE, body, lead=DESCRIPTION, home=home)


def record_page(record: Record, document: dict[str, Any], home: str) -> bytes:
    """Return the page of one record."""
    shown = {
        "类型 / Type": both(TYPE_NAMES[record.type]),
        "主题 / Theme": both(THEME_NAMES[record.theme]) if record.theme else None,
        "时间 / Time": _when(record),
        "开放 / Opening": rights(record),
        "单位 / Provider": both(record.contact) if record.contact else None,
        "范围 / Extent": ", ".join(f"{edge:.4f}" for edge in record.bbox) if record.bbox else None,
        "关键词 / Keywords": ", ".join(record.keywords),
        "更新 / Updated": document["properties"].get("updated"),
        "外部编号 / External ids": ", ".join(f"{a}:{b}" for a, b in record.external_ids),
        **{_MORE.get(name, name): _shown(value) for name, value in record.more.items()},
        "链接 / Links": document["links"],
    }
    body = any_value({name: value for name, value in shown.items() if value})
    lead = f"{record.abstract.zh}\n{record.abstract.en}"
    return page(both(record.title), body, lead=lead, home=home)


_MORE = {
    "layer": "图层 / Layer",
    "layers": "图层 / Layers",
    "featureCount": "要素数 / Features",
    "updateCycle": "更新周期 / Update cycle",
    "load": "入库编号 / Load",
    "source": "来源 / Source",
    "full": "全面测绘 / Full survey",
    "reverted": "已撤销 / Taken back",
    "counts": "行数 / Rows",
    "sceneCount": "景数 / Scenes",
}
_COUNTS = {
    "added": "新增 / added",
    "changed": "变更 / changed",
    "unchanged": "未变 / unchanged",
    "closed": "注销 / closed",
    "quarantined": "退回 / refused",
}


def _shown(value: Any) -> Any:
    if isinstance(value, bool):
        return "是 / yes" if value else "否 / no"
    if isinstance(value, dict):
        return {_COUNTS.get(name, name): part for name, part in value.items()}
    return value


def _entry(record: Record, address: str) -> str:
    tags = [both(TYPE_NAMES[record.type])]
    if record.theme is not None:
        tags.append(both(THEME_NAMES[record.theme]))
    if record.open is not None:
        tags.append(both(OPEN_NAMES[record.open]))
    marks = "".join(f'<span class="tag">{escape(tag)}</span>' for tag in tags)
    said = (both(record.contact) if record.contact else None, _when(record))
    details = " · ".join(part for part in said if part)
    return (
        f"<article><h2>{anchor(f'{address}/{record.id}?f=html', both(record.title))}</h2>"
        f"<p>{escape(record.abstract.zh)}<br>{escape(record.abstract.en)}</p>"
        f"<p>{marks}<small>{escape(details)}</small></p></article>"
    )


def _when(record: Record) -> str | None:
    if record.start is None:
        return None
    start = record.start.astimezone(BEIJING).date().isoformat()
    if record.end is None:
        return f"{start} –"
    end = record.end.astimezone(BEIJING).date().isoformat()
    return start if start == end else f"{start} – {end}"


def _form(parameters: Mapping[str, str], address: str) -> str:
    kept = "".join(
        f'<input type="hidden" name="{name}" value="{escape(parameters[name])}">'
        for name in ("limit", "sortby")
        if name in parameters
    )
    return (
        f'<form class="bar" action="{escape(address)}" method="get">'
        '<input type="hidden" name="f" value="html">'
        f"{kept}{_field('q', '词语 / Words', parameters, 'wide')}"
        f"{_choice('type', '类型 / Type', TYPE_NAMES, parameters)}"
        f"{_choice('theme', '主题 / Theme', THEME_NAMES, parameters)}"
        f"{_choice('open', '开放级别 / Opening', OPEN_NAMES, parameters)}"
        f"{_field('place', '地点 / Place', parameters)}"
        f"{_field('datetime', '时间 / Time', parameters)}"
        f"{_field('bbox', '范围 / Box', parameters)}"
        "<button>查找 / Search</button></form>"
    )


_HINTS = {"place": "咸安区", "datetime": "2014-01-01/2016-12-31", "bbox": "114.2,29.8,114.4,29.9"}


def _field(name: str, title: str, parameters: Mapping[str, str], kind: str = "") -> str:
    value = escape(parameters.get(name, ""))
    hint = _HINTS.get(name, "")
    return (
        f'<label class="{kind}">{escape(title)}'
        f'<input name="{name}" value="{value}" placeholder="{hint}"></label>'
    )


def _choice(
    name: str, title: str, options: Mapping[Any, Bilingual], parameters: Mapping[str, str]
) -> str:
    chosen = parameters.get(name, "")
    entries = "".join(
        f'<option value="{key.value}"{" selected" if key.value == chosen else ""}>'
        f"{escape(both(text))}</option>"
        for key, text in options.items()
    )
    return (
        f'<label>{escape(title)}<select name="{name}"><option value="">—</option>'
        f"{entries}</select></label>"
    )
