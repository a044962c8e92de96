"""Errors leave the service in one form, and tell nothing that is not meant for clients."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from api import errors as api_errors
from api.problems import MEDIA_TYPE, PROBLEMS, kind_of, problem_of
from layers import errors as layer_errors
from layers.errors import OneMapError
from tiles.grids import TileOutOfRange


def all_errors() -> Iterator[type[Exception]]:
    for module in (layer_errors, api_errors):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, OneMapError):
                yield value
    yield TileOutOfRange


@pytest.mark.parametrize("error", sorted(set(all_errors()), key=lambda entry: entry.__name__))
def test_every_error_class_has_its_row_in_the_table(error: type[Exception]) -> None:
    assert error in PROBLEMS


def test_a_problem_has_one_form() -> None:
    problem = problem_of(layer_errors.UnknownLayer("there is no layer 'x'"), "/api/x", "abc")
    assert orjson.loads(problem.body) == {
        "type": "urn:onemap:problem:unknown-layer",
        "title": "Unknown layer",
        "status": 404,
        "detail": "there is no layer 'x'",
        "instance": "/api/x",
        "requestId": "abc",
    }
    assert dict(problem.headers) == {"content-type": MEDIA_TYPE, "cache-control": "no-store"}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("SELECT secret FROM city.plot"),
        layer_errors.DefinitionError("/srv/private/plot.yaml:3: wrong"),
        layer_errors.DatabaseUnavailable("postgresql://user:password@10.0.0.1/city is down"),
        layer_errors.SchemaConflict("city.plot has a column too many"),
        OneMapError("something inner"),
    ],
)
def test_what_is_for_operators_is_not_told(error: Exception) -> None:
    body = problem_of(error, "/x", "abc").body.decode()
    for word in str(error).split():
        if len(word) > 6:
            assert word not in body


def test_a_class_without_a_row_takes_its_nearest_ancestor_s() -> None:
    class Odd(layer_errors.FeatureNotFound):
        """An error of a module yet to come."""

    assert kind_of(Odd("x")).status == 404


def test_what_may_be_tried_again_says_when() -> None:
    assert dict(problem_of(layer_errors.DatabaseBusy("busy"), "/", "a").headers)["retry-after"]


CASES: list[tuple[str, int, str, str]] = [
    ("/api/nothing", 404, "Not found", "nothing at '/api/nothing'"),
    ("/api/collections/nothing", 404, "Unknown layer", "'nothing'"),
    ("/api/collections/secret", 404, "Unknown layer", "'secret'"),
    ("/api/collections/secret/items", 404, "Unknown layer", "'secret'"),
    ("/api/collections/plot/items/999999999", 404, "Feature not found", "999999999"),
    ("/api/collections/plot/items/one", 404, "Feature not found", "'one'"),
    ("/api/collections/plot/items/-1", 404, "Feature not found", "'-1'"),
    ("/api/collections/plot/items/99999999999999999999", 404, "Feature not found", "9999"),
    ("/api/collections/plot/items?colour=red", 400, "Unknown parameter", "'colour'"),
    ("/api/collections/plot/items?owner=x", 400, "Unknown parameter", "'owner'"),
    ("/api/collections/plot/items/1?limit=3", 400, "Unknown parameter", "'limit'"),
    ("/api/collections?limit=3", 400, "Unknown parameter", "'limit'"),
    ("/api/collections/plot/items?limit=0", 400, "Invalid parameter", "limit"),
    ("/api/collections/plot/items?limit=-1", 400, "Invalid parameter", "limit"),
    ("/api/collections/plot/items?limit=ten", 400, "Invalid parameter", "limit"),
    ("/api/collections/plot/items?limit=", 400, "Invalid parameter", "limit"),
    ("/api/collections/plot/items?limit=1&limit=2", 400, "Invalid parameter", "limit: given twice"),
    ("/api/collections/plot/items?bbox=1,2,3", 400, "Invalid parameter", "bbox"),
    ("/api/collections/plot/items?bbox=1,2,3,4,5", 400, "Invalid parameter", "bbox"),
    ("/api/collections/plot/items?bbox=a,b,c,d", 400, "Invalid parameter", "bbox"),
    ("/api/collections/plot/items?bbox=nan,0,1,1", 400, "Invalid parameter", "bbox"),
    ("/api/collections/plot/items?bbox=1,1e999,2,2", 400, "Invalid parameter", "bbox"),
    ("/api/collections/plot/items?bbox=114,31,115,30", 400, "Invalid parameter", "latitudes"),
    ("/api/collections/plot/items?bbox=200,0,210,1", 400, "Invalid parameter", "longitudes"),
    ("/api/collections/plot/items?bbox=1,1,9,2,2,1", 400, "Invalid parameter", "height"),
    (
        "/api/collections/plot/items?bbox=1,1,2,2&bbox-crs=EPSG:4326",
        400,
        "Invalid parameter",
        "bbox-crs",
    ),
    ("/api/collections/plot/items?crs=EPSG:4490", 400, "Invalid parameter", "crs"),
    ("/api/collections/plot/items?datetime=yesterday", 400, "Invalid parameter", "datetime"),
    ("/api/collections/plot/items?datetime=2014-13-01", 400, "Invalid parameter", "datetime"),
    ("/api/collections/plot/items?datetime=", 400, "Invalid parameter", "datetime"),
    (
        "/api/collections/plot/items?datetime=2015-01-01/2014-01-01",
        400,
        "Invalid parameter",
        "datetime",
    ),
    ("/api/collections/plot/items?datetime=0001-01-01", 400, "Invalid parameter", "datetime"),
    ("/api/collections/plot/items/1?asOf=0001-01-01", 400, "Invalid parameter", "asOf"),
    ("/tiles/town/10/0/0?datetime=9999-12-31T23:59:59-09:00", 400, "Invalid parameter", "time"),
    ("/api/collections/plot/items?asOf=2014-01-01/..", 400, "Invalid parameter", "asOf"),
    ("/api/collections/plot/items?cursor=!", 400, "Invalid value", "cursor"),
    ("/api/collections/plot/items?cursor=AAAA", 400, "Invalid value", "cursor"),
    ("/api/collections/plot/items?properties=colour", 400, "Unknown field", "'colour'"),
    ("/api/collections/plot/items?properties=owner", 400, "Unknown field", "'owner'"),
    ("/api/collections/plot/items?properties=use,use", 400, "Invalid parameter", "properties"),
    ("/api/collections/plot/items?area=big", 400, "Invalid value", "area"),
    ("/api/collections/plot/items?surveyed=2012", 400, "Invalid value", "surveyed"),
    ("/api/collections/lamp/items?lit=maybe", 400, "Invalid value", "lit"),
    ("/api/collections/plot/items?area=nan", 400, "Invalid value", "area"),
    ("/api/collections/plot/items?area=-Infinity", 400, "Invalid value", "area"),
    ("/api/collections/plot/items?area=1_0", 400, "Invalid value", "area"),
    ("/api/collections/lamp/items?number=1_0", 400, "Invalid value", "number"),
    ("/api/collections/lamp/items?number=1e3", 400, "Invalid value", "number"),
    ("/api/collections/plot/items?code=%00", 400, "Invalid parameter", "code"),
    ("/api/collections/plot/items?code=%ff", 400, "Invalid parameter", "UTF-8"),
    ("/api/collections/plot/items?" + "&".join(["limit=1"] * 101), 400, "Invalid parameter", "100"),
    ("/api/collections/plot/items?f=mapinfo", 400, "Invalid parameter", "f"),
    ("/api/codes/nothing", 404, "Unknown code list", "'nothing'"),
    ("/api/maps/nothing", 404, "Unknown map", "'nothing'"),
    ("/styles/nothing.json", 404, "Unknown map", "'nothing'"),
    ("/styles/town.json?lang=fr", 400, "Invalid parameter", "lang"),
    ("/sprites/other.png", 404, "Not found", "other.png"),
    ("/tiles/nothing.json", 404, "Unknown map", "'nothing'"),
    ("/tiles/nothing/10/0/0", 404, "Unknown map", "'nothing'"),
    ("/tiles/town/x/0/0", 400, "Invalid parameter", "z: 'x'"),
    ("/tiles/town/10/-1/0", 400, "Invalid parameter", "x: '-1'"),
    ("/tiles/town/10/0/1.5", 400, "Invalid parameter", "y"),
    ("/tiles/town/10/0/0.png", 400, "Invalid parameter", ".png"),
    ("/tiles/town/10/1024/0", 404, "Tile out of range", "columns are 0 to 1023"),
    ("/tiles/town/5/0/0", 404, "Tile out of range", "6 to 16"),
    ("/tiles/town/17/0/0", 404, "Tile out of range", "6 to 16"),
    ("/tiles/town/999999999/0/0", 404, "Tile out of range", "zoom"),
    ("/tiles/town/10/0/0?colour=red", 400, "Unknown parameter", "'colour'"),
    ("/tiles/town/10/0/0?datetime=2014-01-01/..", 400, "Invalid parameter", "instant"),
    ("/tiles/town/10/0/0?asOf=x", 400, "Invalid parameter", "asOf"),
    ("/tiles/town/10/0", 404, "Not found", "/tiles/town/10/0"),
    ("/api/tiles/Other", 404, "Unknown tile matrix set", "'Other'"),
    ("/api/tiles/WebMercatorQuad/10/x/0", 400, "Invalid parameter", "tileRow"),
    ("/api/tiles/WebMercatorQuad/10/0/0?f=png", 400, "Invalid parameter", "f"),
    ("/api/tileMatrixSets/Other", 404, "Unknown tile matrix set", "'Other'"),
    ("/api/docs/assets/secrets.txt", 404, "Not found", "secrets.txt"),
]


@pytest.mark.parametrize(("path", "status", "title", "words"), CASES)
def test_bad_requests_name_what_is_wrong(
    client: httpx.Client, path: str, status: int, title: str, words: str
) -> None:
    answer = client.get(path)
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["title"]) == (status, title), body
    assert words in body["detail"]
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert set(body) == {"type", "title", "status", "detail", "instance", "requestId"}
    assert body["status"] == status
    assert body["instance"] == path.split("?")[0]
    assert body["requestId"] == answer.headers["x-request-id"]
    for word in ("SELECT", "Traceback", ".py", "city.", "postgresql"):
        assert word not in answer.text


def test_a_hidden_layer_is_told_of_in_the_words_for_one_that_is_not_there(
    client: httpx.Client,
) -> None:
    hidden = client.get("/api/collections/secret").json()["detail"]
    absent = client.get("/api/collections/absent").json()["detail"]
    assert hidden.replace("secret", "absent") == absent


@pytest.mark.parametrize("path", ["/api", "/tiles/town/10/0/0", "/api/collections/plot"])
def test_other_methods_are_refused(client: httpx.Client, path: str) -> None:
    answer = client.post(path)
    assert answer.status_code == 405
    assert answer.json()["title"] == "Method not allowed"
    assert "GET" in answer.headers["allow"]


def test_an_offset_s_plus_sign_may_stand_unescaped(client: httpx.Client) -> None:
    address = "/api/collections/plot/items?datetime="
    escaped = client.get(f"{address}2014-05-01T00:00:00%2B08:00").json()
    plain = client.get(f"{address}2014-05-01T00:00:00+08:00")
    assert plain.status_code == 200, plain.text
    assert plain.json()["numberMatched"] == escaped["numberMatched"]
    span = f"{address}2012-05-01T00:00:00.5+08:00/2014-05-01T00:00:00+08:00"
    assert client.get(span).status_code == 200
