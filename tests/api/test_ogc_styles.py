"""Styles of maps and layers in every encoding, and their legends."""

from xml.etree import ElementTree as XmlTree

import httpx
import pytest

from tests.api.test_documents import get
from tests.api.town import COLUMNS, ROWS, SOUTH, STEP, WEST

MAPBOX = "application/vnd.mapbox.style+json"
SLD = "application/vnd.ogc.sld+xml"


def test_all_styles_are_listed_with_their_encodings(client: httpx.Client) -> None:
    body = get(client, "/api/styles")
    assert body["default"] == "town"
    ids = [entry["id"] for entry in body["styles"]]
    assert ids[0] == "town"
    assert {"layer.plot", "layer.lane"} <= set(ids)
    assert "layer.secret" not in ids
    for entry in body["styles"]:
        sheets = [link for link in entry["links"] if link["rel"] == "stylesheet"]
        assert [link["type"] for link in sheets] == [MAPBOX, f"{SLD};version=1.0",
                                                     f"{SLD};version=1.1"]  # fmt: skip
        for link in entry["links"]:
            answer = client.get(link["href"])
            assert answer.status_code == 200, link
            assert answer.headers["content-type"].partition("; charset")[0] == link["type"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (MAPBOX, MAPBOX),
        ("*/*", MAPBOX),
        (SLD, f"{SLD};version=1.1"),
        (f"{SLD};version=1.0", f"{SLD};version=1.0"),
        (f"{SLD};version=1.1, {SLD};version=1.0", f"{SLD};version=1.1"),
        ("text/html", "text/html"),
    ],
)
def test_encodings_are_negotiated(client: httpx.Client, accept: str, expected: str) -> None:
    for path in ("/api/styles/layer.plot", "/api/collections/plot/styles/layer.plot"):
        answer = client.get(path, headers={"accept": accept})
        assert answer.headers["content-type"].partition("; charset")[0] == expected


def test_a_layers_own_style_has_its_own_tiles(client: httpx.Client) -> None:
    style = get(client, "/api/collections/plot/styles/layer.plot?lang=zh")
    assert style["name"] == "地块"
    assert [entry["id"] for entry in style["layers"]] == ["plot.fill", "plot.outline"]
    template = style["sources"]["onemap"]["tiles"][0]
    assert style["sources"]["onemap"]["bounds"] == pytest.approx(
        [WEST, SOUTH, WEST + COLUMNS * STEP, SOUTH + ROWS * STEP]
    )
    address = template.format(z=14, x=13394, y=6767)
    assert client.get(address).status_code in (200, 204)
    town = get(client, "/api/styles/town")
    assert town["layers"][0]["type"] == "background"


def test_the_sld_of_a_map_has_a_layer_each(client: httpx.Client) -> None:
    answer = client.get("/api/styles/town?f=sld10")
    root = XmlTree.fromstring(answer.content)  # noqa: S314
    assert root.get("version") == "1.0.0"
    names = [entry.text for entry in root.findall("{*}NamedLayer/{*}Name")]
    assert names == ["plot", "lane", "lamp"]
    fills = [
        entry.text for entry in root.findall(".//{*}PolygonSymbolizer/{*}Fill/{*}CssParameter")
    ]
    assert "#f2e6a0" in fills
    assert "涉密" not in answer.text
    assert client.get("/api/styles/town?f=sld10", headers={
        "if-none-match": answer.headers["etag"]}).status_code == 304  # fmt: skip


def test_legends_name_the_signs(client: httpx.Client) -> None:
    body = get(client, "/api/styles/town/legend")
    assert [layer["name"] for layer in body["layers"]] == ["plot", "lane", "lamp"]
    assert body["layers"][0]["entries"][0]["color"] == "#f2e6a0"
    page = client.get("/api/styles/town?f=html")
    assert "<svg>" in page.text
    assert "#f2e6a0" in page.text
    icon = client.get("/sprites/icons/manhole.png")
    assert (icon.headers["content-type"], icon.content[:4]) == ("image/png", b"\x89PNG")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/styles/nothing", 404),
        ("/api/styles/layer.secret", 404),
        ("/api/styles/layer.secret/metadata", 404),
        ("/api/collections/secret/styles", 404),
        ("/api/collections/lane/styles/layer.plot", 404),
        ("/api/styles/town?f=qml", 400),
        ("/api/styles/town?lang=fr", 400),
        ("/api/styles?limit=1", 400),
        ("/sprites/icons/nothing.png", 404),
    ],
)
def test_bad_requests_are_problems(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
