"""Imagery scenes as a STAC API: documents, searches, pages, and what a bad one is told."""

from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest

from tests.api.town import SOUTH, WEST

GF_1 = "/stac/collections/imagery_scene.GF-1"


def get(client: httpx.Client, path: str, **parameters: str) -> dict[str, Any]:
    answer = client.get(path, params=parameters or None)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [entry["id"] for entry in body["features"]]


def test_a_client_finds_its_way_from_the_landing_page(scene_service: httpx.Client) -> None:
    root = get(scene_service, "/stac")
    assert (root["type"], root["stac_version"]) == ("Catalog", "1.0.0")
    assert "https://api.stacspec.org/v1.0.0/item-search" in root["conformsTo"]
    rels = [entry["rel"] for entry in root["links"]]
    assert rels.count("search") == 2
    assert rels.count("child") == 3
    for entry in root["links"]:
        if entry.get("method") != "POST":
            answer = scene_service.get(entry["href"])
            assert answer.status_code == 200, entry
            assert answer.headers["content-type"].split(";")[0] == entry["type"].split(";")[0]
    collections = get(scene_service, "/stac/collections")["collections"]
    assert [entry["id"] for entry in collections] == [
        "imagery_scene.GF-1", "imagery_scene.GF-2", "imagery_scene.unknown",
    ]  # fmt: skip
    first = collections[0]
    assert "高分一号" in first["title"]
    assert first["extent"]["temporal"]["interval"] == [
        ["2014-03-09T16:00:00Z", "2014-03-13T16:00:00Z"]
    ]
    assert first["extent"]["spatial"]["bbox"][0] == pytest.approx(
        [WEST, SOUTH, WEST + 0.05, SOUTH + 0.01]
    )
    assert first["summaries"]["gsd"] == {"minimum": 1.6, "maximum": 2.0}


def test_an_item_tells_what_is_known_and_links_to_no_pixels(scene_service: httpx.Client) -> None:
    item = get(scene_service, f"{GF_1}/items/{quote('S/2', safe='')}")
    assert (item["id"], item["collection"]) == ("S/2", "imagery_scene.GF-1")
    properties = item["properties"]
    assert properties["datetime"] == properties["start_datetime"] == "2014-03-11T16:00:00Z"
    assert properties["end_datetime"] == "2014-03-12T15:59:59Z"
    assert (properties["gsd"], properties["platform"]) == (1.8, "GF-1")
    assert (properties["eo:cloud_cover"], properties["view:off_nadir"]) == (2.0, 12.5)
    assert properties["eo:bands"][3] == {"name": "NIR", "common_name": "nir"}
    assert properties["proj:epsg"] == 4490
    assert len(item["stac_extensions"]) == 3
    assert properties["onemap:file"] == "2.tif"
    for asset in item["assets"].values():
        assert asset["roles"] == ["metadata"]
        answer = scene_service.get(asset["href"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == asset["type"]
    for entry in item["links"]:
        assert scene_service.get(entry["href"]).status_code == 200, entry


BOX = [WEST + 0.015, SOUTH, WEST + 0.018, SOUTH + 0.001]
TRIANGLE = {
    "type": "Polygon",
    "coordinates": [[[WEST + 0.041, SOUTH], [WEST + 0.049, SOUTH], [WEST + 0.045, SOUTH + 0.005],
                     [WEST + 0.041, SOUTH]]],
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["S/5", "S/4", "S/3", "S/2", "S/1", "S/0"]),
        ({"collections": ["imagery_scene.GF-2", "no.such"]}, ["S/3", "S/1"]),
        ({"collections": ["imagery_scene.unknown"]}, ["S/5"]),
        ({"collections": ["plot.GF-1"]}, []),
        ({"ids": ["S/0", "S/4", "none"]}, ["S/4", "S/0"]),
        ({"bbox": BOX}, ["S/1"]),
        ({"bbox": [*BOX[:2], 0, *BOX[2:], 100]}, ["S/1"]),
        ({"intersects": TRIANGLE}, ["S/4"]),
        ({"intersects": {"type": "GeometryCollection", "geometries": [
            TRIANGLE, {"type": "Point", "coordinates": [WEST + 0.005, SOUTH + 0.005]}]}},
         ["S/4", "S/0"]),
        ({"datetime": "2014-03-12T20:00:00+08:00"}, ["S/2"]),
        ({"datetime": "2014-03-13/.."}, ["S/5", "S/4", "S/3"]),
        ({"datetime": "../2014-03-11", "limit": None}, ["S/1", "S/0"]),
    ],
)  # fmt: skip
def test_searches_by_post_and_get(
    scene_service: httpx.Client, body: dict[str, Any], expected: list[str]
) -> None:
    posted = scene_service.post("/stac/search", json=body)
    assert posted.headers["content-type"] == "application/geo+json"
    assert ids(posted.json()) == expected
    assert posted.json()["numberMatched"] == len(expected)
    asked = {
        name: ",".join(map(str, value)) if isinstance(value, list)
        else orjson.dumps(value).decode() if isinstance(value, dict) else value
        for name, value in body.items() if value is not None
    }  # fmt: skip
    assert ids(get(scene_service, "/stac/search", **asked)) == expected


def test_pages_follow_each_other(scene_service: httpx.Client) -> None:
    found: list[str] = []
    address: str | None = "/stac/search?limit=4"
    while address is not None:
        body = get(scene_service, address)
        found += ids(body)
        address = next((part["href"] for part in body["links"] if part["rel"] == "next"), None)
    assert found == ["S/5", "S/4", "S/3", "S/2", "S/1", "S/0"]
    first = scene_service.post("/stac/search", json={"limit": 4}).json()
    following = next(part for part in first["links"] if part["rel"] == "next")
    assert following["merge"] is True
    second = scene_service.post(following["href"], json={"limit": 4, **following["body"]}).json()
    assert ids(second) == ["S/1", "S/0"]
    assert ids(get(scene_service, f"{GF_1}/items", limit="2")) == ["S/4", "S/2"]
    # As pystac-client asks, and what contradicts the address.
    both = f"{GF_1}/items?collections=imagery_scene.GF-1&limit=1"
    assert ids(get(scene_service, both)) == ["S/4"]
    assert ids(get(scene_service, f"{GF_1}/items?collections=imagery_scene.GF-2")) == []


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0}, {"limit": True}, {"limit": "5"}, {"bbox": [1, 2, 3]}, {"bbox": "1,2,3,4"},
        {"bbox": [1, "2", 3, 4]}, {"ids": "S/1"}, {"ids": ["\0"]}, {"collections": [1]},
        {"datetime": 2014}, {"datetime": "2014-13"}, {"token": "eA"}, {"token": 5},
        {"intersects": {"type": "Point"}}, {"intersects": 5},
        {"intersects": TRIANGLE, "bbox": BOX}, {"sortby": []},
    ],
)  # fmt: skip
def test_bad_searches_are_named(scene_service: httpx.Client, body: dict[str, Any]) -> None:
    answer = scene_service.post("/stac/search", json=body)
    assert answer.status_code == 400, answer.text
    assert next(iter(body)) in answer.json()["detail"]


def test_what_is_no_search_is_refused(scene_service: httpx.Client) -> None:
    json = {"content-type": "application/json"}
    assert scene_service.post("/stac/search", content=b"{", headers=json).status_code == 400
    assert scene_service.post("/stac/search", content=b"[]", headers=json).status_code == 400
    assert scene_service.post("/stac/search", content=b"{}").status_code == 415
    large = b'{"ids": ["' + b"x" * 1_000_001 + b'"]}'
    assert scene_service.post("/stac/search", content=large, headers=json).status_code == 413
    for path in ("/stac/collections/plot", f"{GF_1}/items/nothing", "/stac/collections/x/items"):
        assert scene_service.get(path).status_code == 404
    assert scene_service.get("/stac/search?fields=id").status_code == 400
    assert scene_service.get("/stac/search?token=aW1hZ2VyeV9zY2VuZXwyMDE0fDE").status_code == 400
