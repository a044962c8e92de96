"""Whatever a load is about when it is killed, the map stays as it was, and the load can be retried.

A trigger makes the load stand still where it touches a table; there either its process is killed
(``kill -9``) or its session in the database is.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import geopandas
import pytest
import shapely
from sqlalchemy import make_url, text

from etl.jobs import queued_load
from etl.load import LoadRequest
from layers.catalogue import Catalogue, load_catalogue
from layers.load_desk import LoadDesk
from layers.store import Store
from tests.cli.worker_process import ended, rows, until, worker
from tests.database import connected, copied_database


@dataclass(frozen=True)
class Point:
    """Where a load stands still: in the statement that does this to that table."""

    table: str
    event: str
    #: Seen by the trigger in the row; the first statement that meets it waits.
    when: str = "true"


POINTS = {
    "the record is opened": Point("onemap.load", "UPDATE", "NEW.checksum IS NOT NULL"),
    "a bad row goes to quarantine": Point("onemap.quarantine", "INSERT"),
    "versions are closed": Point("city.place_name", "UPDATE"),
    "versions are opened": Point("city.place_name", "INSERT"),
    "the layer's figures change": Point("onemap.layer", "UPDATE"),
    "the outcome is recorded": Point("onemap.load", "UPDATE", "NEW.added IS NOT NULL"),
    "the report is kept": Point(
        "onemap.load", "UPDATE", "NEW.report IS NOT NULL AND NEW.added IS NOT NULL"
    ),
    "the load is called done": Point("onemap.load", "UPDATE", "NEW.status = 'done'"),
}


@pytest.fixture(scope="module")
def city() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def loaded_city(cluster: str, postgis_template: str, city: Catalogue) -> Iterator[str]:
    """The name of a database with some places, to copy from."""
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, city)
        store.migrate()
        store.close()
        yield str(make_url(url).database)


def places(path: Path, name: str, count: int) -> Path:
    numbers = range(count)
    frame = geopandas.GeoDataFrame(
        {
            "PLACEID": [f"D{number}" for number in numbers],
            # One row has no name for what it is, and is refused.
            "DMLB": ["nonsense" if number == 0 else "village" for number in numbers],
            "BZMC": [f"{name}{number}" for number in numbers],
        },
        geometry=[shapely.Point(114.0 + number / 100, 29.5) for number in numbers],
        crs="EPSG:4490",
    )
    frame.to_file(path)
    return path


def checksum(url: str) -> str:
    """One figure of everything the map holds; the pyramid follows in its own time."""
    with connected(url) as connection:
        return str(
            connection.execute(
                text(
                    "SELECT md5(coalesce((SELECT string_agg(p::text, '|' ORDER BY p::text) "
                    "FROM city.place_name p), '') || coalesce((SELECT "
                    "string_agg((to_jsonb(l) - 'tile_version')::text, '|' "
                    "ORDER BY name) FROM onemap.layer l), '') || (SELECT count(*) "
                    "FROM onemap.quarantine)::text)"
                )
            ).scalar_one()
        )


@contextmanager
def standing_still_at(url: str, point: Point) -> Iterator[None]:
    with connected(url, autocommit=True) as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION public.stand() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_advisory_xact_lock(4712); RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(
                f"CREATE TRIGGER stand BEFORE {point.event} ON {point.table} FOR EACH ROW "
                f"WHEN ({point.when}) EXECUTE FUNCTION public.stand()"
            )
        )
        connection.execute(text("SELECT pg_advisory_lock(4712)"))
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(4712)"))
            # Those that stood still hold the table until they are rolled back.
            connection.execute(text(f"DROP TRIGGER stand ON {point.table}"))


def who_stands(url: str) -> int | None:
    """The process of the database that waits at the point."""
    with connected(url) as connection:
        found = connection.execute(
            text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712 "
                 "AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = "
                 "current_database())")
        ).scalar()  # fmt: skip
    return None if found is None else int(found)


#: One kill of each victim is quick enough for every day; all of them are tried before a release.
_EVERY_DAY = {
    ("versions are closed", "process"),
    ("versions are opened", "session"),
}
_KILLS = [
    pytest.param(name, victim, marks=() if (name, victim) in _EVERY_DAY else pytest.mark.slow)
    for name in sorted(POINTS)
    for victim in ("process", "session")
]


@pytest.mark.parametrize(("name", "victim"), _KILLS)
def test_a_kill_leaves_the_map_as_it_was(
    tmp_path: Path, cluster: str, loaded_city: str, city: Catalogue, name: str, victim: str
) -> None:
    with copied_database(cluster, loaded_city) as url:
        desk = LoadDesk(url)

        def hand_in(source: Path) -> int:
            request = LoadRequest(source, layer="place_name", operator="tester", max_bad=0.5)
            return desk.submit(queued_load(request, city)).load_id

        with worker(url, tmp_path / "log") as process:
            first = ended(desk, hand_in(places(tmp_path / "first.gpkg", "甲", 8)))
            assert first.status == "done", first.failure
            before = checksum(url)
            with standing_still_at(url, POINTS[name]):
                load_id = hand_in(places(tmp_path / "second.gpkg", "乙", 9))
                until(lambda: who_stands(url) is not None, lambda: desk.record(load_id))
                if victim == "process":
                    place = desk.record(load_id).worker or ""
                    os.kill(int(place.rpartition(":")[2]), signal.SIGKILL)
                else:
                    with connected(url) as connection:
                        connection.execute(
                            text("SELECT pg_terminate_backend(:pid)"), {"pid": who_stands(url)}
                        )
                process.wait_for("load.postponed")
                assert checksum(url) == before
            record = ended(desk, load_id)
        desk.close()
        assert (record.status, record.attempts) == ("done", 2), record.failure
        assert (record.changed, record.added) == (7, 1)
        assert rows(url, "onemap.quarantine") == 2
        assert checksum(url) != before
