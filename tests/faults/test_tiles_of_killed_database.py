"""The database is killed under load: no tile is wrong, and service comes back by itself.

Every answer says which version of the map it shows; it must be the very bytes that a rendering
of that version gives.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cli.private_cluster import PrivateCluster
from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.errors import OneMapError
from layers.store import Store
from tests.api.test_tiles import GRID, MIDDLE
from tests.api.town import fill, load_rows, plots, read_catalogue
from tests.api.town_process import TownProcess, town_process
from tests.database import connected
from tests.faults.victims import kill_server
from tests.tiles.conftest import renderer_over
from tiles.request import TileRequest
from tiles.tileset import map_tiles

pytestmark = pytest.mark.slow
Z = 15
CENTRE = GRID.tile(*MIDDLE, Z)
PLACES = [(Z, CENTRE.x + dx, CENTRE.y + dy) for dx in range(-2, 2) for dy in range(-2, 2)]
_LATER = datetime(2022, 5, 1, tzinfo=UTC)
_BACKENDS = text("SELECT pid FROM pg_stat_activity WHERE application_name = 'onemap'")


@dataclass
class Heard:
    """What clients were answered."""

    tiles: list[tuple[tuple[int, int, int], int, bytes]] = field(default_factory=list)
    refusals: list[httpx.Response] = field(default_factory=list)
    others: list[object] = field(default_factory=list)
    end: threading.Event = field(default_factory=threading.Event)

    def ask(self, address: str) -> None:
        """Ask for tiles, half of them past the caches, until told to end."""
        with httpx.Client(base_url=address, timeout=30) as client:
            turn = 0
            while not self.end.is_set():
                turn += 1
                for z, x, y in PLACES:
                    day = f"?datetime={_LATER.year + 1 + turn % 900}-01-01" if turn % 2 else ""
                    self._hear((z, x, y), client, f"/tiles/town/{z}/{x}/{y}{day}")

    def _hear(self, place: tuple[int, int, int], client: httpx.Client, path: str) -> None:
        try:
            answer = client.get(path)
        except httpx.TransportError as error:
            self.others.append(error)
            return
        if answer.status_code in (200, 204):
            version = int(answer.headers["x-data-version"])
            self.tiles.append((place, version, answer.content))
        elif answer.status_code == 503 and "retry-after" in answer.headers:
            self.refusals.append(answer)
        else:
            self.others.append(answer.text)


@dataclass
class Town:
    """A town in a cluster of its own."""

    cluster: PrivateCluster
    url: str
    catalogue: Catalogue
    #: Version → place → the tile.
    fresh: dict[int, dict[tuple[int, int, int], bytes]] = field(default_factory=dict)

    def look(self) -> None:
        """Render all tiles as the map is now."""
        render = renderer_over(self.url, self.catalogue)
        tileset = map_tiles(self.catalogue, self.catalogue.map("town"), ANONYMOUS)
        for place in PLACES:
            tile = render(TileRequest(tileset, place))
            self.fresh.setdefault(tile.version, {})[place] = tile.data

    def load(self, use: str) -> None:
        store = Store(self.url, self.catalogue)
        try:
            load_rows(store, self.catalogue.layer("plot"), plots(use), _LATER)
        finally:
            store.close()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    cluster, catalogue = PrivateCluster(tmp_path / "own"), read_catalogue()
    with cluster.running():
        url = cluster.ensure_database("town")
        store = Store(url, catalogue)
        store.migrate()
        fill(store, catalogue)
        store.close()
        yield Town(cluster, url, catalogue)


def kill_one_session(town: Town, _: Path) -> None:
    """Kill a session that reads: the server then ends all others and recovers."""
    with connected(town.url, autocommit=True) as connection:
        pids = list(connection.execute(_BACKENDS).scalars())
    os.kill(pids[0], signal.SIGKILL)


def kill_all(town: Town, folder: Path) -> None:
    """Kill the whole server, and start it again after a while."""
    with connected(town.url) as connection:
        data = Path(connection.execute(text("SHOW data_directory")).scalar_one())
    number = (data / "postmaster.pid").read_text(encoding="utf-8").split()[0]
    (folder / "postmaster").write_text(number, encoding="ascii")
    kill_server(folder)
    time.sleep(0.5)
    town.cluster.start()


@pytest.mark.parametrize("kill", [kill_one_session, kill_all])
def test_no_tile_is_wrong_and_service_comes_back(
    kill: Callable[[Town, Path], None], town: Town, tmp_path: Path
) -> None:
    heard = Heard()
    town.look()
    with town_process(town.url, tmp_path / "tiles") as server, ThreadPoolExecutor(5) as threads:
        asking = [threads.submit(heard.ask, server.address) for _ in range(3)]
        try:
            for use in ("0101", "01", "07"):
                town.load(use)
                town.look()
                loading = threads.submit(town.load, {"01": "07"}.get(use, "01"))
                time.sleep(0.05)
                kill(town, tmp_path)
                with suppress(OneMapError, DBAPIError):
                    loading.result()
                assert seconds_until_ready(server) < 15
                town.look()
        finally:
            heard.end.set()
        for thread in asking:
            thread.result()
        figures = server.client.get("/metrics").text
    assert not heard.others
    assert heard.refusals, "nobody noticed that the database was gone"
    assert "onemap_pool_in_use 0.0" in figures
    assert "onemap_pool_waiting 0.0" in figures
    assert len(town.fresh) >= 4
    versions = {version for _, version, _ in heard.tiles}
    assert len(versions) >= 3
    wrong = [
        (place, version)
        for place, version, data in heard.tiles
        if town.fresh[version][place] != data
    ]
    assert not wrong, f"{len(wrong)} of {len(heard.tiles)}: {wrong[:5]}"


def seconds_until_ready(server: TownProcess) -> float:
    start = time.monotonic()
    while server.client.get("/readyz").status_code != 200:
        assert time.monotonic() < start + 60
        time.sleep(0.05)
    return time.monotonic() - start
