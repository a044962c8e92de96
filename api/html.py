"""Plain pages for people who open the API in a browser."""

from html import escape
from typing import Any

#: By this relation programs find the catalogue from any page (OGC 20-004r1, Autodiscovery).
_CATALOGUE = "http://www.opengis.net/def/rel/ogc/1.0/ogc-catalog"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.55 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
  max-width: 72rem; margin: 2rem auto; padding: 0 1.25rem; color: #23313b; background: #fbfaf7; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
a { color: #1f6f8b; text-decoration: none; } a:hover { text-decoration: underline; }
nav { font-size: .9rem; margin-bottom: 1.5rem; color: #7a858c; }
.bar { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; margin: 1rem 0; }
.bar label { display: grid; gap: .15rem; font-size: .82rem; color: #55636d; }
.bar label.wide { flex: 1 1 22rem; } .bar .count { flex: 1; align-self: center; }
input, select, button, .button { font: inherit; color: inherit; background: #fff;
  border: 1px solid #cfcabd; border-radius: 5px; padding: .25rem .5rem; box-sizing: border-box; }
.bar input, .bar select, .bar button, .bar .button { height: 2.1rem; }
label input { width: 100%; } th input { width: 100%; min-width: 5rem; font-size: .85rem; }
button, .button { cursor: pointer; } button { background: #1f6f8b; border-color: #1f6f8b;
  color: #fff; } .button.off { opacity: .4; cursor: default; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
th a { color: inherit; } th .sub { display: block; font-weight: 400; font-size: .8rem; }
tbody tr:hover { background: #f2efe6; }
code { font-size: .88em; background: #f0ede4; border-radius: 3px; padding: .05rem .3rem; }
p.hint { font-size: .85rem; color: #7a858c; margin: -.4rem 0 1rem; }
p.lead { color: #55636d; margin: 0 0 1rem; white-space: pre-line; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem .4rem 0;
  border-bottom: 1px solid #e4e0d6; white-space: nowrap; } th { color: #55636d; font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0; }
dt { color: #55636d; } dd { margin: 0; overflow-wrap: anywhere; } ul { padding-left: 1.1rem; }
@media (prefers-color-scheme: dark) {
  body { color: #dfe5e8; background: #16202a; } a { color: #7cc4dd; }
  input, select, .button { background: #1d2933; border-color: #3a4853; }
  tbody tr:hover { background: #1d2933; } code { background: #22303b; }
  .bar label { color: #a3b0b8; }
  th, td { border-color: #2d3a44; } th, dt, p.lead { color: #a3b0b8; } }
"""


def anchor(href: str, text: str) -> str:
    """Return a link; the address may be anything, only web addresses become one."""
    if not href.startswith(("http://", "https://", "/")):
        return escape(text)
    return f'<a href="{escape(href)}">{escape(text)}</a>'


def page(title: str, body: str, *, lead: str = "", home: str = "/api") -> bytes:
    """Return a whole page.

    Args:
        title: Plain text.
        body: HTML.
        lead: Plain text under the title.
        home: Address of the landing page.
    """
    lead_html = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return (
        '<!doctype html><html lang="zh"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Without this, browsers ask for an icon that is not there.
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<link rel="{_CATALOGUE}" type="application/geo+json" '
        f'href="{escape(home)}/collections/catalogue/items"></head><body>'
        f"<nav>{anchor(home, 'One Map API')} · {anchor(home + '/collections', '图层 / Layers')} · "
        f"{anchor(home + '/collections/catalogue/items?f=html', '目录 / Catalogue')} · "
        f"{anchor(home + '/docs', '文档 / Docs')}</nav>"
        f"<h1>{escape(title)}</h1>{lead_html}{body}</body></html>"
    ).encode()


def document(title: str, value: dict[str, Any], *, home: str = "/api") -> bytes:
    """Return any JSON document as a page."""
    lead = value.get("description")
    shown = {name: part for name, part in value.items() if name not in ("title", "description")}
    return page(title, any_value(shown), lead=str(lead or ""), home=home)


def any_value(value: Any) -> str:
    """Return a JSON value as HTML."""
    if isinstance(value, dict):
        if "href" in value:
            return anchor(str(value["href"]), str(value.get("title") or value["href"])) + escape(
                f" ({value.get('rel', '')})" if value.get("rel") else ""
            )
        rows = (
            f"<dt>{escape(name)}</dt><dd>{any_value(part)}</dd>" for name, part in value.items()
        )
        return f"<dl>{''.join(rows)}</dl>"
    if isinstance(value, list | tuple):
        if all(not isinstance(part, dict | list | tuple) for part in value):
            return ", ".join(any_value(part) for part in value)
        return f"<ul>{''.join(f'<li>{any_value(part)}</li>' for part in value)}</ul>"
    if value is None:
        return ""
    text = str(value)
    return anchor(text, text) if text.startswith(("http://", "https://")) else escape(text)


def element(tag: str, content: str = "", **attributes: str | bool | None) -> str:
    """Return an element.

    Args:
        tag: Its name.
        content: HTML.
        attributes: Plain text by name, a ``_`` at the end left out; ``True`` is one without a
            value, and ``None`` and ``False`` none at all.
    """
    told = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return f"<{tag}{told}>" if tag == "input" else f"<{tag}{told}>{content}</{tag}>"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table; ``head`` is plain text, the cells of ``rows`` are HTML."""
    cells = "".join(f"<th>{escape(text)}</th>" for text in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{cells}</tr>{body}</table></div>'
