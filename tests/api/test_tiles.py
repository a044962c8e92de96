"""Tiles over HTTP: the hot path and OGC API Tiles."""

import gzip

import httpx
import mapbox_vector_tile
import morecantile
import pytest

from tests.api.town import COLUMNS, ROWS, SOUTH, STEP, WEST

GRID = morecantile.tms.get("WebMercatorQuad")
MIDDLE = (WEST + COLUMNS * STEP / 2, SOUTH + ROWS * STEP / 2)
MVT = "application/vnd.mapbox-vector-tile"


def address(z: int, lon: float = MIDDLE[0], lat: float = MIDDLE[1]) -> str:
    tile = GRID.tile(lon, lat, z)
    return f"/tiles/town/{z}/{tile.x}/{tile.y}"


def decoded(answer: httpx.Response) -> dict[str, list[dict[str, object]]]:
    assert answer.status_code == 200, answer.text
    layers = mapbox_vector_tile.decode(answer.content)
    return {name: layer["features"] for name, layer in layers.items()}


def test_a_tile_has_the_map_s_layers_with_ids_and_attributes(client: httpx.Client) -> None:
    answer = client.get(address(14))
    assert answer.headers["content-type"] == MVT
    layers = decoded(answer)
    assert list(layers) == ["plot", "lane", "lamp"]
    plot = layers["plot"][0]
    feature = client.get(f"/api/collections/plot/items/{plot['id']}").json()
    assert plot["properties"] == {name: feature["properties"][name] for name in ("code", "use")}
    lamp = next(entry for entry in layers["lamp"] if entry["properties"]["number"] == 45)
    assert lamp["properties"] == {
        "zone": "北",
        "number": 45,
        "lit": True,
        "built": "2010-01-18",
        "checked": "2012-01-01T03:04:05Z",
        "kind": "07",
    }


def test_layers_are_left_out_below_their_zoom(client: httpx.Client) -> None:
    assert set(decoded(client.get(address(7)))) == {"lamp"}
    assert set(decoded(client.get(address(10)))) == {"plot", "lamp"}
    assert set(decoded(client.get(address(11)))) == {"plot", "lane", "lamp"}


def test_what_is_smaller_than_a_pixel_is_left_out_far_away(client: httpx.Client) -> None:
    assert client.get(address(9)).status_code == 200
    assert "plot" not in decoded(client.get(address(8)))
    assert len(decoded(client.get(address(11)))["plot"]) == COLUMNS * ROWS


def test_the_same_data_give_the_same_bytes(client: httpx.Client, town: str) -> None:
    tile = GRID.tile(*MIDDLE, 13)
    ogc = client.get(f"/api/maps/town/tiles/WebMercatorQuad/13/{tile.y}/{tile.x}")
    dataset = client.get(f"/api/tiles/WebMercatorQuad/13/{tile.y}/{tile.x}")
    hot = client.get(address(13))
    suffixed = [client.get(f"{address(13)}.{ending}") for ending in ("mvt", "pbf")]
    assert {answer.content for answer in (ogc, dataset, hot, *suffixed)} == {hot.content}
    assert {answer.headers["etag"] for answer in (ogc, dataset, *suffixed)} == {hot.headers["etag"]}


def test_a_layer_has_tiles_of_its_own(client: httpx.Client) -> None:
    tile = GRID.tile(*MIDDLE, 15)
    answer = client.get(f"/api/collections/lane/tiles/WebMercatorQuad/15/{tile.y}/{tile.x}")
    assert set(decoded(answer)) == {"lane"}
    whole = decoded(client.get(address(15)))
    assert decoded(answer)["lane"] == whole["lane"]


def test_a_tile_shows_the_date_asked_for(client: httpx.Client) -> None:
    now = decoded(client.get(address(14)))["plot"]
    then = decoded(client.get(address(14), params={"datetime": "2014-05-01"}))["plot"]
    assert {feature["id"] for feature in now} == {feature["id"] for feature in then}
    uses_now = {feature["id"]: feature["properties"]["use"] for feature in now}
    uses_then = {feature["id"]: feature["properties"]["use"] for feature in then}
    assert "07" in uses_now.values()
    assert "07" not in uses_then.values()
    before = client.get(address(14), params={"datetime": "2011-01-01"})
    assert before.status_code == 204
    unknown_then = client.get(address(14), params={"asOf": "2001-01-01"})
    assert unknown_then.status_code == 204


def test_dates_have_entries_of_their_own_in_the_cache(client: httpx.Client) -> None:
    first = client.get(address(16), params={"datetime": "2013-05-01"})
    second = client.get(address(16), params={"datetime": "2013-05-01T00:00:00+08:00"})
    other = client.get(address(16), params={"datetime": "2013-05-02"})
    assert first.headers["x-cache"] == "rendered"
    assert second.headers["x-cache"] == "memory"
    assert other.headers["x-cache"] == "rendered"


def test_an_empty_tile_has_no_body(client: httpx.Client) -> None:
    answer = client.get("/tiles/town/14/0/0")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["etag"]
    assert "content-type" not in answer.headers


def test_a_client_without_gzip_gets_the_plain_tile(client: httpx.Client) -> None:
    packed = client.get(address(12), headers={"accept-encoding": "br, gzip"})
    plain = client.get(address(12), headers={"accept-encoding": "identity"})
    refused = client.get(address(12), headers={"accept-encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers
    assert packed.content == plain.content == refused.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == "accept-encoding"


def test_gzip_is_stored_once_and_well_formed(client: httpx.Client) -> None:
    with client.stream("GET", address(12), headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert gzip.decompress(raw) == client.get(address(12)).content


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_nothing_new_is_not_sent_again(client: httpx.Client, encoding: str) -> None:
    headers = {"accept-encoding": encoding}
    etag = client.get(address(12), headers=headers).headers["etag"]
    assert not etag.startswith("W/")
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = client.get(address(12), headers={**headers, "if-none-match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    changed = client.get(address(12), headers={**headers, "if-none-match": '"other"'})
    assert changed.status_code == 200


def test_head_is_get_without_the_body(client: httpx.Client) -> None:
    got = client.get(address(12))
    head = client.head(address(12))
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "cache-control", "x-data-version"):
        assert head.headers[name] == got.headers[name]


def test_the_data_version_is_told(client: httpx.Client) -> None:
    versions = client.get("/api/maps/town").json()["dataVersions"]
    answer = client.get(address(14))
    assert int(answer.headers["x-data-version"]) == sum(versions.values())


def test_the_caller_s_request_id_comes_back_if_it_is_sane(client: httpx.Client) -> None:
    for path in (address(14), "/api", "/api/nothing"):
        given = client.get(path, headers={"x-request-id": "abc-1.2_3"})
        assert given.headers["x-request-id"] == "abc-1.2_3"
        made = client.get(path, headers={"x-request-id": "x" * 65 + "<>"})
        assert len(made.headers["x-request-id"]) == 32


def test_requests_and_tiles_are_counted(client: httpx.Client) -> None:
    client.get(address(14))
    client.get(address(14))
    text = client.get("/metrics").text
    assert 'onemap_tiles_total{map="town",source="memory",zoom="14"}' in text
    assert 'route="/tiles/{map}/{z}/{x}/{y}",status="200"' in text
    assert "onemap_tile_cache_bytes" in text
    assert "/tiles/town/14" not in text
