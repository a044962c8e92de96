"""What loads change is told to every process within a second, and nothing else is lost."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from sqlalchemy import Connection, text

from layers.catalogue import Catalogue
from layers.publishing import publish_tiles
from layers.store import Store
from layers.tile_news import tile_code
from tests.api.test_tiles import GRID, MIDDLE
from tests.api.town import SECOND, load_rows, plots
from tests.api.town_process import TownProcess, town_process
from tests.database import connected, copied_database

Z = 14
CENTRE = GRID.tile(*MIDDLE, Z)
_LATER = datetime(2022, 5, 1, tzinfo=UTC)


def path(dx: int = 0, dy: int = 0, z: int = Z) -> str:
    tile = GRID.tile(*MIDDLE, z)
    return f"/tiles/town/{z}/{tile.x + dx}/{tile.y + dy}"


@pytest.fixture
def database(cluster: str, town_database: str) -> Iterator[str]:
    """A copy of the test town that may be changed."""
    name = town_database.rsplit("/", 1)[1].split("?")[0]
    with connected(cluster, autocommit=True) as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
    with copied_database(cluster, name) as url:
        yield url


@pytest.fixture
def two(database: str, tmp_path: Path) -> Iterator[tuple[TownProcess, TownProcess]]:
    store = tmp_path / "tiles"
    with town_process(database, store) as one, town_process(database, store) as other:
        yield one, other


def seconds_until(true: Callable[[], bool]) -> float:
    start = time.monotonic()
    while not true():
        assert time.monotonic() < start + 20
        time.sleep(0.01)
    return time.monotonic() - start


def touch(database: str, zoom: int, tiles: list[tuple[int, int]] | None) -> None:
    """Have the database say that tiles of the plots changed."""
    codes = None
    if tiles is not None:
        codes = np.array(sorted(tile_code(*tile) for tile in tiles), np.int64)
    with connected(database) as connection:
        publish_tiles(connection, "plot", _LATER, {zoom: codes})


@contextmanager
def held_table(database: str) -> Iterator[Connection]:
    """Keep everybody from reading the plots."""
    with connected(database) as connection:
        connection.execute(text("LOCK TABLE city.plot IN ACCESS EXCLUSIVE MODE"))
        yield connection


def test_a_load_is_seen_by_every_process_within_a_second(
    two: tuple[TownProcess, TownProcess], database: str, catalogue: Catalogue
) -> None:
    before = [one.get(path())[0] for one in two]
    assert before[0] == before[1]
    store = Store(database, catalogue)
    load_rows(store, catalogue.layer("plot"), plots("0101"), _LATER)
    store.close()
    waited = [seconds_until(lambda one=one: one.get(path())[0] != before[0]) for one in two]
    assert max(waited) < 1.0
    after = [one.get(path()) for one in two]
    assert after[0][0] == after[1][0]
    assert {level for _, level in after} == {"memory"}
    # What was so before that survey still is.
    for one in two:
        then = one.get(f"{path()}?datetime=2020-01-01")[0]
        assert then == one.get(f"{path()}?datetime=2020-06-01")[0] != after[0][0]


def test_exactly_what_changed_is_forgotten(
    two: tuple[TownProcess, TownProcess], database: str
) -> None:
    spots = [path(dx, dy) for dx in range(-1, 2) for dy in range(-1, 2)]
    others = [path(z=12), path(z=15), f"{path()}?datetime=2015-01-01", "/tiles/town/14/0/0"]
    for one in two:
        for spot in (*spots, *others):
            one.get(spot)
            assert one.get(spot)[1] == "memory"
    dated = f"{path()}?datetime=2023-01-01"
    two[0].get(dated)
    touch(database, Z, [(CENTRE.x, CENTRE.y), (CENTRE.x + 1, CENTRE.y)])
    gone = {path(), path(1, 0)}
    seconds_until(lambda: two[0].get(path())[1] == "rendered")
    time.sleep(0.2)
    levels = [{spot: one.get(spot)[1] for spot in spots} for one in two]
    assert levels[0].pop(path()) == "memory"
    assert levels[0].pop(path(1, 0)) == "rendered"
    assert levels[1].pop(path()) == levels[1].pop(path(1, 0)) == "disk"
    for left in levels:
        assert set(left.values()) == {"memory"}
        assert not gone & set(left)
    for spot in others:
        assert [one.get(spot)[1] for one in two] == ["memory", "memory"]
    assert two[0].get(dated)[1] == "rendered"


@pytest.mark.slow
def test_tiles_outlive_the_processes(database: str, tmp_path: Path) -> None:
    store = tmp_path / "tiles"
    with town_process(database, store) as one:
        kept = [one.get(path(dx))[0] for dx in (-1, 0, 1)]
        empty = one.get("/tiles/town/14/0/0")
        one.kill()
    touch(database, Z, [(CENTRE.x, CENTRE.y)])
    file = next(store.glob(f"*/public/town/{Z}/{CENTRE.x + 1}/{CENTRE.y}.gz"))
    damaged = bytearray(file.read_bytes())
    damaged[-20] ^= 4
    file.write_bytes(damaged)
    with town_process(database, store) as again:
        assert [again.get(path(dx)) for dx in (-1, 0, 1)] == [
            (kept[0], "disk"),
            # It changed while nobody served, and this one is damaged.
            (kept[1], "rendered"),
            (kept[2], "rendered"),
        ]
        assert again.get("/tiles/town/14/0/0") == (empty[0], "disk")


def test_processes_render_a_tile_once_between_them(
    two: tuple[TownProcess, TownProcess], database: str
) -> None:
    with ThreadPoolExecutor(8) as threads:
        with held_table(database):
            asked = [threads.submit(two[number % 2].get, path(z=15)) for number in range(8)]
            time.sleep(0.3)
        answers = [entry.result() for entry in asked]
    assert len({data for data, _ in answers}) == 1
    levels = [level for _, level in answers]
    assert levels.count("rendered") == 1
    assert levels.count("shared") >= 4


@pytest.mark.slow
def test_who_waits_for_a_process_that_is_killed_renders_itself(
    two: tuple[TownProcess, TownProcess], database: str
) -> None:
    with ThreadPoolExecutor(2) as threads:
        with held_table(database):
            lost: Future[tuple[bytes, str]] = threads.submit(two[0].get, path(z=15))
            time.sleep(0.2)
            waits = threads.submit(two[1].get, path(z=15))
            time.sleep(0.2)
            two[0].kill()
            with pytest.raises(httpx.TransportError):
                lost.result()
        start = time.monotonic()
        assert waits.result()[1] == "rendered"
        assert time.monotonic() - start < 2.0


@pytest.mark.slow
def test_processes_killed_under_load_leave_no_wrong_tile(
    database: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    store, city = tmp_path / "tiles", Store(database, catalogue)
    spots = [path(dx, dy, 15) for dx in range(-2, 2) for dy in range(-2, 2)]

    def hammer(one: TownProcess) -> None:
        try:
            while True:
                for spot in spots:
                    one.get(spot)
        except httpx.TransportError:
            return

    for use in ("01", "07", "0101"):
        with town_process(database, store) as one, ThreadPoolExecutor(3) as threads:
            for _ in range(3):
                threads.submit(hammer, one)
            load_rows(city, catalogue.layer("plot"), plots(use), _LATER)
            time.sleep(0.05)
            one.kill()
    city.close()
    with town_process(database, store) as last, town_process(database, tmp_path / "new") as fresh:
        for spot in spots:
            assert last.get(spot)[0] == fresh.get(spot)[0]


def test_a_lost_connection_is_made_again_and_nothing_is_missed(
    two: tuple[TownProcess, TownProcess], database: str
) -> None:
    kept = two[0].get(path(1))[0]
    two[0].get(path())
    with connected(database, autocommit=True) as connection:
        ended = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    assert ended >= 2
    touch(database, Z, [(CENTRE.x, CENTRE.y)])
    seconds_until(lambda: two[0].client.get("/readyz").status_code == 200)
    assert two[0].get(path())[1] == "rendered"
    assert two[0].get(path(1)) == (kept, "memory")


def test_loads_of_the_same_change_nothing(
    two: tuple[TownProcess, TownProcess], database: str, catalogue: Catalogue
) -> None:
    for one in two:
        one.get(path())
    store = Store(database, catalogue)
    load_rows(store, catalogue.layer("plot"), plots("07")[:150], SECOND)
    store.close()
    time.sleep(0.3)
    assert [one.get(path())[1] for one in two] == ["memory", "memory"]
