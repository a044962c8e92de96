"""A page of features for people: what they ask in a form, and what they get in a table.

It works without scripts: the form's inputs are the parameters of the same address.
"""

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

from api.export_registry import export_formats
from api.feature_format import FeaturePageDocument
from api.html import anchor, element
from api.links import with_query
from gis.times import BEIJING
from layers.access import access_class
from layers.definition import FieldDefinition, FieldType, LayerDefinition
from layers.feature_counts import FeatureCount
from layers.feature_query import FeatureQuery
from layers.feature_rows import FeatureRow

#: A page shows this many characters of a long text.
_LONGEST_CELL = 120
_LIMITS = (10, 20, 50, 100, 500, 1000)
_FORM = "ask"
_NUMERIC = (FieldType.INTEGER, FieldType.NUMBER)
#: What the inputs of the form say; other parameters go along unseen.
_ASKED = frozenset({"filter", "datetime", "asOf", "limit"})
_EXAMPLES: Mapping[FieldType, str] = {
    FieldType.TEXT: "{} LIKE '%…%'",
    FieldType.INTEGER: "{} >= 1",
    FieldType.NUMBER: "{} > 100",
    FieldType.BOOLEAN: "{} = TRUE",
    FieldType.DATE: "{} > DATE('2014-01-01')",
    FieldType.DATETIME: "{} > DATE('2014-01-01')",
}


def features_body(document: FeaturePageDocument) -> str:
    """Return the form, the pager and the table of a page of features as HTML."""
    address = f"{document.home}/collections/{document.layer.name}/items"
    names = _columns(document.query)
    pager = _pager(document)
    form = _form(document, address, names) + _hint(document.layer, names)
    below = pager + _exports(document, address) if document.features else ""
    return form + pager + _table(document, address, names) + below


def field_title(layer: LayerDefinition, name: str) -> str:
    """Return a field's name in both languages, with its unit."""
    field = layer.field(name)
    unit = f" ({field.unit})" if field.unit else ""
    return f"{field.title.zh} / {field.title.en}{unit}"


def cell(value: Any) -> str:
    """Return a value as HTML."""
    text = "" if value is None else str(value)
    return escape(text if len(text) <= _LONGEST_CELL else text[:_LONGEST_CELL] + "…")


def day(moment: datetime | None) -> str:
    """Return the date (Beijing) of a moment."""
    return "" if moment is None else moment.astimezone(BEIJING).date().isoformat()


def _columns(query: FeatureQuery) -> tuple[str, ...]:
    if query.fields is not None:
        return query.fields
    return access_class(query.layer, query.viewer).fields


def _form(document: FeaturePageDocument, address: str, names: tuple[str, ...]) -> str:
    asked = document.parameters
    kept = {
        name: text
        for name, text in asked.items()
        if name not in (*_ASKED, "cursor", "f") and name not in names
    }
    hidden = "".join(
        element("input", type="hidden", name=name, value=text)
        for name, text in {"f": "html", **kept}.items()
    )
    limits = "".join(
        element("option", str(number), selected=number == document.query.limit)
        for number in sorted({*_LIMITS, document.query.limit})
    )
    inputs = (
        _input("筛选 / Filter (CQL2)", "filter", asked, wide=True)
        + _input("何时 / Date", "datetime", asked, placeholder="2014-05-01")
        + _input("当时所知 / As known on", "asOf", asked, placeholder="2014-05-01")
        + element("label", "每页 / Per page" + element("select", limits, name="limit"))
        + element("button", "查询 / Search")
        + anchor(f"{address}?f=html", "清除 / Clear")
    )
    return element("form", hidden + inputs, id=_FORM, class_="bar", action=address)


def _input(
    label: str, name: str, asked: dict[str, str], *, wide: bool = False, placeholder: str = ""
) -> str:
    box = element("input", name=name, value=asked.get(name, ""), placeholder=placeholder)
    return element("label", escape(label) + box, class_="wide" if wide else None)


def _hint(layer: LayerDefinition, names: tuple[str, ...]) -> str:
    """Return examples of filters, one a type of field."""
    found: dict[FieldType, str] = {}
    for name in names:
        kind = layer.field(name).type
        found.setdefault(kind, _EXAMPLES[kind].format(name))
    examples = " · ".join(element("code", escape(text)) for text in list(found.values())[:4])
    text = f"例如 / such as {examples} · 列下的框为相等条件 / the boxes of the columns: equal to"
    return element("p", text, class_="hint") if examples else ""


def _pager(document: FeaturePageDocument) -> str:
    count = f"{len(document.features):,}" + _of(document.matched) + " 要素 / features"
    buttons = "".join(
        _button(document, rel, text)
        for rel, text in (("prev", "← 上一页 / Previous"), ("next", "下一页 / Next →"))
    )
    return element("div", element("span", count, class_="count") + buttons, class_="bar")


def _exports(document: FeaturePageDocument, address: str) -> str:
    """Return links to all that match, as files."""
    kept = {
        name: text
        for name, text in document.parameters.items()
        if name not in ("cursor", "limit", "f")
    }
    files = " · ".join(
        anchor(with_query(address, {**kept, "f": entry.name}), entry.name)
        for entry in export_formats()
    )
    return element("p", f"全部结果为文件 / All that match as a file: {files}")


def _of(matched: FeatureCount | None) -> str:
    if matched is None:
        return ""
    return f" / {'' if matched.is_exact else '≈ '}{matched.number:,}"


def _button(document: FeaturePageDocument, rel: str, text: str) -> str:
    for entry in document.links:
        if entry["rel"] == rel:
            return element("a", text, class_="button", rel=rel, href=entry["href"])
    return element("span", text, class_="button off")


def _table(document: FeaturePageDocument, address: str, names: tuple[str, ...]) -> str:
    layer = document.layer
    heads = [element("th", "id")]
    boxes = [element("th")]
    for name in names:
        field = layer.field(name)
        heads.append(element("th", _sorter(document, address, field), class_=_class(field)))
        box = element(
            "input",
            name=name,
            form=_FORM,
            value=document.parameters.get(name, ""),
            placeholder="=",
            aria_label=field_title(layer, name),
        )
        boxes.append(element("th", box))
    heads += [element("th", _two("自", "since")), element("th", _two("至", "until"))]
    boxes += [element("th")] * 2
    head = element("thead", element("tr", "".join(heads)) + element("tr", "".join(boxes)))
    rows = "".join(_row(layer, row, names, address) for row in document.rows())
    return element("div", element("table", head + element("tbody", rows)), class_="scroll")


def _row(layer: LayerDefinition, row: FeatureRow, names: tuple[str, ...], address: str) -> str:
    cells = [element("td", anchor(f"{address}/{row.id}?f=html", str(row.id)))]
    for name in names:
        cells.append(element("td", cell(row.properties[name]), class_=_class(layer.field(name))))
    cells += [element("td", day(row.valid_from)), element("td", day(row.valid_to))]
    return element("tr", "".join(cells))


def _class(field: FieldDefinition) -> str | None:
    return "number" if field.type in _NUMERIC else None


def _two(zh: str, en: str) -> str:
    return escape(zh) + element("span", escape(en), class_="sub")


def _sorter(document: FeaturePageDocument, address: str, field: FieldDefinition) -> str:
    """Return a column's title, which sorts by it: upwards, downwards, and no more."""
    now = document.parameters.get("sortby", "").strip()
    name = field.name
    following = {name: f"-{name}", f"+{name}": f"-{name}", f"-{name}": None}.get(now, name)
    sign = {name: " ↑", f"+{name}": " ↑", f"-{name}": " ↓"}.get(now, "")
    kept = {
        key: text for key, text in document.parameters.items() if key not in ("cursor", "sortby")
    }
    parameters = {"f": "html", **kept} | ({} if following is None else {"sortby": following})
    unit = f" ({field.unit})" if field.unit else ""
    title = escape(field.title.zh + sign) + element(
        "span", escape(field.title.en + unit), class_="sub"
    )
    return element("a", title, href=with_query(address, parameters), title=name)
