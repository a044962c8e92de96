"""Filters, sorting, selection, counts and pages of features, as clients ask for them."""

import re
from html import unescape

import httpx
import orjson
import pytest

from tests.api.test_features import INSIDE, PLOTS, box, codes, links, page
from tests.api.town import COLUMNS, ROWS

LAMPS = "/api/collections/lamp/items"


def test_a_filter_selects_and_other_conditions_narrow_it(client: httpx.Client) -> None:
    text = "use = '0101' AND area > 40010.5"
    body = page(client, PLOTS, filter=text, limit=1)
    assert body["numberMatched"] == ROWS * 9
    as_json = orjson.dumps(
        {
            "op": "and",
            "args": [
                {"op": "=", "args": [{"property": "use"}, "0101"]},
                {"op": ">", "args": [{"property": "area"}, 40010.5]},
            ],
        }
    ).decode()
    same = page(client, PLOTS, filter=as_json, limit=1, **{"filter-lang": "cql2-json"})
    assert (same["numberMatched"], same["features"]) == (body["numberMatched"], body["features"])
    assert codes(page(client, PLOTS, filter="code LIKE 'P02%'", bbox=box(*INSIDE))) == {"P0203"}
    assert codes(page(client, PLOTS, filter="area < 40004", code="P0203")) == {"P0203"}
    assert page(client, PLOTS, filter="use = '01'", code="P0203")["features"] == []
    then = page(client, PLOTS, filter="use = '01'", code="P0203", datetime="2014-01-01")
    assert codes(then) == {"P0203"}


@pytest.mark.parametrize(
    ("sortby", "fields", "limit"),
    [
        ("kind,-height", (("kind", False), ("height", True)), 7),
        ("+zone,-number", (("zone", False), ("number", True)), 13),
        ("-kind", (("kind", True),), 11),
        ("lit,-built,kind", (("lit", False), ("built", True), ("kind", False)), 9),
        ("-checked", (("checked", True),), 50),
    ],
)
def test_sorted_pages_join_into_the_whole_forwards_and_back(
    client: httpx.Client, sortby: str, fields: tuple[tuple[str, bool], ...], limit: int
) -> None:
    whole = page(client, LAMPS, limit=1000)["features"]
    for name, descending in reversed(fields):
        given = [row for row in whole if row["properties"][name] is not None]
        given.sort(key=lambda row: row["properties"][name], reverse=descending)
        whole = [*given, *(row for row in whole if row["properties"][name] is None)]
    pages = [page(client, LAMPS, sortby=sortby, limit=limit, properties="number")]
    while following := links(pages[-1], "next"):
        pages.append(page(client, following[0]))
    forwards = [row["id"] for body in pages for row in body["features"]]
    assert forwards == [row["id"] for row in whole]
    assert not links(pages[0], "prev")
    back = [pages[-1]]
    while preceding := links(back[-1], "prev"):
        back.append(page(client, preceding[0]))
    assert [body["features"] for body in reversed(back)] == [body["features"] for body in pages]


def test_ids_give_the_order_where_nothing_else_does(client: httpx.Client) -> None:
    pages = [page(client, PLOTS, limit=120)]
    while following := links(pages[-1], "next"):
        pages.append(page(client, following[0]))
    ids = [row["id"] for body in pages for row in body["features"]]
    assert ids == sorted(ids)
    assert len(ids) == COLUMNS * ROWS
    back = page(client, links(pages[-1], "prev")[0])
    assert back["features"] == pages[-2]["features"]
    assert links(back, "next")
    versions = page(client, PLOTS, limit=299, datetime="../..")
    more = page(client, links(versions, "next")[0])
    # Ten columns of seven rows and of half a row were surveyed anew.
    assert versions["numberReturned"] + more["numberReturned"] == COLUMNS * ROWS + 80


def test_a_cursor_is_good_for_its_own_query_alone(client: httpx.Client) -> None:
    following = links(page(client, PLOTS, sortby="-area", limit=5), "next")[0]
    cursor = httpx.URL(following).params["cursor"]
    assert page(client, PLOTS, sortby="-area", limit=9, properties="code", cursor=cursor)[
        "features"
    ]
    others = [
        {"sortby": "area"},
        {},
        {"sortby": "-area", "use": "01"},
        {"sortby": "-area", "filter": "area > 1"},
        {"sortby": "-area", "bbox": box(*INSIDE)},
        {"sortby": "-area", "datetime": "2014-01-01"},
    ]
    for parameters in others:
        answer = client.get(PLOTS, params={**parameters, "cursor": cursor})
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith("cursor: it is of another query")


def test_features_come_without_geometry_if_that_is_wanted(client: httpx.Client) -> None:
    body = page(client, PLOTS, skipGeometry="true", limit=2, bbox=box(*INSIDE))
    assert [row["geometry"] for row in body["features"]] == [None]
    assert page(client, PLOTS, skipGeometry="false", limit=1)["features"][0]["geometry"]


def test_what_can_be_sorted_by_is_told(client: httpx.Client) -> None:
    collection = client.get("/api/collections/lamp").json()
    (address,) = (
        entry["href"] for entry in collection["links"] if entry["rel"].endswith("sortables")
    )
    answer = client.get(address)
    assert answer.headers["content-type"] == "application/schema+json"
    names = list(answer.json()["properties"])
    assert names == ["zone", "number", "height", "lit", "built", "checked", "kind"]
    for name in names:
        assert page(client, LAMPS, sortby=name, limit=1)["numberReturned"] == 1


def test_time_selects_one_feature_too(client: httpx.Client) -> None:
    number = page(client, PLOTS, code="P0203")["features"][0]["id"]
    for asked, use in (
        ({"datetime": "../2014-01-01"}, "01"),
        ({"datetime": "2014-01-01/.."}, "07"),
        ({"datetime": "../.."}, "07"),
        ({"datetime": "2014-01-01", "asOf": "2999-01-01"}, "01"),
    ):
        answer = client.get(f"{PLOTS}/{number}", params=asked)
        assert answer.json()["properties"]["use"] == use, asked
    assert client.get(f"{PLOTS}/{number}", params={"asOf": "2001-01-01"}).status_code == 404


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"filter": "colour = 1"}, "filter: "),
        ({"filter": "owner = 'x'"}, "filter: "),
        ({"filter": "use ="}, "filter: "),
        ({"filter": ""}, "filter: "),
        ({"filter": "(" * 5000 + "use='1'" + ")" * 5000}, "filter: "),
        ({"filter": "use='" + "x" * 40000 + "'"}, "filter: "),
        ({"filter": "use='1'", "filter-lang": "cql-text"}, "filter-lang: "),
        ({"filter": "[" * 9000, "filter-lang": "cql2-json"}, "filter: "),
        ({"sortby": "colour"}, "sortby: "),
        ({"sortby": "owner"}, "sortby: "),
        ({"sortby": ""}, "sortby: "),
        ({"sortby": "--area"}, "sortby: "),
        ({"sortby": "area,-area"}, "sortby: "),
        ({"skipGeometry": "yes"}, "skipGeometry: "),
        ({"cursor": "x" * 5000}, "cursor: "),
        ({"cursor": "W10"}, "cursor: "),
    ],
)
def test_what_cannot_be_asked_names_its_parameter(
    client: httpx.Client, parameters: dict[str, str], named: str
) -> None:
    answer = client.get(PLOTS, params=parameters)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(named)


def test_people_filter_sort_and_turn_pages_without_scripts(client: httpx.Client) -> None:
    asked = {"f": "html", "filter": "", "datetime": "", "asOf": "", "use": "0101", "limit": "20"}
    text = client.get(PLOTS, params=asked).text
    assert "20 / 150" in text
    assert '<form id="ask"' in text
    assert 'name="use" form="ask" value="0101"' in text
    upwards = re.search(r'href="([^"]*sortby=area)"', text)
    assert upwards is not None
    upwards_text = client.get(unescape(upwards[1])).text
    assert "面积 ↑" in upwards_text
    assert "sortby=-area" in upwards_text
    following = re.search(r'rel="next" href="([^"]*)"', upwards_text)
    assert following is not None
    table = re.search(r'href="([^"]*f=csv)"', upwards_text)
    assert table is not None
    assert len(client.get(unescape(table[1])).text.strip().splitlines()) == 1 + 150
    second = client.get(unescape(following[1])).text
    assert 'rel="prev"' in second
    assert "sortby=-area" in second
    assert client.get(PLOTS, params={"filter": ""}).status_code == 400
