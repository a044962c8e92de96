"""``onemap tiles inspect``: what is in a tile, from the database and from a server."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import mapbox_vector_tile
import morecantile
import pytest
import shapely
from typer.testing import CliRunner

from api.settings import ApiSettings
from cli.main import build_app
from layers.catalogue import load_catalogue
from layers.errors import OneMapError
from layers.store import Store
from tests.api.town import FIRST, load_rows, serving, wait_until_ready
from tests.database import copied_database

MIDDLE = (114.3105, 29.8002)
COUNT = 30


def told(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(build_app(), ["tiles", "inspect", *arguments])
    if isinstance(result.exception, OneMapError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def tile(z: int) -> str:
    found = morecantile.tms.get("WebMercatorQuad").tile(*MIDDLE, z)
    return f"{z}/{found.x}/{found.y}"


@pytest.fixture(scope="module")
def database(cluster: str, postgis_template: str) -> Iterator[str]:
    catalogue = load_catalogue()
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, catalogue)
        store.migrate()
        level = next(iter(catalogue.code_list("warning_level").codes))
        rows: list[dict[str, object]] = [
            {
                "yjbh": f"W{n}",
                "yjdj": level,
                "geometry": shapely.MultiPolygon(
                    [shapely.box(114.308 + n * 1e-4, 29.8, 114.30808 + n * 1e-4, 29.8005)]
                ),
            }
            for n in range(COUNT)
        ]
        load_rows(store, catalogue.layer("hazard_warning"), rows, FIRST)
        store.close()
        yield url


@pytest.fixture
def city(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ONEMAP_DATABASE_URL", database)
    return database


def test_a_tile_is_told_layer_by_layer(city: str) -> None:
    report = json.loads(told(tile(15), "--json"))
    zones = next(entry for entry in report["layers"] if entry["name"] == "hazard_warning")
    assert zones["features"] == COUNT
    assert zones["vertices"] >= 4 * COUNT
    assert zones["least_id"] < zones["greatest_id"]
    assert 0 < zones["gzip_bytes"]
    assert zones["bytes"] <= report["bytes"]
    assert 0 < zones["milliseconds"]
    assert zones["source"]
    levels = next(entry for entry in zones["attributes"] if entry["name"] == "yjdj")
    assert (levels["features"], levels["distinct"]) == (COUNT, 1)
    assert (report["level"], report["tileset"]) == ("rendered", "city")
    west, south, east, north = report["box"]
    assert west < MIDDLE[0] < east
    assert south < MIDDLE[1] < north
    # Layers of which the tile has nothing cost time, too.
    assert any(entry["features"] == 0 and entry["milliseconds"] for entry in report["layers"])
    page = told(tile(15))
    for text in ("hazard_warning", str(COUNT), "yjdj", "rendered"):
        assert text in page


def test_one_layer_and_another_day(city: str) -> None:
    one = json.loads(told(tile(15), "--layer", "hazard_warning", "--json"))
    assert [entry["name"] for entry in one["layers"]] == ["hazard_warning"]
    before = json.loads(told(tile(15), "--at", "1999-01-01", "--json"))
    assert all(entry["features"] == 0 for entry in before["layers"])
    assert "There is nothing in it." in told(tile(15), "--at", "1999-01-01")


def test_a_server_is_asked(city: str, tmp_path: Path) -> None:
    with serving(ApiSettings(web_root=tmp_path), city, load_catalogue()) as address:
        with httpx.Client(base_url=address) as client:
            wait_until_ready(client)
            sent = client.get(f"/tiles/city/{tile(15)}")
        report = json.loads(told(tile(15), "--url", address, "--json"))
        assert report["level"] == "memory"
        assert report["bytes"] == len(sent.content)
        assert report["gzip_bytes"] == int(sent.headers["content-length"])
        assert report["version"] == int(sent.headers["x-data-version"])
        assert {entry["name"] for entry in report["layers"]} == set(
            mapbox_vector_tile.decode(sent.content)
        )
        one = told(tile(15), "--url", address + "/", "--layer", "hazard_warning", "--json")
        assert json.loads(one)["layers"][0]["features"] == COUNT
        with pytest.raises(OneMapError, match=r"404: .*no map 'nowhere'"):
            told(tile(15), "--url", address, "--map", "nowhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["15-1-2"], "write it as Z/X/Y"),
        (["3/9/0"], "3/9/0 is outside"),
        (["15/1/2", "--map", "nowhere"], "nowhere"),
        (["15/1/2", "--layer", "nothing"], "has no layer 'nothing'"),
        (["15/1/2", "--at", "tomorrow"], "--at: "),
        (["2/1/2"], "no tiles at zoom 2"),
        (["15/1/2", "--url", "http://127.0.0.1:1"], "does not answer"),
        (["15/1/2", "--url", "nonsense"], "nonsense"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    city: str, arguments: list[str], message: str
) -> None:
    with pytest.raises(OneMapError, match=message) as failure:
        told(*arguments)
    assert "\n" not in str(failure.value)
