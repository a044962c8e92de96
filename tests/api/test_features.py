"""OGC API Features over the test town."""

import asyncio
import gzip
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pyarrow as pa
import pytest
import shapely

from api.body_codings import coded_answer
from tests.api.town import COLUMNS, ROWS, SOUTH, STEP, WEST

PLOTS = "/api/collections/plot/items"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
CGCS2000 = "http://www.opengis.net/def/crs/EPSG/0/4490"
#: Well inside the plot at column 3, row 2.
INSIDE = (WEST + 3.4 * STEP, SOUTH + 2.4 * STEP, WEST + 3.6 * STEP, SOUTH + 2.6 * STEP)


def page(client: httpx.Client, path: str, **parameters: Any) -> dict[str, Any]:
    answer = client.get(path, params=parameters or None)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def links(body: dict[str, Any], rel: str) -> list[str]:
    return [entry["href"] for entry in body["links"] if entry["rel"] == rel]


def codes(body: dict[str, Any]) -> set[str]:
    return {feature["properties"]["code"] for feature in body["features"]}


def box(*numbers: float) -> str:
    return ",".join(str(number) for number in numbers)


def test_a_page_says_what_it_holds(client: httpx.Client) -> None:
    body = page(client, PLOTS)
    assert body["type"] == "FeatureCollection"
    assert body["numberReturned"] == len(body["features"]) == 10
    assert body["numberMatched"] == COLUMNS * ROWS
    assert body["timeStamp"].endswith("Z")
    assert links(body, "self")
    assert links(body, "alternate")
    assert links(body, "collection")
    feature = body["features"][0]
    assert set(feature) == {"type", "id", "geometry", "properties", "version", "time"}
    assert isinstance(feature["id"], int)
    assert list(feature["properties"]) == ["code", "use", "area", "surveyed"]


def test_geometry_comes_as_it_was_surveyed(client: httpx.Client) -> None:
    body = page(client, PLOTS, code="P0203")
    geometry = shapely.geometry.shape(body["features"][0]["geometry"])
    west, south = WEST + 3 * STEP, SOUTH + 2 * STEP
    wanted = shapely.box(west, south, west + STEP, south + STEP)
    assert geometry.symmetric_difference(wanted).area < 1e-15
    assert geometry.geom_type == "MultiPolygon"


def test_heights_come_with_the_geometry(client: httpx.Client) -> None:
    body = page(client, "/api/collections/lane/items", number=4)
    assert [point[2] for point in body["features"][0]["geometry"]["coordinates"]] == [24, 21, 22.5]


def test_all_pages_together_hold_every_feature_once(client: httpx.Client) -> None:
    found: list[int] = []
    address = f"{client.base_url}{PLOTS}?limit=37"
    while address:
        body = page(client, address)
        found.extend(feature["id"] for feature in body["features"])
        following = links(body, "next")
        address = following[0] if following else ""
    assert len(found) == COLUMNS * ROWS
    assert len(set(found)) == len(found)


def test_a_limit_above_the_largest_is_answered_with_the_largest(client: httpx.Client) -> None:
    body = page(client, PLOTS, limit=1_000_000)
    assert body["numberReturned"] == COLUMNS * ROWS
    assert not links(body, "next")


def test_a_box_selects_what_meets_it(client: httpx.Client) -> None:
    assert codes(page(client, PLOTS, bbox=box(*INSIDE))) == {"P0203"}
    assert page(client, PLOTS, bbox=box(0, 0, 1, 1))["features"] == []


def test_a_box_may_have_heights(client: httpx.Client) -> None:
    west, south, east, north = INSIDE
    assert codes(page(client, PLOTS, bbox=box(west, south, 0, east, north, 9))) == {"P0203"}


def test_a_box_across_the_antimeridian_goes_the_short_way(client: httpx.Client) -> None:
    assert page(client, PLOTS, bbox=box(170, 20, -170, 40))["features"] == []
    assert page(client, PLOTS, bbox=box(110, 20, -170, 40))["numberMatched"] == COLUMNS * ROWS


def test_coordinates_of_epsg_4490_have_latitude_first(client: httpx.Client) -> None:
    west, south, east, north = INSIDE
    answer = client.get(
        PLOTS,
        params={"bbox": box(south, west, north, east), "bbox-crs": CGCS2000, "crs": CGCS2000},
    )
    assert answer.headers["content-crs"] == f"<{CGCS2000}>"
    (feature,) = answer.json()["features"]
    assert feature["properties"]["code"] == "P0203"
    latitude, longitude = feature["geometry"]["coordinates"][0][0][0]
    assert (latitude < 90, longitude > 90) == (True, True)
    plain = client.get(PLOTS, params={"bbox": box(*INSIDE)})
    assert plain.headers["content-crs"] == f"<{CRS84}>"


def test_heights_stay_third_in_epsg_4490(client: httpx.Client) -> None:
    body = page(client, "/api/collections/lane/items", number=1, crs=CGCS2000)
    first = body["features"][0]["geometry"]["coordinates"][0]
    assert first == [pytest.approx(SOUTH + STEP), pytest.approx(WEST), 21.0]


@pytest.mark.parametrize(
    ("layer", "parameters", "count"),
    [
        ("plot", {"code": "P0203"}, 1),
        ("plot", {"use": "0101"}, 150),
        ("plot", {"use": "0101", "code": "P0203"}, 0),
        ("plot", {"area": "40000.5"}, ROWS),
        ("plot", {"surveyed": "2012-05-01"}, COLUMNS * ROWS),
        ("lamp", {"number": "7"}, 1),
        ("lamp", {"lit": "true"}, 40),
        ("lamp", {"zone": "北"}, 60),
        ("lamp", {"built": "2010-01-02"}, 5),
        ("lamp", {"checked": "2012-01-01T03:04:05Z"}, 120),
        ("lamp", {"checked": "2012-01-01T11:04:05+08:00", "lit": "false"}, 80),
        ("lamp", {"zone": "'; DROP TABLE city.lamp; --"}, 0),
    ],
)
def test_properties_select_by_the_type_of_their_field(
    client: httpx.Client, layer: str, parameters: dict[str, str], count: int
) -> None:
    body = page(client, f"/api/collections/{layer}/items", limit=1000, **parameters)
    assert (body["numberReturned"], body["numberMatched"]) == (count, count)


def test_only_the_properties_wanted_come(client: httpx.Client) -> None:
    body = page(client, PLOTS, properties="area,code", limit=1)
    assert list(body["features"][0]["properties"]) == ["area", "code"]
    assert page(client, PLOTS, properties="", limit=1)["features"][0]["properties"] == {}


def test_the_past_is_answered_as_it_was(client: httpx.Client) -> None:
    before = page(client, PLOTS, code="P0203", datetime="2011-01-01")
    then = page(client, PLOTS, code="P0203", datetime="2014-01-01")
    now = page(client, PLOTS, code="P0203")
    assert before["features"] == []
    assert then["features"][0]["properties"]["use"] == "01"
    assert now["features"][0]["properties"]["use"] == "07"
    assert then["features"][0]["id"] == now["features"][0]["id"]
    assert then["features"][0]["time"] == {
        "interval": ["2012-04-30T16:00:00Z", "2019-04-30T16:00:00Z"]
    }
    assert now["features"][0]["time"] == {"interval": ["2019-04-30T16:00:00Z", ".."]}


def test_an_interval_selects_every_version_that_held_in_it(client: httpx.Client) -> None:
    for interval, count in (("../2014-01-01", 1), ("2014-01-01/..", 2), ("2020-01-01/..", 1)):
        body = page(client, PLOTS, code="P0203", datetime=interval)
        assert body["numberReturned"] == count, interval


def test_record_time_asks_what_was_known(client: httpx.Client) -> None:
    assert page(client, PLOTS, asOf="2001-01-01")["features"] == []
    assert page(client, PLOTS, asOf="2999-01-01", limit=1)["numberReturned"] == 1


def test_one_feature_by_its_id(client: httpx.Client) -> None:
    listed = page(client, PLOTS, code="P0203")["features"][0]
    answer = client.get(f"{PLOTS}/{listed['id']}")
    feature = answer.json()
    assert answer.headers["content-type"] == "application/geo+json"
    assert {name: feature[name] for name in listed} == listed
    rels = {entry["rel"] for entry in feature["links"]}
    assert rels == {"self", "alternate", "collection", "describedby", "version-history"}
    then = client.get(f"{PLOTS}/{listed['id']}", params={"datetime": "2014-01-01"}).json()
    assert then["properties"]["use"] == "01"
    gone = client.get(f"{PLOTS}/{listed['id']}", params={"datetime": "2011-01-01"})
    assert gone.status_code == 404


def test_one_feature_tells_where_it_came_from(client: httpx.Client) -> None:
    found = client.get("/api/collections/plot/items?code=P0003").json()["features"][0]
    feature = client.get(f"/api/collections/plot/items/{found['id']}").json()
    assert feature["version"] == 2
    lineage = feature["lineage"]
    assert (lineage["source"], lineage["row"], lineage["operator"]) == ("test", 4, "test")
    assert lineage["crs"] == "EPSG:4490"
    assert lineage["load"] > 0


def test_links_keep_what_was_asked(client: httpx.Client) -> None:
    body = page(client, PLOTS, use="0101", properties="code", limit=5, crs=CGCS2000)
    second = page(client, links(body, "next")[0])
    assert second["numberReturned"] == 5
    assert all(list(feature["properties"]) == ["code"] for feature in second["features"])
    assert codes(body).isdisjoint(codes(second))


def test_nothing_new_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get(PLOTS, params={"limit": 2})
    again = client.get(PLOTS, params={"limit": 2}, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = client.get(PLOTS, params={"limit": 3}, headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200


#: How each content coding is undone.
DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "zstd": lambda packed: pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read(),
    "br": lambda packed: pa.CompressedInputStream(pa.BufferReader(packed), "brotli").read(),
}


def raw(
    client: httpx.Client, path: str, method: str = "GET", **headers: str
) -> tuple[httpx.Response, bytes]:
    """Ask, and leave the body as it came."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with client.stream(method, path, headers=named) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize("path", [f"{PLOTS}?limit=40", f"{PLOTS}?f=html", f"{PLOTS}/1"])
@pytest.mark.parametrize("coding", list(DECODERS))
def test_features_come_in_the_coding_that_is_asked_for(
    client: httpx.Client, path: str, coding: str
) -> None:
    plain, body = raw(client, path, accept_encoding="identity")
    assert "content-encoding" not in plain.headers
    answer, packed = raw(client, path, accept_encoding=f"{coding}, identity;q=0.5")
    assert answer.headers["content-encoding"] == coding
    assert answer.headers["vary"] == plain.headers["vary"] == "accept, accept-encoding"
    assert int(answer.headers["content-length"]) == len(packed) < len(body)
    stamp = re.compile(rb'"timeStamp":"[^"]*"')
    assert stamp.sub(b"", DECODERS[coding](packed)) == stamp.sub(b"", body)
    weak = answer.headers["etag"].startswith("W/")
    assert weak is (path != f"{PLOTS}/1")
    assert (answer.headers["etag"] == plain.headers["etag"]) is weak
    head, nothing = raw(client, path, "HEAD", accept_encoding=coding)
    assert nothing == b""
    assert head.headers["content-encoding"] == coding
    assert head.headers["etag"] == answer.headers["etag"]
    again, _ = raw(client, path, accept_encoding=coding, if_none_match=answer.headers["etag"])
    assert again.status_code == 304
    assert again.headers["vary"] == "accept, accept-encoding"


def test_a_large_page_comes_packed_too(client: httpx.Client) -> None:
    path = f"{PLOTS}?limit=10000&properties=code,use"
    _, body = raw(client, path, accept_encoding="identity")
    _, packed = raw(client, path, accept_encoding="gzip, br;q=0")
    assert len(body) > 64 * 1024
    assert json.loads(gzip.decompress(packed))["features"] == json.loads(body)["features"]


def test_what_is_small_or_not_to_be_packed_comes_as_it_is(client: httpx.Client) -> None:
    for size in (0, 1023, 1024):
        made = asyncio.run(coded_answer(b" " * size, b"gzip", "text/plain", {}))
        assert ("content-encoding" in made.headers) is (size == 1024)
    for wanted in ("", "gzip;q=0", "deflate", "identity", "zstd;q=0, *;q=0"):
        answer, body = raw(client, f"{PLOTS}?limit=40", accept_encoding=wanted)
        assert "content-encoding" not in answer.headers, wanted
        assert json.loads(body)["numberReturned"] == 40


def test_head_is_get_without_the_body(client: httpx.Client) -> None:
    for path in (PLOTS, "/api", "/styles/town.json", "/healthz", "/sprites/onemap.png"):
        got, head = client.get(path), client.head(path)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-type"] == got.headers["content-type"]
        assert "content-length" in head.headers


def test_a_layer_without_features_answers_an_empty_page(client: httpx.Client) -> None:
    body = page(client, "/api/collections/bare/items")
    assert (body["features"], body["numberMatched"]) == ([], 0)


def test_a_browser_gets_a_page_and_everyone_else_geojson(client: httpx.Client) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    for path in (PLOTS, f"{PLOTS}/1"):
        answer = client.get(path, headers=browser)
        assert answer.headers["content-type"].startswith("text/html")
        assert "地块" in answer.text
        assert client.get(path, headers={**browser}, params={"f": "json"}).json()
        for accept in ("*/*", "application/json", "application/geo+json;q=0.5", "image/png"):
            plain = client.get(path, headers={"accept": accept})
            assert plain.headers["content-type"] == "application/geo+json"


def test_values_cannot_break_out_of_a_page(client: httpx.Client) -> None:
    text = client.get(PLOTS, params={"f": "html", "code": "<script>alert(1)</script>"}).text
    assert "<script>" not in text
