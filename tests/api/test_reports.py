"""Reports and differences of loads over HTTP: what they say, and what they keep to themselves."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import geopandas
import httpx
import pytest
import shapely
from pydantic import SecretStr
from sqlalchemy import text

from api.settings import ApiSettings
from etl.load import LoadRequest, load
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import load_catalogue
from layers.store import Store
from tests.api.town import serving, wait_until_ready
from tests.database import connected, copied_database

TOKEN = "a-token-of-the-tests"  # noqa: S105 -- opens nothing
SHOWN = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def served(
    cluster: str, postgis_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A city in which two surveys of warnings were loaded, the second with a bad row."""
    city = load_catalogue()
    folder = tmp_path_factory.mktemp("surveys")
    codes = list(city.code_list("warning_level").codes)
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, city)
        store.migrate()
        for year, levels in ((2014, [codes[0]] * 3), (2016, [codes[1], codes[0], "某人的"])):
            path = folder / f"{year}.gpkg"
            _survey(path, levels)
            date = datetime(year, 5, 1, tzinfo=BEIJING)
            request = LoadRequest(path, "hazard_warning", valid_from=date, max_bad=0.5)
            load(request, store, city, EtlSettings())
        store.close()
        settings = ApiSettings(api_token=SecretStr(TOKEN))
        with serving(settings, url, city) as address:
            with httpx.Client(base_url=address, timeout=30) as client:
                wait_until_ready(client)
                yield client


def _survey(path: Path, levels: list[str]) -> None:
    count = len(levels)
    frame = geopandas.GeoDataFrame(
        {"YJBH": [f"W{n}" for n in range(count)], "YJDJ": levels},
        geometry=[
            shapely.box(114.3 + n * 0.01, 29.8, 114.305 + n * 0.01, 29.805) for n in range(count)
        ],
        crs="EPSG:4490",
    )
    frame.to_file(path, engine="pyogrio")


def test_a_load_links_its_report_its_changes_and_its_refused_rows(served: httpx.Client) -> None:
    links = served.get("/api/loads/2").json()["links"]
    found = {entry["title"]: entry["href"] for entry in links}
    report = served.get(found["Its report"], headers={"accept": "application/json"}).json()
    assert report["report"]["bad"] == 1
    assert report["refused_rows"] == {"open": 1}
    assert len(served.get(found["What it changed"]).json()["changes"]) == 1
    rows = served.get(found["Its refused rows"]).json()
    assert [row["properties"]["rule"] for row in rows["features"]] == ["yjdj: codes"]
    assert rows["features"][0]["geometry"]["type"] == "Polygon"


@pytest.mark.parametrize("form", ["json", "html"])
def test_values_of_rows_are_not_for_everyone(served: httpx.Client, form: str) -> None:
    answer = served.get(f"/api/loads/2/report?f={form}")
    assert answer.status_code == 200
    assert "某人" not in answer.text
    assert "yjdj: codes" in answer.text or "预警等级：不在代码表中" in answer.text


@pytest.mark.parametrize("form", ["json", "html"])
def test_an_operator_sees_what_a_refused_row_holds(served: httpx.Client, form: str) -> None:
    assert "某人" in served.get(f"/api/loads/2/report?f={form}", headers=SHOWN).text
    rows = served.get("/api/collections/quarantine/items", headers=SHOWN)
    (row,) = rows.json()["features"]
    assert row["properties"]["message"].startswith("yjdj = '某人的' is not a code")
    assert "某人的" in row["properties"]["original"]
    everyone = served.get("/api/collections/quarantine/items")
    assert "某人" not in everyone.text
    assert everyone.headers["etag"] != rows.headers["etag"]
    wrong = {"authorization": "Bearer something-else"}
    assert "某人" not in served.get("/api/loads/2/report", headers=wrong).text


def test_a_report_is_a_page_for_browsers(served: httpx.Client) -> None:
    answer = served.get("/api/loads/2/report", headers={"accept": "text/html,*/*;q=0.1"})
    assert answer.headers["content-type"].startswith("text/html")
    assert '<svg class="map"' in answer.text
    assert 'class="ctx a"' in answer.text
    etag = answer.headers["etag"]
    again = served.get("/api/loads/2/report?f=html", headers={"if-none-match": etag})
    assert again.status_code == 304


def test_changes_come_in_pages_and_as_geojson(served: httpx.Client) -> None:
    first = served.get("/api/loads/1/diff?limit=2").json()
    assert [change["kind"] for change in first["changes"]] == ["added", "added"]
    (following,) = [entry["href"] for entry in first["links"] if entry["rel"] == "next"]
    rest = served.get(following).json()
    assert [change["key"]["yjbh"] for change in first["changes"] + rest["changes"]] != []
    assert len(rest["changes"]) == 1
    answer = served.get("/api/loads/2/diff?f=geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    (feature,) = answer.json()["features"]
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert (
        feature["properties"]["fields"]["yjdj"]["before"]
        != (feature["properties"]["fields"]["yjdj"]["after"])
    )


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/api/loads/99/report", 404),
        ("/api/loads/x/report", 404),
        ("/api/loads/99/diff", 404),
        ("/api/loads/1/report?f=pdf", 400),
        ("/api/loads/1/report?colour=red", 400),
        ("/api/loads/1/diff?limit=many", 400),
    ],
)
def test_what_is_not_there_is_told(served: httpx.Client, address: str, status: int) -> None:
    answer = served.get(address)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_load_of_a_hidden_layer_is_not_there(client: httpx.Client, town_database: str) -> None:
    with connected(town_database) as connection:
        load_id = connection.execute(
            text("SELECT load_id FROM onemap.load WHERE layer = 'secret'")
        ).scalar_one()
    for what in ("report", "diff"):
        hidden = client.get(f"/api/loads/{load_id}/{what}")
        missing = client.get(f"/api/loads/9999/{what}")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.json()["detail"] == missing.json()["detail"].replace("9999", str(load_id))


def test_a_feature_tells_where_each_version_came_from(served: httpx.Client) -> None:
    items = served.get("/api/collections/hazard_warning/items").json()["features"]
    (number,) = [row["id"] for row in items if row["properties"]["yjbh"] == "W0"]
    feature = served.get(f"/api/collections/hazard_warning/items/{number}").json()
    links = {entry["type"]: entry["href"] for entry in feature["links"]
             if entry["title"] == "Where it came from"}  # fmt: skip
    told = served.get(links["application/json"]).json()
    assert [(entry["load"]["source"], entry["row"]) for entry in told["versions"]] == [
        ("2014.gpkg", 1), ("2014.gpkg", 1), ("2016.gpkg", 1),
    ]  # fmt: skip
    assert told["key"] == {"yjbh": "W0"}
    assert [entry["recorded"][1] is None for entry in told["versions"]] == [False, True, True]
    assert told["versions"][2]["valid"] == ["2016-05-01T00:00:00+08:00", None]
    assert told["versions"][0]["geometryRepaired"] is False
    assert told["versions"][0]["load"]["accuracy"] == 0
    page = served.get(links["text/html"])
    assert "2016.gpkg" in page.text
    report = served.get(told["versions"][2]["load"]["href"] + "/report")
    assert report.json()["report"]["source"] == "2016.gpkg"


@pytest.mark.parametrize(
    "path", ["hazard_warning/items/999/lineage", "hazard_warning/items/x/lineage",
             "no_layer/items/1/lineage"],
)  # fmt: skip
def test_a_feature_that_never_was_has_no_lineage(served: httpx.Client, path: str) -> None:
    answer = served.get(f"/api/collections/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_lineage_of_a_hidden_layer_is_not_there(client: httpx.Client) -> None:
    hidden = client.get("/api/collections/secret/items/1/lineage")
    missing = client.get("/api/collections/nothing/items/1/lineage")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["title"] == missing.json()["title"]
    assert hidden.json()["detail"].replace("secret", "nothing") == missing.json()["detail"]


def test_hidden_fields_stand_in_no_lineage(client: httpx.Client) -> None:
    number = client.get("/api/collections/plot/items?limit=1").json()["features"][0]["id"]
    shown = client.get(f"/api/collections/plot/items/{number}").json()["properties"]
    told = client.get(f"/api/collections/plot/items/{number}/lineage").json()
    assert told["versions"][0]["properties"].keys() == shown.keys()
    assert "某人" not in str(told)
