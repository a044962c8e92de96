"""Features as pages, for people."""

from html import escape

from api import html
from api.feature_format import FeatureDocument, FeatureFormat, FeaturePageDocument
from api.feature_table import cell, day, features_body, field_title
from api.links import Link
from api.negotiation import HTML, Representation

#: What stands above the table already.
_BUTTONS = ("next", "prev")


class Pages:
    """A table of features with a form above it, or all that is known of one."""

    name: str = "html"
    rank: int = 1
    representation: Representation = HTML
    takes_texts: bool = False

    def page(self, document: FeaturePageDocument) -> bytes:
        """Write a table of features, with links to each and to the pages beside it."""
        layer = document.layer
        return html.page(
            f"{layer.title.zh} / {layer.title.en}",
            features_body(document) + _links(document.links),
            home=document.home,
        )

    def feature(self, document: FeatureDocument) -> bytes:
        """Write all fields of one feature."""
        layer, row = document.layer, document.feature
        rows = [
            [escape(field_title(layer, name)), escape(name), cell(value)]
            for name, value in row.properties.items()
        ]
        rows.append(["自 / since", "", escape(day(row.valid_from))])
        rows.append(["至 / until", "", escape(day(row.valid_to))])
        table = html.table(["字段 / field", "", "值 / value"], rows)
        title = f"{layer.title.zh} / {layer.title.en} {row.id}"
        return html.page(title, table + _links(document.links), home=document.home)


def _links(links: list[Link]) -> str:
    items = "".join(
        f"<li>{html.any_value(entry)}</li>" for entry in links if entry["rel"] not in _BUTTONS
    )
    return f"<h2>链接 / Links</h2><ul>{items}</ul>"


FORMAT: FeatureFormat = Pages()
