"""Features as pages, for people."""

from datetime import datetime
from html import escape
from typing import Any

from api import html
from api.feature_format import FeatureDocument, FeatureFormat, FeaturePageDocument
from api.links import Link
from api.negotiation import HTML, Representation
from gis.times import BEIJING
from layers.definition import LayerDefinition
from layers.feature_counts import FeatureCount
from layers.reading import FeatureRow

#: A page shows this many characters of a long text.
_LONGEST_CELL = 120


class Pages:
    """A table of features, or all that is known of one."""

    name: str = "html"
    rank: int = 1
    representation: Representation = HTML

    def page(self, document: FeaturePageDocument) -> bytes:
        """Write a table of features, with links to each and to the next page."""
        layer = document.layer
        names = list(document.features[0].properties) if document.features else []
        head = ["id", *(_title(layer, name) for name in names), "自 / since", "至 / until"]
        address = f"{document.home}/collections/{layer.name}/items"
        rows = [_row(row, names, address) for row in document.features]
        count = f"{len(rows)}" + _of(document.matched)
        body = f"<p>{escape(count)} 要素 / features</p>{html.table(head, rows)}"
        return html.page(
            f"{layer.title.zh} / {layer.title.en}",
            body + _links(document.links),
            home=document.home,
        )

    def feature(self, document: FeatureDocument) -> bytes:
        """Write all fields of one feature."""
        layer, row = document.layer, document.feature
        rows = [
            [escape(_title(layer, name)), escape(name), _cell(value)]
            for name, value in row.properties.items()
        ]
        rows.append(["自 / since", "", escape(_date(row.valid_from))])
        rows.append(["至 / until", "", escape(_date(row.valid_to))])
        table = html.table(["字段 / field", "", "值 / value"], rows)
        title = f"{layer.title.zh} / {layer.title.en} {row.id}"
        return html.page(title, table + _links(document.links), home=document.home)


def _of(matched: FeatureCount | None) -> str:
    if matched is None:
        return ""
    return f" / {'' if matched.is_exact else '≈ '}{matched.number:,}"


def _title(layer: LayerDefinition, name: str) -> str:
    field = layer.field(name)
    unit = f" ({field.unit})" if field.unit else ""
    return f"{field.title.zh} / {field.title.en}{unit}"


def _row(row: FeatureRow, names: list[str], address: str) -> list[str]:
    return [
        html.anchor(f"{address}/{row.id}", str(row.id)),
        *(_cell(row.properties[name]) for name in names),
        escape(_date(row.valid_from)),
        escape(_date(row.valid_to)),
    ]


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return escape(text if len(text) <= _LONGEST_CELL else text[:_LONGEST_CELL] + "…")


def _date(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(BEIJING).date().isoformat()


def _links(links: list[Link]) -> str:
    items = "".join(f"<li>{html.any_value(entry)}</li>" for entry in links)
    return f"<h2>链接 / Links</h2><ul>{items}</ul>"


FORMAT: FeatureFormat = Pages()
