"""Tiles from archives, and archives as files, over real HTTP."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pmtiles.reader import Reader
from pydantic import SecretStr

from api.settings import ApiSettings
from gis.times import parse_instant
from layers.catalogue import Catalogue
from layers.settings import LayersSettings
from layers.store import Store
from tests.api.town import (
    HERE,
    SECOND,
    fill,
    load_rows,
    plots,
    serving,
    town_of_ones_own,
    wait_until_ready,
)
from tests.database import copied_database
from tests.tiles.test_baking import places, tell_tiles
from tiles.archives.facts import BakeScope
from tiles.archives.reading import ArchiveFile
from tiles.baking.bake import Bake
from tiles.baking.hands import own_hands
from tiles.baking.work import bake_task, reader_of

SCOPE = BakeScope(map="town", zooms=(10, 14), bbox=(114.28, 29.82, 114.36, 29.89))
#: Tiles of the town.
HOME = (12, 3348, 1691)
HOME_14 = (14, 13394, 6767)
DEEPER = (15, 26789, 13534)


@pytest.fixture(scope="module")
def own_town(
    cluster: str, postgis_template: str, catalogue: Catalogue
) -> Iterator[tuple[Store, str]]:
    with town_of_ones_own(cluster, postgis_template, catalogue) as found:
        yield found


def bake(url: str, catalogue: Catalogue, target: Path, scope: BakeScope = SCOPE) -> None:
    settings = LayersSettings(database_url=SecretStr(url), pool_size=2)
    task = bake_task(settings, catalogue, scope)

    async def run() -> None:
        reader = reader_of(task, 2)
        try:
            async with own_hands(task, 2) as hands:
                await Bake(task, catalogue, reader, hands).run(target, refresh=False)
        finally:
            await reader.close()

    asyncio.run(run())


@pytest.fixture(scope="module")
def archive(own_town: tuple[Store, str], catalogue: Catalogue, tmp_path_factory: Any) -> Path:
    path: Path = tmp_path_factory.mktemp("baked") / "town.pmtiles"
    bake(own_town[1], catalogue, path)
    return path


@contextmanager
def served(
    place: Path | str | None, url: str | None, catalogue: Catalogue, **more: Any
) -> Iterator[httpx.Client]:
    settings = ApiSettings(
        default_map="town",
        web_root=HERE / "no-such-folder",
        archives=None if place is None else str(place),
        cors_origins=("https://map.example.cn",),
        **more,
    )
    with serving(settings, url, catalogue) as address:
        with httpx.Client(base_url=address, timeout=30) as client:
            wait_until_ready(client)
            yield client


def until(said: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def level(client: httpx.Client, place: tuple[int, int, int]) -> str:
    z, x, y = place
    return str(client.get(f"/tiles/town/{z}/{x}/{y}").headers["x-cache"])


def opened(client: httpx.Client) -> bool:
    return client.get("/archives/town.pmtiles", headers={"range": "bytes=0-0"}).status_code == 206


def failures(client: httpx.Client) -> bool:
    return "onemap_archive_failures_total{" in client.get("/metrics").text


def test_tiles_come_from_the_archive_as_they_would_be_rendered(
    own_town: tuple[Store, str], catalogue: Catalogue, archive: Path
) -> None:
    _, url = own_town
    with (
        served(None, url, catalogue) as plain,
        served(archive.parent, url, catalogue) as client,
    ):
        until(lambda: opened(client))
        for z, x, y in places(SCOPE):
            path = f"/tiles/town/{z}/{x}/{y}"
            rendered, baked = plain.get(path), client.get(path)
            assert baked.headers["x-cache"] == "archive"
            assert rendered.headers["x-cache"] == "rendered"
            assert (baked.status_code, baked.content) == (rendered.status_code, rendered.content)
            for name in ("etag", "x-data-version", "content-type", "content-encoding"):
                assert baked.headers.get(name) == rendered.headers.get(name)
            assert client.get(path).headers["x-cache"] == "memory"
        # What the archive does not know, or holds of another time.
        assert level(client, DEEPER) == "rendered"
        assert level(client, (12, 0, 0)) == "rendered"
        past = client.get("/tiles/town/12/3348/1691?datetime=2013-01-01")
        assert past.headers["x-cache"] == "rendered"
        assert not failures(client)


@pytest.mark.slow
def test_touched_tiles_are_rendered_and_the_others_are_not(
    cluster: str, postgis_template: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, catalogue)
        store.migrate()
        fill(store, catalogue)
        bake(url, catalogue, tmp_path / "town.pmtiles")
        changed = plots("08")[7]
        load_rows(store, catalogue.layer("plot"), [changed], parse_instant("2021-01-01"))
        tell_tiles(url, "plot", changed["geometry"])
        with (
            served(tmp_path, url, catalogue, tile_cache_mb=0) as client,
            served(None, url, catalogue) as plain,
        ):
            until(lambda: opened(client))
            levels = set()
            for z, x, y in places(SCOPE):
                answer, wanted = (one.get(f"/tiles/town/{z}/{x}/{y}") for one in (client, plain))
                assert (answer.status_code, answer.content) == (wanted.status_code, wanted.content)
                levels.add((z, answer.headers["x-cache"]))
            assert {(14, "archive"), (14, "rendered"), (10, "rendered")} <= levels
            # A further change is heard: everything of the layer.
            load_rows(store, catalogue.layer("plot"), plots("07"), parse_instant("2022-01-01"))
            until(lambda: level(client, HOME_14) == "rendered", 5)
            # The archive is brought up to date while it is served.
            bake(url, catalogue, tmp_path / "town.pmtiles")
            until(lambda: level(client, HOME_14) == "archive")
            for z, x, y in places(SCOPE):
                answer, wanted = (one.get(f"/tiles/town/{z}/{x}/{y}") for one in (client, plain))
                assert (answer.status_code, answer.content) == (wanted.status_code, wanted.content)
        store.close()


def refused(place: Path, url: str, catalogue: Catalogue) -> None:
    with served(place, url, catalogue) as client:
        until(lambda: failures(client))
        assert level(client, HOME) == "rendered"
        assert client.get("/archives/town.pmtiles").status_code == 404


@pytest.mark.slow
def test_archives_that_do_not_fit_are_left_alone(
    own_town: tuple[Store, str], catalogue: Catalogue, archive: Path, tmp_path: Path
) -> None:
    _, url = own_town
    octets = bytearray(archive.read_bytes())
    octets[130] ^= 1
    cases = {"damaged": bytes(octets), "cut": archive.read_bytes()[:-1], "text": b"no archive"}
    for name, content in cases.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "town.pmtiles").write_bytes(content)
        refused(tmp_path / name, url, catalogue)
    (tmp_path / "past").mkdir()
    scope = SCOPE.model_copy(update={"at": SECOND, "zooms": (12, 12)})
    bake(url, catalogue, tmp_path / "past" / "town.pmtiles", scope)
    refused(tmp_path / "past", url, catalogue)
    (tmp_path / "other").mkdir()
    told = {"abstract": catalogue.layers["plot"].abstract}
    layer = catalogue.layers["lane"].model_copy(update=told)
    changed = Catalogue(
        type(catalogue.layers)({**catalogue.layers, "lane": layer}), catalogue.maps, catalogue.codes
    )
    shutil.copy(archive, tmp_path / "other" / "town.pmtiles")
    refused(tmp_path / "other", url, changed)


def test_a_damaged_tile_is_rendered(
    own_town: tuple[Store, str], catalogue: Catalogue, archive: Path, tmp_path: Path
) -> None:
    file = ArchiveFile(archive)
    tiles = file.contents.header.tiles
    octets = bytearray(archive.read_bytes())
    for place in range(tiles.offset + 20, tiles.end, 97):
        octets[place] ^= 0xFF
    (tmp_path / "town.pmtiles").write_bytes(octets)
    wanted = file.tile(*HOME, "").unpacked()
    file.close()
    with served(tmp_path, own_town[1], catalogue) as client:
        until(lambda: opened(client))
        answer = client.get("/tiles/town/{}/{}/{}".format(*HOME))
        assert (answer.headers["x-cache"], answer.content) == ("rendered", wanted)
        assert failures(client)


def test_ranges_of_the_file(
    own_town: tuple[Store, str], catalogue: Catalogue, archive: Path
) -> None:
    octets = archive.read_bytes()
    size = len(octets)
    path = "/archives/town.pmtiles"
    with served(archive.parent, own_town[1], catalogue) as client:
        until(lambda: opened(client))
        whole = client.get(path)
        assert (whole.status_code, whole.content) == (200, octets)
        etag = whole.headers["etag"]
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["content-type"] == "application/vnd.pmtiles"
        head = client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(size)

        def ask(span: str, **more: str) -> httpx.Response:
            return client.get(path, headers={"range": span, **more})

        for span, start, end in (
            ("bytes=0-126", 0, 127),
            ("bytes=0-16383", 0, min(16384, size)),
            (f"bytes={size - 5}-", size - 5, size),
            ("bytes=-7", size - 7, size),
            (f"bytes=10-{size + 99}", 10, size),
            (f"bytes=-{size + 5}", 0, size),
        ):
            answer = ask(span)
            assert (answer.status_code, answer.content) == (206, octets[start:end]), span
            assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
            assert answer.headers["content-length"] == str(end - start)
            assert answer.headers["etag"] == etag
        for span in (f"bytes={size}-", f"bytes={size + 9}-{size + 10}", "bytes=-0"):
            answer = ask(span)
            assert (answer.status_code, answer.content) == (416, b"")
            assert answer.headers["content-range"] == f"bytes */{size}"
        # What cannot be read, or would be several answers, is not heeded.
        for span in ("bytes=5-2", "lines=1-2", "bytes=a-b", "bytes=0-1,4-5"):
            assert (ask(span).status_code, len(ask(span).content)) == (200, size)
        assert ask("bytes=0-3", **{"if-range": etag}).status_code == 206
        assert ask("bytes=0-3", **{"if-range": '"other"'}).status_code == 200
        assert ask("bytes=0-3", **{"if-match": etag}).status_code == 206
        assert ask("bytes=0-3", **{"if-match": '"other"'}).status_code == 412
        assert client.get(path, headers={"if-none-match": etag}).status_code == 304
        head = client.head(path, headers={"range": "bytes=0-3"})
        assert (head.status_code, head.headers["content-length"]) == (206, "4")
        cors = ask("bytes=0-3", origin="https://map.example.cn").headers
        assert cors["access-control-allow-origin"] == "https://map.example.cn"
        assert {"etag", "content-range"} <= set(cors["access-control-expose-headers"].split(", "))
        preflight = client.options(
            path,
            headers={
                "origin": "https://map.example.cn",
                "access-control-request-method": "GET",
                "access-control-request-headers": "range",
            },
        )
        assert "range" in preflight.headers["access-control-allow-headers"]
        for name in ("nowhere", "..%2ftown", "secret"):
            assert client.get(f"/archives/{name}.pmtiles").status_code == 404
        # The reference library reads it as pmtiles.js does.
        reader = Reader(lambda offset, length: ask(f"bytes={offset}-{offset + length - 1}").content)
        assert reader.metadata()["onemap"]["scope"]["map"] == "town"
        assert reader.get(*HOME)


def test_an_archive_alone_is_served_without_a_database(
    own_town: tuple[Store, str], catalogue: Catalogue, archive: Path
) -> None:
    with (
        served(archive, None, catalogue) as still,
        served(None, own_town[1], catalogue) as plain,
    ):
        for z, x, y in places(SCOPE):
            path = f"/tiles/town/{z}/{x}/{y}"
            answer, wanted = still.get(path), plain.get(path)
            assert (answer.status_code, answer.content) == (wanted.status_code, wanted.content)
            assert answer.headers["etag"] == wanted.headers["etag"]
        for path in (
            "/tiles/town/{}/{}/{}".format(*DEEPER),
            "/tiles/town/12/0/0",
            "/tiles/town/12/3348/1691?datetime=2013-01-01",
        ):
            assert still.get(path).status_code == 404
        document = still.get("/tiles/town.json").json()
        versioned = document["versioned_tiles"][0].format(z=12, x=3348, y=1691)
        assert "immutable" in still.get(versioned).headers["cache-control"]
        assert still.get("/api/maps/town").status_code == 200
        assert still.get("/archives/town.pmtiles").status_code == 200
        assert still.get("/api/collections/plot/items").status_code == 503


def test_an_archive_over_http(
    own_town: tuple[Store, str], catalogue: Catalogue, archive: Path, tmp_path: Path
) -> None:
    shutil.copy(archive, tmp_path / "town.pmtiles")
    _, url = own_town
    with served(tmp_path, url, catalogue) as shop:
        until(lambda: opened(shop))
        address = f"{str(shop.base_url).rstrip('/')}/archives"
        with served(address, url, catalogue, tile_cache_mb=0) as client:
            until(lambda: level(client, HOME) == "archive")
            file = ArchiveFile(archive)
            for z, x, y in places(SCOPE):
                answer = client.get(f"/tiles/town/{z}/{x}/{y}")
                assert answer.content == file.tile(z, x, y, "").unpacked()
                assert answer.headers["x-cache"] == "archive"
            file.close()
            assert client.get("/archives/town.pmtiles").status_code == 404
            # Another object takes its place: the next range is not taken from it.
            octets = (tmp_path / "town.pmtiles").read_bytes()
            (tmp_path / "new").write_bytes(octets)
            (tmp_path / "new").rename(tmp_path / "town.pmtiles")
            until(lambda: opened(shop))
            time.sleep(1.5)
            assert client.get("/tiles/town/{}/{}/{}".format(*HOME)).status_code == 200
            until(lambda: level(client, HOME) == "archive")


def test_a_file_that_is_overwritten_in_its_place_is_let_go(
    own_town: tuple[Store, str], catalogue: Catalogue, archive: Path, tmp_path: Path
) -> None:
    path = tmp_path / "town.pmtiles"
    shutil.copy(archive, path)
    with served(tmp_path, own_town[1], catalogue, tile_cache_mb=0) as client:
        until(lambda: opened(client))
        assert level(client, HOME) == "archive"
        with path.open("r+b") as file:
            file.truncate(200)
        answer = client.get("/tiles/town/{}/{}/{}".format(*HOME))
        assert (answer.status_code, answer.headers["x-cache"]) == (200, "rendered")
        shutil.copy(archive, path)
        until(lambda: level(client, HOME) == "archive")
