"""The parameters of tiles over HTTP: properties, filter, since, and other grids."""

from typing import Any

import httpx
import mapbox_vector_tile
import morecantile
import numpy as np
import pytest

from gis import mercator
from tests.api.town import COLUMNS, ROWS, SOUTH, STEP, WEST

GRID = morecantile.tms.get("WebMercatorQuad")
MIDDLE = (WEST + COLUMNS * STEP / 2, SOUTH + ROWS * STEP / 2)
Features = list[dict[str, Any]]


def address(z: int) -> str:
    tile = GRID.tile(*MIDDLE, z)
    return f"/tiles/town/{z}/{tile.x}/{tile.y}"


def decoded(answer: httpx.Response) -> dict[str, Features]:
    assert answer.status_code == 200, answer.text
    layers = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})
    return {name: layer["features"] for name, layer in layers.items()}


def ask(client: httpx.Client, z: int = 12, **parameters: str) -> dict[str, Features]:
    names = {name.replace("_", "-"): value for name, value in parameters.items()}
    return decoded(client.get(address(z), params=names))


def refused(client: httpx.Client, path: str, **parameters: str) -> str:
    names = {name.replace("_", "-"): value for name, value in parameters.items()}
    answer = client.get(path, params=names)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.status_code in (400, 404)
    return str(answer.json()["detail"])


def test_the_attributes_asked_for_are_those_carried(client: httpx.Client) -> None:
    layers = ask(client, properties="area,number,surveyed")
    assert layers["plot"][0]["properties"].keys() == {"area", "surveyed"}
    assert layers["lamp"][0]["properties"].keys() == {"number"}
    bare = ask(client, properties="")
    assert all(entry["properties"] == {} for layer in bare.values() for entry in layer)
    assert all(entry["id"] > 0 for layer in bare.values() for entry in layer)


@pytest.mark.parametrize("name", ["nothing", "owner", "geom", "feature_id", "tile_geom"])
def test_an_attribute_that_is_not_there_is_named(client: httpx.Client, name: str) -> None:
    assert f"'{name}'" in refused(client, address(12), properties=f"use,{name}")


def test_a_filter_leaves_what_it_lets_through(client: httpx.Client) -> None:
    layers = ask(client, filter="use = '0101'", properties="use")
    assert set(layers) == {"plot"}
    assert {entry["properties"]["use"] for entry in layers["plot"]} == {"0101"}
    assert len(layers["plot"]) == COLUMNS * ROWS // 2
    both = ask(client, filter="use = '0101' AND area > 40018.6")
    assert len(both["plot"]) == ROWS
    json = ask(
        client,
        filter='{"op": "=", "args": [{"property": "use"}, "0101"]}',
        filter_lang="cql2-json",
        properties="use",
    )
    assert json == layers


def test_a_spatial_filter_concerns_every_layer(client: httpx.Client) -> None:
    west, south = WEST + 0.1 * STEP, SOUTH + 0.1 * STEP
    box = f"{west},{south},{west + STEP},{south + STEP}"
    layers = ask(client, filter=f"S_INTERSECTS(geometry, BBOX({box}))")
    assert {name: len(features) for name, features in layers.items()} == {
        "plot": 4,
        "lane": 1,
        "lamp": 1,
    }


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("number <= 5", 5),
        ("number BETWEEN 2 AND 4", 3),
        ("number IN (1, 2, 500)", 2),
        ("lit", 40),
        ("NOT lit", 80),
        ("zone LIKE '北%'", 60),
        ("CASEI(kind) = CASEI('0101')", 30),
        ("kind IS NULL", 30),
        ("built > DATE('2010-01-27')", 4),
        ("T_BEFORE(built, DATE('2010-01-02'))", 4),
        ("T_DURING(checked, INTERVAL('2012-01-01', '2012-01-02'))", 120),
        ("checked < TIMESTAMP('2012-01-01T03:04:05Z')", 0),
        ("number < height", 4),
    ],
)
def test_operators_pick_what_they_should(client: httpx.Client, text: str, count: int) -> None:
    answer = client.get(
        f"/api/collections/lamp/tiles/WebMercatorQuad/11/{GRID.tile(*MIDDLE, 11).y}"
        f"/{GRID.tile(*MIDDLE, 11).x}",
        params={"filter": text},
    )
    found = len(decoded(answer)["lamp"]) if count else answer.status_code
    assert found == (count or 204)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"filter": "nothing = 1"}, "no field 'nothing'"),
        ({"filter": "use = "}, "character"),
        ({"filter": "use = '01' AND number = 1"}, "no layer of 'town' has all fields"),
        ({"filter": "use = 5"}, "'use' is text"),
        ({"filter": "use = '1'", "filter_lang": "sql"}, "filter-lang"),
        ({"filter_lang": "cql2-text"}, "there is no filter"),
        ({"since": "2020-01-01", "datetime": "2019-01-01"}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2010-01-01/2012-01-01"}, "since"),
        ({"crs": "4326"}, "crs"),
    ],
)
def test_unusable_parameters_are_told_at_once(
    client: httpx.Client, parameters: dict[str, str], words: str
) -> None:
    assert words in refused(client, address(12), **parameters)


def test_changes_between_two_dates(client: httpx.Client) -> None:
    changed = ask(client, since="2015-01-01", properties="use")
    assert set(changed) == {"plot"}
    # The first seven rows and a half were surveyed again; in their western half the use changed.
    assert len(changed["plot"]) == 8 * COLUMNS // 2
    for entry in changed["plot"]:
        assert entry["properties"]["change"] == "changed"
        assert entry["properties"]["shape"] == "after"
    added = ask(client, since="2011-01-01", datetime="2013-01-01")
    assert {entry["properties"]["change"] for layer in added.values() for entry in layer} == {
        "added"
    }
    assert len(added["plot"]) == COLUMNS * ROWS
    none = client.get(address(12), params={"since": "2020-01-01"})
    assert none.status_code == 204
    before = client.get(address(12), params={"since": "2013-01-01", "datetime": "2014-01-01"})
    assert before.status_code == 204


def test_a_filter_of_changes_tells_who_came_to_satisfy_it(client: httpx.Client) -> None:
    came = ask(client, since="2015-01-01", filter="use = '07'")["plot"]
    assert {entry["properties"]["change"] for entry in came} == {"added"}
    went = ask(client, since="2015-01-01", filter="use = '01'")["plot"]
    assert {entry["properties"]["change"] for entry in went} == {"removed"}
    assert len(went) == len(came) > 0


@pytest.mark.parametrize("grid", ["WorldCRS84Quad", "CGCS2000Quad", "TianDiTu_c", "TianDiTu_w"])
def test_other_grids_have_the_same_features_in_their_places(
    client: httpx.Client, grid: str
) -> None:
    tileset = client.get(f"/api/maps/town/tiles/{grid}").json()
    shift = 0 if grid.startswith("TianDiTu") else 1
    number = 12 - shift
    limits = {entry["tileMatrix"]: entry for entry in tileset["tileMatrixSetLimits"]}
    assert set(limits) == {str(zoom - shift) for zoom in range(6, 17)}
    matrix = next(
        entry
        for entry in client.get(f"/api/tileMatrixSets/{grid}").json()["tileMatrices"]
        if entry["id"] == str(number)
    )
    cell = matrix["cellSize"]
    degrees = grid != "TianDiTu_w"
    origin = matrix["pointOfOrigin"]
    left, top = sorted(origin) if degrees else origin
    lon, lat = MIDDLE
    if degrees:
        point = (lon, lat)
    else:
        x, y = mercator.forward(np.array([lon]), np.array([lat]))
        point = (float(x[0]), float(y[0]))
    column = int((point[0] - left) / cell / 256)
    row = int((top - point[1]) / cell / 256)
    there = limits[str(number)]
    assert there["minTileCol"] <= column <= there["maxTileCol"]
    assert there["minTileRow"] <= row <= there["maxTileRow"]
    carried = {"properties": "number"}
    ogc = client.get(f"/api/maps/town/tiles/{grid}/{number}/{row}/{column}", params=carried)
    short = client.get(f"/tiles/town/{grid}/{number}/{column}/{row}", params=carried)
    assert ogc.content == short.content
    lamps = decoded(short)["lamp"]
    assert len(lamps) > 20
    unit = cell * 256 / 4096
    for lamp in lamps:
        number_ = lamp["properties"]["number"]
        where = np.array([[WEST + (number_ % 20) * STEP], [SOUTH + (number_ // 20) * STEP]])
        if not degrees:
            where = np.array(mercator.forward(*where))
        wanted = (
            (where[0][0] - left - column * cell * 256) / unit,
            (top - row * cell * 256 - where[1][0]) / unit,
        )
        assert lamp["geometry"]["coordinates"] == pytest.approx(wanted, abs=0.5001)


def test_a_grid_or_tile_that_is_not_there_is_told(client: httpx.Client) -> None:
    assert "TianDiTu_c" in refused(client, "/tiles/town/Mars/12/1/1")
    assert "tile matrix set 'Mars'" in refused(client, "/api/maps/town/tiles/Mars/12/1/1")
    assert "TianDiTu_c has the tile matrices 1 to 18" in refused(
        client, "/api/collections/lamp/tiles/TianDiTu_c/0/0/0"
    )
    assert "rows 0 to" in refused(client, "/tiles/town/CGCS2000Quad/11/0/2048")
    listed = client.get("/api/tileMatrixSets").json()["tileMatrixSets"]
    assert [entry["id"] for entry in listed][:2] == ["WebMercatorQuad", "WorldCRS84Quad"]
