"""Landing page, conformance, collections, schemas, maps, codes, OpenAPI and its page."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.collection_documents import queryables
from api.conformance import CONFORMANCE
from api.format_registry import feature_formats
from api.router_registry import all_routers, router_modules
from layers.access import ANONYMOUS, access_class
from layers.catalogue import load_catalogue
from tests.api.town import COLUMNS, ROWS, SOUTH, STEP, WEST

DOCUMENTS = [
    "/api",
    "/api/conformance",
    "/api/collections",
    "/api/functions",
    "/api/collections/plot",
    "/api/collections/catalogue",
    "/api/styles",
    "/api/styles/town/metadata",
    "/api/styles/layer.plot/legend",
    "/api/collections/plot/styles",
    "/api/tileMatrixSets",
    "/api/tileMatrixSets/WebMercatorQuad",
    "/api/tiles",
    "/api/tiles/WebMercatorQuad",
    "/api/maps/town/tiles",
    "/api/maps/town/tiles/WebMercatorQuad",
    "/api/collections/plot/tiles",
    "/api/collections/plot/tiles/WebMercatorQuad",
]


def get(client: httpx.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_routers_and_formats_found() -> None:
    assert router_modules() == (
        "archives",
        "catalogue",
        "changes",
        "codes",
        "collections",
        "editing",
        "functions",
        "health",
        "items",
        "landing",
        "lineage",
        "loads",
        "maps",
        "metrics",
        "ogc_styles",
        "ogc_tiles",
        "reports",
        "sprites",
        "stac",
        "styles",
        "tilejson",
        "versions",
        "web",
        "wfs",
        "wmts",
    )
    assert len(all_routers()) == len(router_modules())
    assert [entry.name for entry in feature_formats()] == ["geojson", "html"]


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_come_as_json_and_as_a_page_that_link_to_each_other(
    client: httpx.Client, path: str
) -> None:
    plain = get(client, path)
    rels = {entry["rel"]: entry for entry in plain["links"]}
    assert rels["self"]["type"] == "application/json"
    page = client.get(rels["alternate"]["href"])
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    again = client.get(path, headers={"accept": "text/html"})
    assert again.headers["content-type"].startswith("text/html")
    assert client.get(rels["self"]["href"]).headers["content-type"] == "application/json"


def test_every_link_of_the_documents_leads_somewhere(client: httpx.Client) -> None:
    seen: set[str] = set()
    for path in DOCUMENTS:
        for entry in get(client, path)["links"]:
            if entry.get("templated") or entry["href"] in seen:
                continue
            seen.add(entry["href"])
            answer = client.get(entry["href"])
            assert answer.status_code == 200, entry
            media_type = entry["type"].split(";")[0]
            if entry["rel"] != "service-desc":
                assert answer.headers["content-type"].split(";")[0] == media_type, entry
    assert len(seen) > 30


def test_conformance_is_declared(client: httpx.Client) -> None:
    assert get(client, "/api/conformance")["conformsTo"] == list(CONFORMANCE)


def test_collections_are_the_layers_that_the_viewer_may_know_of(client: httpx.Client) -> None:
    found = get(client, "/api/collections")["collections"]
    assert [entry["id"] for entry in found] == [
        "bare", "lamp", "lane", "plot", "catalogue"
    ]  # fmt: skip
    plot = found[3]
    assert plot["title"] == "地块 / Plots"
    west, south, east, north = plot["extent"]["spatial"]["bbox"][0]
    assert (west, south, east, north) == pytest.approx((114.30, 29.84, 114.34, 29.87))
    ((start, end),) = plot["extent"]["temporal"]["interval"]
    assert start == "2012-05-01T00:00:00+08:00"
    left = datetime.fromisoformat(end) - datetime.now(UTC)
    assert timedelta(0) <= left <= timedelta(days=1)
    assert plot["storageCrs"] in plot["crs"]
    assert "extent" not in found[0]


def test_queryables_are_the_visible_fields(client: httpx.Client) -> None:
    answer = client.get("/api/collections/plot/queryables")
    assert answer.headers["content-type"] == "application/schema+json"
    body = answer.json()
    assert list(body["properties"]) == ["code", "use", "area", "surveyed", "id", "geometry"]
    assert body["properties"]["geometry"]["format"] == "geometry-multipolygon"
    assert body["properties"]["area"] == {
        "title": "面积 / Area",
        "type": "number",
        "minimum": 0,
        "x-ogc-unit": "m2",
    }
    assert body["properties"]["use"]["x-ogc-codelistUri"].endswith("/api/codes/use")


def test_schemas_tell_id_geometry_and_types(client: httpx.Client) -> None:
    schema = get(client, "/api/collections/plot/schema")["properties"]
    assert schema["id"]["x-ogc-role"] == "id"
    assert schema["geometry"]["format"] == "geometry-multipolygon"
    assert schema["code"]["x-onemap-keyPart"] == 1
    feature = get(client, "/api/collections/lamp/feature-schema")["properties"]
    kinds = {name: part["type"] for name, part in feature["properties"]["properties"].items()}
    assert (kinds["lit"], kinds["number"], kinds["height"]) == ("boolean", "integer", "number")


def test_functions_tell_what_they_take_and_give(client: httpx.Client) -> None:
    found = {entry["name"]: entry for entry in get(client, "/api/functions")["functions"]}
    assert list(found) == [
        "area", "length", "perimeter", "distance", "centroid", "lower", "upper", "char_length",
        "split", "abs", "floor", "ceil", "round", "sqrt", "year", "month", "day",
    ]  # fmt: skip
    assert found["distance"]["arguments"] == [{"type": ["geometry"]}, {"type": ["geometry"]}]
    assert found["year"] == {
        "name": "year",
        "description": "年（北京时间） / Year, in Beijing",
        "arguments": [{"type": ["datetime"]}],
        "returns": ["number"],
    }


def test_a_code_list_has_names_parents_and_inherited_colours(client: httpx.Client) -> None:
    body = get(client, "/api/codes/use")
    assert (body["scheme"], body["edition"]) == ("TEST/USE", "2020")
    assert body["codes"][1] == {
        "code": "0101",
        "parent": "01",
        "name": {"zh": "水田", "en": "Paddy"},
        "color": "#f2e6a0",
    }


def test_maps_tell_a_front_end_what_to_show(client: httpx.Client) -> None:
    listed = get(client, "/api/maps")["maps"]
    assert [entry["name"] for entry in listed] == ["town"]
    body = get(client, "/api/maps/town")
    assert body["epochs"] == ["2012-05-01", "2019-05-01"]
    assert body["dataVersions"] == {"plot": 2, "bare": 0, "lane": 1, "lamp": 1}
    assert [group["id"] for group in body["groups"]] == ["ground", "things"]
    plot = body["groups"][0]["layers"][0]
    assert plot["styleLayers"] == ["plot.fill", "plot.outline"]
    assert [entry["color"] for entry in plot["legend"]] == ["#f2e6a0", "#e8a0a0"]
    assert [field["name"] for field in plot["fields"]] == ["code", "use", "area", "surveyed"]
    lane = body["groups"][1]["layers"][0]
    assert (lane["minZoom"], lane["label"]) == (11, {"zh": "name", "en": "name_en"})
    assert "secret" not in str(body)


def test_a_style_leads_to_its_tiles_and_sprites(client: httpx.Client) -> None:
    style = get(client, "/styles/town.json?lang=zh&datetime=2014-05-01")
    tilejson = get(client, style["sources"]["onemap"]["url"])
    assert tilejson["tiles"][0].endswith("/tiles/town/{z}/{x}/{y}?datetime=2014-05-01")
    names = {entry["id"] for entry in tilejson["vector_layers"]}
    assert {entry["source-layer"] for entry in style["layers"][1:]} <= names
    for ending in (".json", ".png", "@2x.json", "@2x.png"):
        assert client.get(style["sprite"] + ending).status_code == 200
    icons = get(client, style["sprite"] + ".json")
    assert set(style["layers"][4]["layout"]["icon-image"][3::2]) <= set(icons)


def test_tilejson_describes_zooms_bounds_and_fields(client: httpx.Client) -> None:
    body = get(client, "/tiles/town.json")
    assert body["tilejson"] == "3.0.0"
    assert (body["minzoom"], body["maxzoom"]) == (6, 16)
    # What there is to be seen, not what the map is meant for.
    assert body["bounds"] == pytest.approx(
        [WEST, SOUTH, WEST + COLUMNS * STEP, SOUTH + ROWS * STEP]
    )
    layers = {entry["id"]: entry for entry in body["vector_layers"]}
    assert list(layers) == ["plot", "bare", "lane", "lamp"]
    assert (layers["lane"]["minzoom"], layers["lane"]["maxzoom"]) == (11, 16)
    assert layers["plot"]["fields"] == {
        "code": "String: 编号 / Code",
        "use": "String: 用途 / Use",
    }


def test_tileset_metadata_has_limits_layers_and_a_template(client: httpx.Client) -> None:
    body = get(client, "/api/collections/plot/tiles/WebMercatorQuad")
    limits = {entry["tileMatrix"]: entry for entry in body["tileMatrixSetLimits"]}
    assert set(limits) == {str(z) for z in range(8, 19)}
    assert limits["12"] == {
        "tileMatrix": "12",
        "minTileRow": 1691,
        "maxTileRow": 1692,
        "minTileCol": 3348,
        "maxTileCol": 3348,
    }
    assert [layer["id"] for layer in body["layers"]] == ["plot"]
    (template,) = [entry for entry in body["links"] if entry.get("templated")]
    assert template["href"].endswith("/{tileMatrix}/{tileRow}/{tileCol}")


def test_a_document_that_did_not_change_is_not_sent_again(client: httpx.Client) -> None:
    for path in ("/api/maps/town", "/styles/town.json", "/tiles/town.json", "/api/collections"):
        etag = client.get(path).headers["etag"]
        assert client.get(path, headers={"if-none-match": etag}).status_code == 304


def test_the_documentation_page_needs_nobody_else_s_server(client: httpx.Client) -> None:
    page = client.get("/api/docs").text
    addresses = re.findall(r"(?:src|href|url)[=:]\s*[\"']([^\"']+)", page)
    assert len(addresses) >= 4
    for address in addresses:
        assert address.startswith(str(client.base_url)), address
        assert client.get(address).status_code == 200
    assert "://" not in re.sub(re.escape(str(client.base_url)), "", page)


def test_hidden_fields_stand_in_no_schema() -> None:
    for layer in load_catalogue().layers.values():
        access = access_class(layer, ANONYMOUS)
        shown = queryables(layer, access, "https://map.example/api")["properties"]
        assert tuple(shown) == (*access.fields, "id", "geometry")
