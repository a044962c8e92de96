"""Harvest of another server's collections: from a live One Map, and from servers that misbehave."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely
from sqlalchemy import text

from api.settings import ApiSettings
from etl import harvest_http
from etl.harvest import find_collection, harvest
from etl.harvest_http import Fetcher, check_address, refuse_elsewhere
from etl.load import LoadRequest, load
from etl.settings import EtlSettings
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.errors import LoadRefused
from layers.store import Store
from tests.api.town import COLUMNS, ROWS, fill, load_rows, plots, read_catalogue, wait_until_ready
from tests.api.town import serving as serving_city
from tests.database import connected, copied_database
from tests.etl.sources import read_source


@pytest.fixture(scope="module")
def town() -> Catalogue:
    return read_catalogue()


@pytest.fixture(scope="module")
def served(cluster: str, postgis_template: str, town: Catalogue) -> Iterator[tuple[str, Store]]:
    """The address of a live One Map, and the store behind it."""
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, town)
        store.migrate()
        fill(store, town)
        settings = ApiSettings(default_map="town", web_root=Path(__file__).parent / "none")
        with serving_city(settings, url, town) as address:
            with httpx.Client(base_url=address) as client:
                wait_until_ready(client)
            yield address, store
        store.close()


@pytest.fixture
def other(cluster: str, postgis_template: str, town: Catalogue) -> Iterator[tuple[Store, str]]:
    """The store of a second One Map, with the layers of the first, and its address."""
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, town)
        store.migrate()
        yield store, url
        store.close()


def test_a_collection_of_a_one_map_is_read_whole(served: tuple[str, Store]) -> None:
    address, _ = served
    found = read_source(f"{address}/api/collections/plot", batch_rows=50)
    assert found.info.format == "OGC API Features"
    assert (found.info.layer, found.info.crs) == ("plot", "EPSG:4490")
    assert found.info.features == len(found.shapes) == COLUMNS * ROWS
    assert len(set(found.column("id"))) == COLUMNS * ROWS
    west, south, east, north = shapely.total_bounds(found.shapes)
    assert (west, south) == pytest.approx((114.30, 29.84))
    assert north < 30 < 114 < east
    assert found.info.watermark is not None
    again = read_source(f"{address}/api/collections/plot", watermark=found.info.watermark)
    assert (again.info.unchanged, again.shapes) == (True, [])
    assert again.info.columns == found.info.columns


def test_heights_stay_where_latitude_comes_first(served: tuple[str, Store]) -> None:
    address, _ = served
    found = read_source(f"{address}/api/collections/lane")
    assert found.info.crs == "EPSG:4490"
    corners = shapely.get_coordinates(found.shapes, include_z=True)
    assert len(corners) >= 2
    assert ((corners[:, 0] > 114) & (corners[:, 1] < 30) & (corners[:, 2] != 0)).all()


def test_a_query_and_a_landing_page_choose(served: tuple[str, Store]) -> None:
    address, _ = served
    few = read_source(f"{address}/api/collections/plot/items?bbox=114.3,29.84,114.3001,29.8401")
    assert 0 < len(few.shapes) < 10
    chosen = read_source(f"{address}/api", layer="plot", batch_rows=400)
    assert len(chosen.shapes) == COLUMNS * ROWS
    with pytest.raises(LoadRefused, match=r"say --source-layer; its collections are .*plot"):
        read_source(f"{address}/api")
    with pytest.raises(LoadRefused, match="there is no 'nowhere'; its collections are"):
        read_source(f"{address}/api", layer="nowhere")
    with pytest.raises(LoadRefused, match="answers 404, not 200"):
        read_source(f"{address}/api/collections/nowhere")


def test_what_did_not_change_is_not_loaded_again(
    served: tuple[str, Store], other: tuple[Store, str], town: Catalogue
) -> None:
    (address, source), (store, url) = served, other
    request = LoadRequest(
        f"{address}/api/collections/plot", "plot", full=True,
        valid_from=datetime(2021, 5, 1, tzinfo=BEIJING),
    )  # fmt: skip

    def run() -> tuple[int, int, int]:
        report = load(request, store, town, EtlSettings())
        assert report.outcome is not None
        return report.rows, report.outcome.added, report.outcome.closed

    assert run() == (COLUMNS * ROWS, COLUMNS * ROWS, 0)
    assert run() == (0, 0, 0)
    assert run() == (0, 0, 0)
    with connected(url) as connection:
        states = connection.execute(text("SELECT status, full_survey FROM onemap.load")).all()
        assert [tuple(state) for state in states] == [
            ("done", True), ("done", False), ("done", False),
        ]  # fmt: skip
    store.revert(1, "test", "a trial")
    assert run() == (COLUMNS * ROWS, COLUMNS * ROWS, 0)
    load_rows(source, town.layer("plot"), plots("0101")[:3], datetime(2020, 5, 1, tzinfo=BEIJING))
    report = load(request, store, town, EtlSettings())
    assert (report.rows, report.outcome and report.outcome.changed) == (COLUMNS * ROWS, 3)


Handler = Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """A server that answers as ``handler`` says."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = handler(self)
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


JSON = {"content-type": "application/geo+json"}


def features(*numbers: int, **members: Any) -> bytes:
    found = [
        {"type": "Feature", "id": number, "properties": {"no": number, f"p{number}": {"a": 1}},
         "geometry": {"type": "Point", "coordinates": [3_302_400 + number, 530_900]}}
        for number in numbers
    ]  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "features": found, **members}).encode()


def pages(
    page: Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]],
) -> Handler:
    """A collection ``c`` whose pages ``page`` gives."""

    def handler(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if "/items" in request.path:
            return page(request)
        return 200, JSON, json.dumps({"id": "c", "links": []}).encode()

    return handler


def next_link(href: str) -> list[dict[str, str]]:
    return [{"rel": "next", "href": href}]


def test_pages_are_followed_and_their_crs_and_axes_are_heeded() -> None:
    stored = "http://www.opengis.net/def/crs/EPSG/0/4547"

    def handler(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if "/items" not in request.path:
            document = {"id": "c", "crs": [stored], "storageCrs": stored, "links": []}
            return 200, JSON, json.dumps(document).encode()
        assert "crs=http" in request.path
        headers = {**JSON, "content-crs": f"<{stored}>"}
        if "page=2" in request.path:
            return 200, headers, features(3)
        more = next_link(f"{request.path}&page=2")
        return 200, headers, features(1, 2, links=more)

    with serving(handler) as address:
        found = read_source(f"{address}/collections/c")
    assert found.info.crs == "EPSG:4547"
    assert found.info.columns == ("id", "no", "p1", "p2", "p3")
    assert found.column("p3") == [None, None, '{"a": 1}']
    assert (found.shapes[2].x, found.shapes[2].y) == (530_900, 3_302_403)
    assert found.info.watermark is None


def test_tags_of_all_pages_tell_of_a_server_without_versions() -> None:
    state = {"second": "one"}

    def page(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        tag = f'"{state["second"]}"' if "page=2" in request.path else '"first"'
        if request.headers.get("if-none-match") == tag:
            return 304, {"etag": tag}, b""
        more = {} if "page=2" in request.path else {"links": next_link(f"{request.path}&page=2")}
        return 200, {**JSON, "etag": tag}, features(len(tag), **more)

    with serving(pages(page)) as address:
        first = read_source(f"{address}/collections/c")
        assert len(first.shapes) == 2
        mark = first.info.watermark
        assert mark is not None
        assert len(mark["pages"]) == 2
        assert read_source(f"{address}/collections/c", watermark=mark).info.unchanged
        state["second"] = "three"
        changed = read_source(f"{address}/collections/c", watermark=mark)
        assert (changed.info.unchanged, len(changed.shapes)) == (False, 2)


def test_a_busy_server_is_asked_again_with_patience() -> None:
    refusals = [(429, {"retry-after": "7"}), (503, {}), (503, {"retry-after": "x"})]
    waited: list[float] = []

    def page(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if refusals:
            status, headers = refusals.pop(0)
            return status, headers, b""
        return 200, JSON, features(1)

    with serving(pages(page)) as address, Fetcher(sleep=waited.append) as fetcher:
        collection = find_collection(fetcher, f"{address}/collections/c", None)
        found = harvest(fetcher, collection, None)
        found.file.close()
        assert found.features == 1
        assert waited == [7.0, 2.0, 4.0]
    with Fetcher(sleep=waited.append) as fetcher:
        with pytest.raises(LoadRefused, match="gives no answer after 3 attempts"):
            fetcher.get(f"{address}/collections/c", {})


def bad_pages() -> list[tuple[str, Handler, str]]:
    def said(status: int, headers: dict[str, str], body: bytes) -> Handler:
        return pages(lambda request: (status, headers, body))

    def growing(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        version = "2" if "page=2" in request.path else "1"
        more = next_link(f"{request.path}&page=2")
        return 200, {**JSON, "x-data-version": version}, features(1, links=more)

    loop = next_link("/collections/c/items?loop=1")
    elsewhere = next_link("http://169.254.169.254/latest/meta-data")
    file = next_link("file:///etc/passwd")
    moved = {"location": "http://localhost:1/collections/c/items"}
    klingon = {"content-crs": "<http://www.opengis.net/def/crs/EPSG/0/99999>"}
    return [
        ("html", said(200, {"content-type": "text/html"}, b"<html>"), "answers with text/html"),
        ("broken", said(200, JSON, b'{"type": '), "answers with broken JSON"),
        ("list", said(200, JSON, b"[]"), "answers with JSON that is no object"),
        ("no features", said(200, JSON, b"{}"), "answers with no GeoJSON FeatureCollection"),
        ("number", said(200, JSON, b'{"type":"FeatureCollection","features":[1]}'),
         "a feature is not a JSON object"),
        ("error", said(500, JSON, b"{}"), "answers 500, not 200"),
        ("too few", said(200, JSON, features(1, 2, numberMatched=7)),
         "tells of 7 features, but its pages end after 2"),
        ("loop", said(200, JSON, features(1, links=loop)), "have no end"),
        ("elsewhere", said(200, JSON, features(1, links=elsewhere)), "links to another server"),
        ("file", said(200, JSON, features(1, links=file)), r"another server \(file://"),
        ("moved", said(302, moved, b""), "redirects to another server"),
        ("circle", said(302, {"location": "/collections/c/items"}, b""), "redirects too often"),
        ("crs", said(200, {**JSON, **klingon}, features(1)), "no reference system that is known"),
        ("growing", pages(growing), "the collection changed while it was read: try again"),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "handler", "says"), bad_pages())
def test_a_server_that_answers_wrongly_is_refused(name: str, handler: Handler, says: str) -> None:
    with serving(handler) as address:
        with pytest.raises(LoadRefused, match=says):
            read_source(f"{address}/collections/c")


def test_answers_may_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harvest_http, "ANSWER_BYTES", 10_000)
    body = features(*range(500))
    with serving(pages(lambda request: (200, JSON, body))) as address:
        with pytest.raises(LoadRefused, match="answers with more than"):
            read_source(f"{address}/collections/c")


def test_a_geometry_that_is_none_is_the_rows_fault() -> None:
    body = json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "id": 1, "properties": None, "geometry": None},
                {"type": "Feature", "id": 2, "properties": {"id": "x"},
                 "geometry": {"type": "Point", "coordinates": ["a", 2]}},
            ],
        }
    ).encode()  # fmt: skip
    with serving(pages(lambda request: (200, JSON, body))) as address:
        found = read_source(f"{address}/collections/c")
    assert found.info.columns == ("feature_id", "id")
    assert {row: problem.rule for row, problem in found.problems.items()} == {2: "harvest_geometry"}


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://user:secret@example.org/collections/c", "with a user name or password"),
        ("ftp://example.org/collections/c", "is not an http or https address"),
        ("http:///collections/c", "is not an http or https address"),
        ("http://exa mple:port/", "is no address"),
    ],
)
def test_addresses_that_are_not_asked(address: str, says: str) -> None:
    with pytest.raises(LoadRefused, match=says):
        check_address(address)


@pytest.mark.parametrize(
    ("home", "target", "allowed"),
    [
        ("http://a.org/x", "http://a.org/y", True),
        ("http://a.org/x", "https://a.org/y", True),
        ("https://a.org/x", "https://a.org:443/y", True),
        ("https://a.org/x", "http://a.org/y", False),
        ("http://a.org/x", "http://a.org:8080/y", False),
        ("http://a.org/x", "http://b.org/y", False),
        ("http://a.org/x", "gopher://a.org/y", False),
    ],
)
def test_only_the_same_server_is_followed(home: str, target: str, allowed: bool) -> None:
    if allowed:
        refuse_elsewhere(home, target, "links to")
        return
    with pytest.raises(LoadRefused, match="another server"):
        refuse_elsewhere(home, target, "links to")
