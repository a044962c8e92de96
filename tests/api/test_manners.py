"""Manners under load: who leaves ends his query, and who is slow does not stop the others."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from api.settings import ApiSettings
from layers.catalogue import Catalogue
from tests.api.test_tiles import GRID, MIDDLE
from tests.api.town import HERE, serving, wait_until_ready
from tests.database import connected

QUERIES = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'onemap' AND state = 'active'"
)


@contextmanager
def held_back(url: str, layer: str = "lane") -> Iterator[None]:
    """Whoever reads a layer waits meanwhile."""
    with connected(url) as connection:
        connection.execute(text(f"LOCK TABLE city.{layer} IN ACCESS EXCLUSIVE MODE"))
        yield


def running(url: str) -> int:
    with connected(url) as connection:
        return int(connection.execute(text(QUERIES)).scalar_one())


def until(holds: Callable[[], bool], seconds: float = 10) -> float:
    start = time.monotonic()
    while not holds():
        assert time.monotonic() < start + seconds
        time.sleep(0.01)
    return time.monotonic() - start


def never_asked(day: int) -> str:
    """A tile of a day that nobody has asked for."""
    tile = GRID.tile(*MIDDLE, 14)
    return f"/tiles/town/14/{tile.x}/{tile.y}?datetime={1900 + day // 28}-02-{day % 28 + 1:02d}"


def own_tile(layer: str, day: int) -> str:
    tile = GRID.tile(*MIDDLE, 14)
    return (
        f"/api/collections/{layer}/tiles/WebMercatorQuad/14/{tile.y}/{tile.x}"
        f"?datetime={2013 + day // 28}-03-{day % 28 + 1:02d}"
    )


@contextmanager
def asked(address: str, path: str) -> Iterator[socket.socket]:
    parts = urlsplit(address)
    with socket.socket() as line:
        # Who stops reading holds little.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        line.settimeout(10)
        line.connect((parts.hostname or "", parts.port or 0))
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: town\r\n\r\n".encode())
        yield line


@pytest.fixture
def server(town_database: str, catalogue: Catalogue) -> Iterator[Callable[..., httpx.Client]]:
    opened: list[tuple[object, httpx.Client]] = []

    def start(**reading: float) -> httpx.Client:
        settings = ApiSettings(default_map="town", web_root=HERE / "no-such-folder")
        context = serving(settings, town_database, catalogue, **reading)
        client = httpx.Client(base_url=context.__enter__(), timeout=30)
        opened.append((context, client))
        wait_until_ready(client)
        return client

    yield start
    for context, client in opened:
        client.close()
        context.__exit__(None, None, None)  # type: ignore[attr-defined]


def figure(client: httpx.Client, line: str) -> float:
    for entry in client.get("/metrics").text.splitlines():
        if entry.startswith(line + " "):
            return float(entry.rsplit(" ", 1)[1])
    return 0.0


@pytest.mark.parametrize(
    "path",
    [
        never_asked(1),
        "/api/collections/lane/items?limit=3&sortby=-name&filter=number%3E1",
        "/api/collections/lane/items?limit=3&f=csv",
        own_tile("lane", 2),
    ],
    ids=["tile", "features", "export", "framework's tile"],
)
def test_the_query_of_a_client_that_goes_is_cancelled(
    path: str, server: Callable[..., httpx.Client], town_database: str
) -> None:
    client = server()
    with held_back(town_database):
        with asked(str(client.base_url), path):
            until(lambda: running(town_database) == 1)
        assert until(lambda: running(town_database) == 0) < 2
    gone = 'onemap_pool_given_up_total{reason="client_gone"}'
    until(lambda: figure(client, gone) == 1)
    # The request is over when all that was done for it is: an export has a process to end.
    until(lambda: 'status="499"' in client.get("/metrics").text)
    until(lambda: figure(client, "onemap_pool_in_use") == 0)
    assert client.get(path).status_code in (200, 204)


def test_a_tile_is_given_up_only_when_nobody_waits_for_it(
    server: Callable[..., httpx.Client], town_database: str
) -> None:
    client = server()
    path = never_asked(40)
    with ThreadPoolExecutor(1) as other:
        with held_back(town_database):
            with asked(str(client.base_url), path):
                until(lambda: running(town_database) == 1)
                waiting = other.submit(client.get, path)
                until(lambda: waiting.running())
                time.sleep(0.3)
            time.sleep(0.5)
            assert running(town_database) == 1
        answer = waiting.result()
    assert answer.status_code in (200, 204)
    assert answer.headers["x-cache"] == "shared"


def test_a_slow_map_does_not_hold_up_another(
    server: Callable[..., httpx.Client], town_database: str
) -> None:
    client = server(pool_size=3, pool_queue=40)
    client.get(own_tile("plot", 0))
    times = []
    with held_back(town_database), ThreadPoolExecutor(30) as crowd:
        stop = threading.Event()
        slow = [
            crowd.submit(httpx.get, f"{client.base_url}{never_asked(60 + day)}", timeout=30)
            for day in range(30)
        ]
        until(lambda: figure(client, "onemap_pool_waiting") >= 20)
        for day in range(40):
            start = time.monotonic()
            answer = client.get(own_tile("plot", 1 + day))
            times.append(time.monotonic() - start)
            assert answer.status_code == 200
            assert answer.headers["x-cache"] == "rendered"
        features = client.get("/api/collections/lamp/items?limit=2")
        assert features.status_code == 200
        stop.set()
        # Those of the slow map are told in time that they wait in vain.
        ends = [entry.result() for entry in slow]
    assert sorted(times)[int(0.95 * len(times))] < 0.5
    assert {end.status_code for end in ends} <= {200, 204, 503}
    assert all("retry-after" in end.headers for end in ends if end.status_code == 503)


def test_a_full_queue_answers_at_once(
    server: Callable[..., httpx.Client], town_database: str
) -> None:
    client = server(pool_queue=2)
    with ThreadPoolExecutor(3) as crowd, held_back(town_database):
        for day in range(3):
            crowd.submit(client.get, never_asked(200 + day))
        until(lambda: figure(client, "onemap_pool_waiting") == 2)
        start = time.monotonic()
        answer = client.get(never_asked(210))
        assert time.monotonic() - start < 0.5
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert answer.json()["title"] == "Database busy"
        assert figure(client, 'onemap_pool_given_up_total{reason="queue_full"}') == 1
        # Somebody else still gets a place in the line.
        assert client.get(own_tile("plot", 300)).status_code == 200


@pytest.mark.parametrize("path", ["lane/items?limit=3", "lane/items?limit=3&f=csv", "lane/items/1"])
def test_features_beyond_a_full_queue_are_to_be_asked_for_later(
    path: str, server: Callable[..., httpx.Client], town_database: str
) -> None:
    client = server(pool_queue=1, pool_size=1)
    with ThreadPoolExecutor(2) as crowd, held_back(town_database):
        for number in range(2):
            crowd.submit(client.get, f"/api/collections/lane/items?limit={number + 1}")
        until(lambda: figure(client, "onemap_pool_waiting") == 1)
        answer = client.get(f"/api/collections/{path}")
        assert (answer.status_code, answer.json()["title"]) == (503, "Database busy")
        assert int(answer.headers["retry-after"]) > 0


def test_a_tile_s_query_has_a_limit_of_its_own(
    server: Callable[..., httpx.Client], town_database: str
) -> None:
    client = server(tile_timeout_s=0.4)
    with held_back(town_database):
        start = time.monotonic()
        answer = client.get(never_asked(230))
        assert 0.3 < time.monotonic() - start < 2
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "0.4 s" in answer.json()["detail"]
        assert until(lambda: running(town_database) == 0) < 2
    assert client.get(never_asked(230)).status_code in (200, 204)


def test_tiles_are_counted_and_timed(server: Callable[..., httpx.Client]) -> None:
    client = server()
    tile = GRID.tile(*MIDDLE, 13)
    path = f"/tiles/town/13/{tile.x}/{tile.y}"
    first, second = client.get(path), client.get(path)
    assert first.headers["server-timing"].startswith("rendered;dur=")
    size = int(first.headers["content-length"])
    for source in ("rendered", "memory"):
        labels = f'{{map="town",source="{source}",zoom="13"}}'
        ordered = f'{{map="town",zoom="13",source="{source}"}}'
        found = [
            figure(client, f"onemap_{name}{form}")
            for name in ("tiles_total", "tile_bytes_total", "tile_seconds_count")
            for form in (labels, ordered)
        ]
        assert [value for value in found if value] == [1, size, 1]
    assert figure(client, 'onemap_tile_render_seconds_count{map="town",zoom="13"}') == 1
    assert figure(client, "onemap_pool_size") == 2
    assert second.headers["x-cache"] == "memory"


def test_not_ready_says_when_to_come_back(catalogue: Catalogue) -> None:
    settings = ApiSettings(default_map="town", web_root=HERE / "no-such-folder")
    with serving(settings, None, catalogue) as address:
        answer = httpx.get(f"{address}/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
