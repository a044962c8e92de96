"""nginx in front: what is on disk comes from there, and nothing that is outdated."""

import gzip
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.front_conf import FrontConf, front_conf
from tests.api.nginx import free_port, nginx
from tests.api.test_tile_invalidation import CENTRE, Z, database, path, seconds_until, touch
from tests.api.town_process import TownProcess, town_process
from tests.cli.worker_process import onemap
from tiles.packing import PackedTile, pack

__all__ = ["database"]


@pytest.fixture
def server(database: str, tmp_path: Path) -> Iterator[TownProcess]:
    with town_process(database, tmp_path / "tiles") as process:
        yield process


@pytest.fixture
def front(server: TownProcess, tmp_path: Path) -> Iterator[httpx.Client]:
    port = free_port()
    wanted = FrontConf(
        store=tmp_path / "tiles",
        upstream=urlsplit(server.address).netloc,
        listen=f"127.0.0.1:{port}",
        name="_",
        tile_max_age_s=0,
        cors_origins=("https://a.example",),
        max_upload_bytes=10**6,
    )
    with nginx(front_conf(wanted), tmp_path / "nginx", port) as address:
        with httpx.Client(base_url=address) as client:
            yield client


def test_tiles_come_from_disk_as_the_service_gives_them(
    server: TownProcess, front: httpx.Client
) -> None:
    spot = path()
    missed, hit = front.get(spot), front.get(spot)
    assert missed.headers["x-cache"] == "rendered"
    assert hit.headers["x-cache"] == "front"
    own = server.client.get(spot)
    assert own.content == hit.content == missed.content
    for name in ("etag", "content-type", "content-encoding", "cache-control", "content-length"):
        assert hit.headers[name] == own.headers[name] == missed.headers[name]
    assert "last-modified" not in hit.headers
    assert front.get(f"{spot}.mvt").content == own.content
    head = front.head(spot)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == hit.headers["content-length"]
    for tags in (own.headers["etag"], f'"x", W/{own.headers["etag"]}', "*"):
        known = front.get(spot, headers={"if-none-match": tags})
        assert (known.status_code, known.headers["x-cache"]) == (304, "front")
    # A date that the file seems to be older than is no reason not to send it.
    dated = front.get(spot, headers={"if-modified-since": "Fri, 24 Aug 2400 12:00:03 GMT"})
    assert dated.status_code == 200
    plain = front.get(spot, headers={"accept-encoding": "identity"})
    assert plain.content == own.content
    assert "content-encoding" not in plain.headers
    with front.stream("GET", spot, headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert gzip.decompress(raw) == own.content


def test_everything_else_goes_to_the_service(server: TownProcess, front: httpx.Client) -> None:
    spot = path()
    for _ in range(2):
        front.get(spot)
    for other in (
        front.get(spot, params={"datetime": "2015-01-01"}),
        front.get(spot, headers={"authorization": "Bearer x"}),
        front.get(spot, headers={"cookie": "a=b"}),
        front.get("/tiles/town/14/0/0"),
    ):
        assert other.status_code in (200, 204)
        assert other.headers["x-cache"] in ("memory", "rendered")
    assert front.get("/tiles/town/14/0/0").status_code == 204
    assert front.post(spot).status_code == 405
    for missing in (
        "nothing/14/0/0",
        "town",
        "town/",
        "town/14/",
        "town/../ledger",
        "town/%2e",
    ):
        assert front.get(f"/tiles/{missing}").status_code in (400, 404)
    assert front.get("/tiles/town/14/999999/0").status_code == 404
    assert front.get("/api").json()["links"]
    assert front.get("/tiles/town.json").json()["tiles"][0].startswith(str(front.base_url)[:-1])
    given = front.get(spot, headers={"origin": "https://a.example"})
    assert given.headers["access-control-allow-origin"] == "https://a.example"
    refused = front.get(spot, headers={"origin": "https://b.example"})
    assert "access-control-allow-origin" not in refused.headers


def test_what_a_load_changed_is_gone_within_a_second(
    front: httpx.Client,
    database: str,
) -> None:
    for _ in range(2):
        front.get(path())
        front.get(path(1))
    touch(database, Z, [(CENTRE.x, CENTRE.y)])
    waited = seconds_until(lambda: front.get(path()).headers["x-cache"] != "front")
    assert waited < 1.0
    assert front.get(path(1)).headers["x-cache"] == "front"
    assert front.get(path()).headers["x-cache"] == "front"


def test_nothing_is_served_from_disk_while_nobody_keeps_it(
    server: TownProcess, front: httpx.Client, tmp_path: Path
) -> None:
    for _ in range(2):
        front.get(path())
    assert front.get(path()).headers["x-cache"] == "front"
    server.kill()
    waited = seconds_until(lambda: front.get(path()).status_code == 502)
    assert waited < 3.5
    assert list((tmp_path / "tiles").glob("*/public/town/14/*/*.gz"))


def test_no_file_is_served_once_it_is_replaced_or_gone(tmp_path: Path) -> None:
    """Files are held open, yet the very next answer shows what is on disk."""
    port = free_port()
    nobody = f"127.0.0.1:{free_port()}"
    wanted = FrontConf(
        store=tmp_path / "tiles",
        upstream=nobody,
        listen=f"127.0.0.1:{port}",
        name="_",
        tile_max_age_s=0,
        cors_origins=(),
        max_upload_bytes=10**6,
        open_files=2,
    )
    generations = [tmp_path / "tiles" / name / "public" for name in ("one", "two")]
    link = tmp_path / "tiles" / "public"
    for folder in generations:
        (folder / "town/14/7").mkdir(parents=True)
    link.symlink_to("one/public")
    with (
        nginx(front_conf(wanted), tmp_path / "nginx", port) as address,
        httpx.Client(base_url=address) as client,
    ):
        tags = set()
        for number in range(60):
            for row in range(3):
                body = f"tile {number} in row {row}".encode()
                tile = _put(generations[0], row, body)
                told = client.get(f"/tiles/town/14/7/{row}")
                assert (told.status_code, told.content) == (200, body)
                assert told.headers["etag"] == f'"{tile.tag}"'
                again = {"if-none-match": told.headers["etag"]}
                assert client.get(f"/tiles/town/14/7/{row}", headers=again).status_code == 304
                tags.add(told.headers["etag"])
            gone = generations[0] / f"town/14/7/{number % 3}.gz"
            gone.unlink()
            for headers in ({}, again):
                left = client.get(f"/tiles/town/14/7/{number % 3}", headers=headers)
                assert left.status_code == 502
        assert len(tags) == 180
        # Another generation of the store, and then none that is kept in step.
        _put(generations[0], 0, b"of the first")
        assert client.get("/tiles/town/14/7/0").content == b"of the first"
        _put(generations[1], 0, b"of the second")
        link.unlink()
        assert client.get("/tiles/town/14/7/0").status_code == 502
        link.symlink_to("two/public")
        assert client.get("/tiles/town/14/7/0").content == b"of the second"


def _put(public: Path, row: int, body: bytes) -> PackedTile:
    """Put a tile in its place as the store does."""
    tile = pack(body, f"public/town/14/7/{row}.gz")
    made = public / "made"
    made.write_bytes(tile.packed)
    os.utime(made, (time.time(), tile.stamp))
    made.rename(public / f"town/14/7/{row}.gz")
    return tile


def test_the_command_prints_what_the_settings_say(database: str, tmp_path: Path) -> None:
    port = free_port()
    told = onemap(
        database,
        "nginx-conf",
        f"--listen=127.0.0.1:{port}",
        "--name=map.example.cn",
        "--open-files=900",
        TILE_STORE=tmp_path / "tiles",
        CORS_ORIGINS='["*"]',
        TILE_MAX_AGE_S=60,
        PORT=8123,
    )
    assert told.returncode == 0, told.stderr
    with nginx(told.stdout, tmp_path / "nginx", port) as address:
        # Nobody listens behind it.
        assert httpx.get(f"{address}{path()}").status_code == 502
    assert "server 127.0.0.1:8123;" in told.stdout
    assert 'Cache-Control "public, max-age=60"' in told.stdout
    assert "open_file_cache max=900 " in told.stdout
    missing = onemap(database, "nginx-conf")
    assert missing.returncode == 1
    assert "ONEMAP_TILE_STORE is not set" in missing.stderr
    unfit = onemap(database, "nginx-conf", "--name=a;b", TILE_STORE=tmp_path)
    assert unfit.returncode == 1
    assert "a;b" in unfit.stderr


def test_time_for_the_guard(server: TownProcess, tmp_path: Path) -> None:
    """A server that stands still does not keep the link for ever."""
    link = tmp_path / "tiles" / "public"
    server.process.send_signal(19)
    try:
        assert seconds_until(lambda: not link.is_symlink()) < 4.5
    finally:
        server.process.send_signal(18)
    seconds_until(link.exists)
    time.sleep(0.1)
    assert server.client.get("/readyz").status_code == 200
