"""Manners of exports: who leaves ends them, what breaks is seen to, and nothing stays behind."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pyogrio
import pytest
import shapely
from sqlalchemy import text

from api.settings import ApiSettings
from gis.scratch import ScratchFolder, sweep_scratch
from layers.catalogue import Catalogue
from layers.store import Store
from tests.api.test_manners import asked, held_back, running, until
from tests.api.town import FIRST, HERE, load_rows, serving, wait_until_ready
from tests.database import connected, copied_database

LAMPS = "/api/collections/lamp/items"
_MANY = 150_000
#: Names so long that the file of all lamps (some 100 MB) fits into no buffers between database
#: and client: a system may let a single socket hold 32 MB.
_LONG = "长" * 200


@pytest.fixture(scope="module")
def crowded(cluster: str, postgis_template: str, catalogue: Catalogue) -> Iterator[str]:
    """A database with many lamps, of which one has a name that GBK lacks."""
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, catalogue)
        store.migrate()
        lamps: list[dict[str, object]] = [
            {
                "zone": (f"=区{number}" + _LONG * (number > 1000)) if number else "\u3a5f",
                "number": number,
                "geometry": shapely.Point(114.3 + number * 1e-6, 29.9),
            }
            for number in range(_MANY)
        ]
        load_rows(store, catalogue.layer("lamp"), lamps, FIRST)
        lanes: list[dict[str, object]] = [
            {
                "number": 1,
                "name": "𠮷\u3a5f<&>",
                "geometry": shapely.LineString([(114, 30, 1), (115, 30, 2)]),
            }
        ]
        load_rows(store, catalogue.layer("lane"), lanes, FIRST)
        store.close()
        yield url


@contextmanager
def served(
    url: str, catalogue: Catalogue, *, limit: int = 1_000_000, jobs: int = 4
) -> Iterator[httpx.Client]:
    settings = ApiSettings(
        default_map="town",
        web_root=HERE / "no-such-folder",
        export_limit=limit,
        export_jobs=jobs,
    )
    with (
        serving(settings, url, catalogue, pool_size=3) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="module")
def client(crowded: str, catalogue: Catalogue) -> Iterator[httpx.Client]:
    with served(crowded, catalogue) as found:
        yield found


def writers() -> list[int]:
    """The processes that this one has started to write exports."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            if b"api.export_worker" in command:
                found.append(int(child))
    return found


@pytest.mark.parametrize("name", ["geojsonseq", "gpkg"])
def test_who_leaves_ends_query_and_writer(client: httpx.Client, crowded: str, name: str) -> None:
    with held_back(crowded, "lamp"):
        with asked(str(client.base_url), f"{LAMPS}?f={name}&limit=100000"):
            until(lambda: running(crowded) == 1 and len(writers()) == 1)
        until(lambda: running(crowded) == 0 and not writers())


def test_who_stops_reading_midway_ends_them_too(client: httpx.Client, crowded: str) -> None:
    with asked(str(client.base_url), f"{LAMPS}?f=geojsonseq") as line:
        assert line.recv(100).startswith(b"HTTP/1.1 200")
        until(lambda: running(crowded) == 1)
    until(lambda: running(crowded) == 0 and not writers())
    assert client.get(LAMPS, params={"f": "csv", "limit": "1"}).status_code == 200


@pytest.mark.parametrize("victim", ["query", "writer"])
def test_what_breaks_midway_is_not_taken_for_whole(
    client: httpx.Client, crowded: str, victim: str
) -> None:
    with client.stream("GET", LAMPS, params={"f": "geojsonseq"}) as answer:
        assert answer.status_code == 200
        chunks = answer.iter_raw()
        next(chunks)
        if victim == "query":
            with connected(crowded) as connection:
                connection.execute(
                    text(
                        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
                        "WHERE state = 'active' AND datname = current_database() "
                        "AND query LIKE 'COPY%'"
                    )
                )
        else:
            for writer in writers():
                os.kill(writer, 9)
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in chunks:
                pass
    until(lambda: not writers())


def test_one_export_too_many_may_come_back(crowded: str, catalogue: Catalogue) -> None:
    with served(crowded, catalogue, jobs=1) as client:
        with client.stream("GET", LAMPS, params={"f": "geojsonseq"}) as answer:
            assert answer.status_code == 200
            busy = client.get(LAMPS, params={"f": "csv"})
            assert busy.status_code == 503
            assert int(busy.headers["retry-after"]) > 0
            assert busy.headers["content-type"] == "application/problem+json"
        few = {"f": "csv", "limit": "1"}
        until(lambda: client.get(LAMPS, params=few).status_code == 200)


def test_too_many_features_are_refused_with_their_count(crowded: str, catalogue: Catalogue) -> None:
    with served(crowded, catalogue, limit=1000) as client:
        whole = client.get(LAMPS, params={"f": "gpkg"})
        assert whole.status_code == 400
        assert "150,000 features match" in whole.json()["detail"]
        assert "at most 1,000" in whole.json()["detail"]
        some = client.get(LAMPS, params={"f": "csv", "filter": "number >= 500"})
        assert "more than 1,000 features match" in some.json()["detail"]
        few = client.get(LAMPS, params={"f": "csv", "filter": "number < 1000"})
        assert few.text.count("\n") == 1001
        assert client.get(LAMPS, params={"f": "csv", "limit": "1000"}).status_code == 200


def test_others_do_not_wait_for_an_export(client: httpx.Client) -> None:
    with httpx.Client(base_url=client.base_url) as other, ExitStack() as stack:
        stack.enter_context(client.stream("GET", LAMPS, params={"f": "geojsonseq"}))
        waits = []
        for _ in range(30):
            start = time.perf_counter()
            assert other.get("/healthz").status_code == 200
            waits.append(time.perf_counter() - start)
        assert sorted(waits)[len(waits) // 2] < 0.05


def test_what_gbk_lacks_is_said(client: httpx.Client) -> None:
    answer = client.get(LAMPS, params={"f": "shp", "encoding": "GBK", "limit": "10"})
    assert answer.status_code == 400
    assert "GBK has no '\u3a5f' (U+3A5F)" in answer.json()["detail"]
    assert "'zone' of feature 1:" in answer.json()["detail"]


def test_no_cell_begins_like_a_formula(client: httpx.Client) -> None:
    query = {"f": "csv", "limit": "1", "filter": "number = 1", "properties": "zone"}
    assert ',"\'=区1",' in client.get(LAMPS, params=query).text
    assert ',"=区1",' in client.get(LAMPS, params={**query, "formulas": "keep"}).text


def test_odd_characters_come_through(client: httpx.Client, tmp_path: Path) -> None:
    for name in ("kml", "dxf", "xlsx", "csv"):
        answer = client.get("/api/collections/lane/items", params={"f": name})
        file = tmp_path / f"lane.{name}"
        file.write_bytes(answer.content)
        columns = pyogrio.read_arrow(file, layer=0)[1].to_pydict()
        if name == "dxf":
            # As AutoCAD writes what its code page lacks; GDAL leaves it as it stands.
            assert "\\U+D842\\U+DFB7\\U+3A5F<&>" in columns["Text"]
        else:
            assert "𠮷\u3a5f<&>" in str(columns), name


def test_a_full_disk_is_said(client: httpx.Client, tmp_path: Path) -> None:
    room = tmp_path / "small"
    room.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(room)], check=False
    )
    if mounted.returncode:
        pytest.skip("only root can make a small disk")
    before = tempfile.tempdir
    tempfile.tempdir = str(room)
    try:
        for name in ("gpkg", "fgb", "parquet", "xlsx"):
            answer = client.get(LAMPS, params={"f": name})
            assert answer.status_code == 507, name
            assert answer.headers["content-type"] == "application/problem+json"
            assert "no room" in answer.json()["detail"]
        assert list(room.iterdir()) == []
    finally:
        tempfile.tempdir = before
        subprocess.run(["umount", str(room)], check=True)


def test_files_of_a_server_that_was_killed_are_swept(tmp_path: Path) -> None:
    program = (
        "import time; from gis.scratch import ScratchFolder; folder = ScratchFolder(); "
        "(folder.path / 'export.gpkg').write_bytes(b'x'); print(folder.path, flush=True); "
        "time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=HERE.parent.parent
    )
    assert process.stdout is not None
    with process:
        left = Path(process.stdout.readline().strip())
        sweep_scratch()
        assert left.exists()
        process.kill()
    with ScratchFolder() as mine:
        sweep_scratch()
        assert not left.exists()
        assert mine.exists()
