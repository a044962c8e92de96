"""The service as a whole: without a database, while loads change the map, across origins."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import mapbox_vector_tile
import morecantile
import pytest
import shapely

from api.settings import ApiSettings
from layers.catalogue import Catalogue
from layers.store import Store
from tests.api.town import HERE, SECOND, SOUTH, WEST, load_rows, serving, wait_until_ready

NOWHERE = "postgresql://user:password@127.0.0.1:1/nothing"
DATA = [
    "/api/collections",
    "/api/collections/plot/items",
    "/api/maps/town",
    "/tiles/town/10/0/0",
    "/api/tiles/WebMercatorQuad/10/0/0",
]
SETTINGS = ApiSettings(default_map="town", web_root=HERE / "no-such-folder")


@pytest.fixture(scope="module", params=[NOWHERE, None], ids=["unreachable", "no address"])
def without_database(
    request: pytest.FixtureRequest, catalogue: Catalogue
) -> Iterator[httpx.Client]:
    with (
        serving(SETTINGS, request.param, catalogue) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        yield client


@pytest.mark.parametrize("path", DATA)
def test_data_are_a_problem_that_says_when_to_try_again(
    without_database: httpx.Client, path: str
) -> None:
    answer = without_database.get(path)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["title"] == "Database unavailable"
    for word in ("127.0.0.1:1", "password", "nothing"):
        assert word not in answer.text


@pytest.mark.parametrize(
    "path", ["/healthz", "/api", "/api/docs", "/styles/town.json", "/sprites/onemap.json"]
)
def test_what_needs_no_data_is_there(without_database: httpx.Client, path: str) -> None:
    assert without_database.get(path).status_code == 200


def test_it_says_that_it_is_not_ready(without_database: httpx.Client) -> None:
    answer = without_database.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert answer.json()["missing"]
    assert "password" not in answer.text


def test_a_database_without_tables_is_not_ready(fresh_database: str, catalogue: Catalogue) -> None:
    with serving(SETTINGS, fresh_database, catalogue) as address:
        answer = httpx.get(f"{address}/readyz")
        assert (answer.status_code, len(answer.json()["missing"])) == (503, 1)
        assert "onemap migrate" in answer.text
        for path in ("/api/collections/plot/items", "/tiles/town/10/836/422"):
            failed = httpx.get(address + path)
            assert failed.status_code in (500, 503)
            assert failed.headers["content-type"] == "application/problem+json"
            assert failed.json()["requestId"] == failed.headers["x-request-id"]
            for word in ("city", "relation", "Undefined", "plot does"):
                assert word not in failed.text


def test_a_load_is_seen_at_once_in_tiles_and_features(
    fresh_database: str, catalogue: Catalogue
) -> None:
    layer = catalogue.layer("lamp")
    place = morecantile.tms.get("WebMercatorQuad").tile(WEST, SOUTH, 14)
    tile = f"/tiles/town/14/{place.x}/{place.y}"
    store = Store(fresh_database, catalogue)
    store.migrate()
    with (
        serving(SETTINGS, fresh_database, catalogue) as address,
        httpx.Client(base_url=address) as client,
    ):
        wait_until_ready(client)
        assert client.get(tile).status_code == 204
        known = client.get("/api/collections/lamp/items").headers["etag"]
        for number in (1, 2):
            row = {"zone": "北", "number": number, "geometry": shapely.Point(WEST, SOUTH)}
            version = load_rows(store, layer, [row], SECOND)
            deadline = time.monotonic() + 1.0
            while client.get(tile).headers["x-data-version"] != str(version):
                assert time.monotonic() < deadline, "the load was not heard of within a second"
                time.sleep(0.01)
            decoded = mapbox_vector_tile.decode(client.get(tile).content)
            assert len(decoded["lamp"]["features"]) == number
            page = client.get("/api/collections/lamp/items", headers={"if-none-match": known})
            assert page.json()["numberMatched"] == number
    store.close()


def test_other_sites_read_the_service_only_where_the_setting_says(
    town: str, town_database: str, catalogue: Catalogue
) -> None:
    origin = {"origin": "https://plans.example"}
    for path in ("/tiles/town.json", "/tiles/town/10/0/0", "/api"):
        assert "access-control-allow-origin" not in httpx.get(town + path, headers=origin).headers
    settings = ApiSettings(default_map="town", cors_origins=("https://plans.example",))
    with serving(settings, town_database, catalogue) as address:
        for path in ("/tiles/town.json", "/tiles/town/10/0/0", "/api", "/api/nothing"):
            answer = httpx.get(address + path, headers=origin)
            assert answer.headers["access-control-allow-origin"] == "https://plans.example"
        other = httpx.get(f"{address}/api", headers={"origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers
        preflight = httpx.options(
            f"{address}/tiles/town/10/0/0",
            headers={**origin, "access-control-request-method": "GET"},
        )
        assert preflight.status_code == 200


def test_addresses_are_those_that_clients_see(town_database: str, catalogue: Catalogue) -> None:
    settings = ApiSettings(default_map="town", public_url="https://map.example/city")
    with serving(settings, town_database, catalogue) as address:
        tilejson = httpx.get(f"{address}/tiles/town.json").json()
        assert tilejson["tiles"] == ["https://map.example/city/tiles/town/{z}/{x}/{y}"]
        for entry in httpx.get(f"{address}/api").json()["links"]:
            assert entry["href"].startswith("https://map.example/city/")


def test_tiles_may_be_kept_by_front_ends_as_long_as_the_setting_says(
    town: str, town_database: str, catalogue: Catalogue
) -> None:
    path = "/tiles/town/10/0/0"
    assert httpx.get(town + path).headers["cache-control"] == "public, no-cache"
    settings = ApiSettings(default_map="town", tile_max_age_s=60, tile_cache_mb=0)
    with serving(settings, town_database, catalogue) as address:
        with httpx.Client(base_url=address) as client:
            wait_until_ready(client)
        first, second = httpx.get(address + path), httpx.get(address + path)
        assert first.headers["cache-control"] == "public, max-age=60"
        assert second.headers["x-cache"] == "rendered"


class TestWebClient:
    """The folder of the built client, and its absence."""

    @pytest.fixture
    def client(
        self, tmp_path: Path, town_database: str, catalogue: Catalogue
    ) -> Iterator[httpx.Client]:
        root = tmp_path / "dist"
        (root / "assets").mkdir(parents=True)
        (root / "index.html").write_text("<title>map</title>", encoding="utf-8")
        (root / "assets" / "main-1a2b.js").write_text("1", encoding="utf-8")
        (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
        (root / "link.txt").symlink_to(tmp_path / "secret.txt")
        settings = ApiSettings(default_map="town", web_root=root)
        with (
            serving(settings, town_database, catalogue) as address,
            httpx.Client(base_url=address) as session,
        ):
            yield session

    def test_files_and_places_within_the_client(self, client: httpx.Client) -> None:
        for path in ("/", "/city", "/city/land/parcels", "/index.html"):
            answer = client.get(path)
            assert answer.text == "<title>map</title>"
            assert answer.headers["cache-control"] == "no-cache"
        asset = client.get("/assets/main-1a2b.js")
        assert "immutable" in asset.headers["cache-control"]
        etag = {"if-none-match": asset.headers["etag"]}
        assert client.get("/assets/main-1a2b.js", headers=etag).status_code in (200, 304)

    @pytest.mark.parametrize(
        "path",
        [
            "/missing.js",
            "/assets/missing.js",
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/link.txt",
            "/%00",
            "/api/x",
            "/tiles/x",
        ],
    )
    def test_nothing_else_is_served(self, client: httpx.Client, path: str) -> None:
        answer = client.get(path)
        assert "secret" not in answer.text.replace("secret.txt", "")
        assert answer.status_code == 404 or answer.text == "<title>map</title>"

    def test_an_unbuilt_client_is_said_plainly(self, town: str) -> None:
        answer = httpx.get(town, headers={"accept": "text/html"})
        assert (answer.status_code, "make web" in answer.text) == (503, True)
        assert httpx.get(town).json()["title"] == "Not built"
