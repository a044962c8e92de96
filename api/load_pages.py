"""Loads as pages, for people: a table of them, and one that follows a load while it runs."""

from html import escape
from typing import Any

import orjson

from api import html

_STATUS = {
    "queued": "排队 / queued",
    "running": "运行 / running",
    "done": "完成 / done",
    "failed": "失败 / failed",
    "cancelled": "已取消 / cancelled",
}
_STAGES = {
    "opening": "打开 / opening",
    "checking": "读取与检查 / reading and checking",
    "applying": "写入版本 / writing versions",
    "done": "完成 / done",
}
_FIELDS = {
    "status": "状态 / Status",
    "stage": "阶段 / Stage",
    "failure": "原因 / Reason",
    "layer": "图层 / Layer",
    "source": "来源 / Source",
    "operator": "操作员 / Operator",
    "validFrom": "生效时间 / Valid from",
    "attempts": "尝试次数 / Attempts",
    "ahead": "前面还有 / Ahead in line",
    "queued": "排队时间 / Queued",
    "started": "开始 / Started",
    "finished": "结束 / Finished",
    "nextAttempt": "下次尝试 / Next attempt",
    "crs": "坐标系 / Reference system",
    "dataVersion": "数据版本 / Data version",
    "checksum": "校验和 / Checksum",
}
_COUNTS = {
    "added": "新增 / added",
    "changed": "变更 / changed",
    "unchanged": "未变 / unchanged",
    "closed": "结束 / closed",
    "quarantined": "隔离 / in quarantine",
}
_STYLE = """<style>
.bar { height: .55rem; border-radius: .3rem; background: #e4e0d6; overflow: hidden;
  margin: 1rem 0 .4rem; }
.bar i { display: block; height: 100%; width: 0; background: #1f6f8b; transition: width .4s; }
.bar.done i { background: #3f7d4e; } .bar.failed i { background: #b3402e; }
.note { color: #7a858c; min-height: 1.5em; margin: 0 0 1rem; font-variant-numeric: tabular-nums; }
button { font: inherit; padding: .3rem .9rem; border: 1px solid #b9b4a6; border-radius: .3rem;
  background: none; color: inherit; cursor: pointer; margin-right: .5rem; }
button[hidden] { display: none; }
@media (prefers-color-scheme: dark) { .bar { background: #2d3a44; } }
</style>"""
#: The page's program. It writes text only, never HTML, whatever a record holds.
_SCRIPT = """
const at = (id) => document.getElementById(id);
const clock = (s) => Math.floor(s / 60) + ":" + String(Math.round(s % 60)).padStart(2, "0");
function show(load) {
  for (const name of Object.keys(names.fields)) {
    const cell = at("f-" + name);
    let value = load[name];
    if (name === "status") value = names.status[value] || value;
    if (name === "stage" && value) value = names.stages[value] || value;
    if (name === "ahead" && !value) value = null;
    cell.textContent = value ?? "";
    cell.previousElementSibling.hidden = cell.hidden = value === null || value === undefined;
  }
  const parts = [];
  if (load.counts) for (const [name, title] of Object.entries(names.counts))
    parts.push(load.counts[name].toLocaleString() + " " + title);
  else if (load.rows) {
    parts.push(load.rows.toLocaleString() +
      (load.total ? " / " + load.total.toLocaleString() : "") + " 行 / rows");
    if (load.rowsPerSecond) parts.push(Math.round(load.rowsPerSecond).toLocaleString() +
      " 行每秒 / rows/s");
    if (load.etaSeconds) parts.push("剩余 " + clock(load.etaSeconds) + " left");
  }
  at("note").textContent = parts.join(" · ");
  const read = load.total ? load.rows / load.total : 0;
  const share = load.status === "done" ? 1 : load.stage === "applying" ? 0.55 : 0.5 * read;
  at("bar").firstElementChild.style.width = (load.final && load.status !== "done" ? 100 :
    Math.round(100 * share)) + "%";
  at("bar").className = "bar " + load.status;
  for (const action of ["cancel", "retry", "revert"])
    at(action).hidden = !load.links.some((link) => link.rel === action);
  const report = load.links.find((link) => link.rel === "describedby");
  at("report").hidden = !report;
  if (report) at("report").firstElementChild.href = report.href;
}
async function act(action) {
  if (action === "revert" && !confirm(at("revert").textContent + "?")) return;
  const headers = {};
  const token = sessionStorage.getItem("onemap-token");
  if (token) headers.authorization = "Bearer " + token;
  const answer = await fetch(names.here + "/" + action, { method: "POST", headers });
  if (answer.status === 401) {
    const given = prompt("ONEMAP_API_TOKEN");
    if (given) { sessionStorage.setItem("onemap-token", given); return act(action); }
  }
  const made = answer.status === 201 && answer.headers.get("location");
  if (made) { location.href = made; return; }
  if (!answer.ok) { at("note").textContent = (await answer.json()).detail; return; }
  follow();
}
let events;
function follow() {
  if (events) events.close();
  events = new EventSource(names.here + "/events");
  const hear = (event) => show(JSON.parse(event.data));
  events.addEventListener("progress", hear);
  events.addEventListener("end", (event) => { hear(event); events.close(); });
}
for (const action of ["cancel", "retry", "revert"])
  at(action).addEventListener("click", () => act(action));
show(names.load);
if (!names.load.final) follow();
"""


def loads_page(documents: list[dict[str, Any]], next_page: str | None, home: str) -> bytes:
    """Return a table of loads, with links to each and to the next page."""
    head = ["", "状态 / status", "图层 / layer", "来源 / source", "操作员 / operator",
            "新增 / added", "变更 / changed", "隔离 / quarantine", "结束 / finished"]  # fmt: skip
    rows = []
    for load in documents:
        counts = load["counts"] or {}
        rows.append(
            [
                html.anchor(f"{home}/loads/{load['id']}", str(load["id"])),
                escape(_STATUS[load["status"]]),
                html.anchor(f"{home}/collections/{load['layer']}", load["layer"]),
                escape(load["source"]),
                escape(load["operator"]),
                *(escape(f"{counts[name]:,}" if name in counts else "") for name in
                  ("added", "changed", "quarantined")),
                escape(load["finished"] or ""),
            ]
        )  # fmt: skip
    body = html.table(head, rows)
    if next_page is not None:
        body += f"<p>{html.anchor(next_page, '更早 / earlier')}</p>"
    return html.page("入库 / Loads", body, home=home)


def load_page(document: dict[str, Any], home: str) -> bytes:
    """Return the page of one load; while the load runs, it follows it."""
    names = {
        "fields": _FIELDS,
        "status": _STATUS,
        "stages": _STAGES,
        "counts": _COUNTS,
        "here": f"{home}/loads/{document['id']}",
        "load": document,
    }
    # What is between the tags is no HTML: the one thing it must not hold is their end.
    data = orjson.dumps(names).decode().replace("<", "\\u003c")
    fields = "".join(
        f'<dt>{escape(title)}</dt><dd id="f-{name}"></dd>' for name, title in _FIELDS.items()
    )
    body = (
        f'{_STYLE}<div class="bar" id="bar"><i></i></div><p class="note" id="note"></p>'
        f"<dl>{fields}</dl>"
        '<p><button id="cancel" hidden>取消 / Cancel</button>'
        '<button id="retry" hidden>重试 / Try again</button>'
        '<button id="revert" hidden>撤回 / Take back</button></p>'
        '<p id="report" hidden><a>报告 / Report</a></p>'
        f"<p>{html.anchor(home + '/loads', '全部入库 / All loads')}</p>"
        f"<script>const names = {data};{_SCRIPT}</script>"
    )
    return html.page(f"入库 / Load {document['id']}", body, home=home)
