"""Filters over HTTP: the documentation's examples, ids, functions, and what goes wrong."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely
from pyproj import Geod

from tests.api.town import SOUTH, STEP, WEST

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\| [^|]+ \| `([^`]+)` \|$", PAGE, re.MULTILINE)
LAMPS = "/api/collections/lamp/items"
PLOTS = "/api/collections/plot/items"


def matched(client: httpx.Client, path: str, **parameters: str) -> int:
    names = {name.replace("_", "-"): value for name, value in parameters.items()}
    answer = client.get(path, params=names)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["numberMatched"])


def refused(client: httpx.Client, **parameters: str) -> str:
    answer = client.get(LAMPS, params=parameters)
    assert answer.status_code == 400, answer.text
    return str(answer.json()["detail"])


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_documentations_examples_select_something(client: httpx.Client, text: str) -> None:
    assert len(EXAMPLES) >= 25
    assert matched(client, LAMPS, filter=text) > 0


def test_the_documentations_json_selects_something(client: httpx.Client) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    tree = json.dumps(json.loads(block))
    assert matched(client, LAMPS, filter=tree, filter_lang="cql2-json") > 0


def test_functions_are_of_the_conformance_classes(client: httpx.Client) -> None:
    told = client.get("/api/conformance").json()["conformsTo"]
    assert len([uri for uri in told if "/cql2/1.0/conf/" in uri]) == 14


def test_features_are_found_by_id(client: httpx.Client) -> None:
    ids = [feature["id"] for feature in client.get(LAMPS).json()["features"]]
    assert matched(client, LAMPS, id=str(ids[3])) == 1
    assert matched(client, LAMPS, filter=f"id IN ({ids[3]}, {ids[5]}, 999999)") == 2
    assert "id: 'x'" in refused(client, id="x")
    told = client.get("/api/collections/lamp/queryables").json()["properties"]
    assert told["id"]["x-ogc-role"] == "id"


def test_areas_and_lengths_are_those_of_the_ellipsoid(client: httpx.Client) -> None:
    ellipsoid = Geod(a=6378137.0, rf=298.257222101)
    plot = shapely.box(WEST, SOUTH, WEST + STEP, SOUTH + STEP)
    area, perimeter = map(abs, ellipsoid.geometry_area_perimeter(plot))
    first = "code = 'P0000'"
    for name, value in (("area", area), ("perimeter", perimeter)):
        near = f"{name}(geometry) BETWEEN {value * 0.999999} AND {value * 1.000001}"
        assert matched(client, PLOTS, filter=f"{first} AND {near}") == 1
    assert matched(client, PLOTS, filter=f"{first} AND length(geometry) = 0") == 1
    line = shapely.LineString(
        [(WEST, SOUTH + STEP), (WEST + 0.01, SOUTH + STEP + 0.0003), (WEST + 0.04, SOUTH + STEP)]
    )
    length = ellipsoid.geometry_length(line)
    lanes = "/api/collections/lane/items"
    near = f"abs(length(geometry) - {length}) < 0.001"
    assert matched(client, lanes, filter=f"number = 1 AND {near}") == 1
    there = f"S_WITHIN(centroid(geometry), BBOX({WEST}, {SOUTH}, {WEST + STEP}, {SOUTH + STEP}))"
    assert matched(client, PLOTS, filter=there) == 1


@pytest.mark.parametrize(
    "text",
    ["1e308 * 10 = 5", "height * 1e200 * 1e200 > 1", "10 ^ number ^ 2 > 1", "(10 ^ 200) ^ 2 > 1"],
)
def test_what_goes_beyond_64_bits_is_told(client: httpx.Client, text: str) -> None:
    assert refused(client, filter=text).startswith("filter: ")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("number / 0 = 1 OR NOT (number / 0 = 1)", 0),
        ("(number div 0) IS NULL", 120),
        ("number % 0 IS NULL AND height % 0 IS NULL AND 0 ^ -1 IS NULL", 120),
        ("sqrt(0 - number) IS NULL AND sqrt(number) IS NOT NULL", 120),
        ("NOT (kind = '01')", 60),
        ("kind = NULL_FIELD", -1),
        ("9223372036854775807 + number > 9223372036854775807", 120),
        ("built = '2010-01-05' AND year(checked) = 2012", 5),
        ("day(checked) = 1 AND month(built) = 1", 120),
    ],
)
def test_what_has_no_result_is_unknown(client: httpx.Client, text: str, count: int) -> None:
    if count < 0:
        assert "no field" in refused(client, filter=text)
    else:
        assert matched(client, LAMPS, filter=text) == count


def _or(part: str, size: int) -> str:
    return " OR ".join([part] * size)


BOMBS = {
    "brackets": "(" * 8_000,
    "minus": "-" * 8_000 + "1 = 1",
    "many parts": _or("lit", 1_900),
    "long": "number IN (" + ",".join(map(str, range(7_500))) + ")",
    "powers": "(" * 25 + "number" + " ^ 2)" * 25 + " = 1",
    "remainders": "(" * 25 + "height" + " % 2)" * 25 + " = 1",
    "folds": "casei(accenti(" * 14 + "zone" + "))" * 14 + " = 'a'",
    "quotes": "zone = '" + "'" * 7_000,
    "patterns": "zone LIKE '" + "%" * 7_000 + "\\'",
    "digits": "number = " + "9" * 8_000,
    "far": "S_INTERSECTS(geometry, POINT(1e400 2))",
    "crossing": "S_INTERSECTS(geometry, POLYGON((0 0, 1 1, 1 0, 0 1, 0 0)))",
    "vertices": "S_INTERSECTS(geometry, MULTIPOINT(" + ",".join(["1 2"] * 8_000) + "))",
    "zigzag": "S_CROSSES(geometry, GEOMETRYCOLLECTION(LINESTRING("
    + ",".join(f"{i * 79 % 180} {i * 47 % 89}" for i in range(2_000))
    + ")))",
    "nothing": "S_INTERSECTS(geometry, POLYGON EMPTY)",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(client: httpx.Client, name: str) -> None:
    began = time.perf_counter()
    assert re.match(r"filter: ", refused(client, filter=BOMBS[name]))
    # A tenth, and room for machines that do other things meanwhile.
    assert time.perf_counter() - began < 1


def test_tiles_take_the_same_filters(client: httpx.Client) -> None:
    def ask(text: str) -> Any:
        return client.get(
            "/api/collections/lamp/tiles/WebMercatorQuad/6/26/52", params={"filter": text}
        )

    some = ask("number % 2 = 0 AND distance(geometry, POINT(114.302 29.84)) < 500")
    assert (some.status_code, ask("number / 0 = 1").status_code) == (200, 204)
    over = ask("height * 1e200 * 1e200 > 1")
    assert (over.status_code, over.json()["detail"][:7]) == (400, "filter:")
