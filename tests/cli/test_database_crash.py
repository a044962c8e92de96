"""The database dies under a load (``kill -9``): the map stays as it was, and the load is done."""

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from cli.private_cluster import PrivateCluster
from etl.jobs import queued_load
from etl.load import LoadRequest
from layers.catalogue import load_catalogue
from layers.errors import DatabaseUnavailable
from layers.load_desk import LoadDesk
from layers.store import Store
from tests.cli.worker_process import ended, rows, survey, until, worker
from tests.database import connected


def answers(url: str) -> bool:
    try:
        with connected(url) as connection:
            return bool(connection.execute(text("SELECT true")).scalar())
    except OperationalError:
        return False


def the_load_is_done(desk: LoadDesk, load_id: int) -> bool:
    try:
        return desk.record(load_id).final
    except DatabaseUnavailable:
        return False


@pytest.mark.slow
def test_a_load_outlives_a_crash_of_the_database(tmp_path: Path) -> None:
    city = load_catalogue()
    with PrivateCluster(tmp_path / "cluster").running() as cluster:
        url = cluster.ensure_database("onemap")
        store = Store(url, city)
        store.migrate()
        desk = LoadDesk(url)

        def hand_in(name: str, count: int) -> int:
            source = survey(tmp_path / name, count)
            request = LoadRequest(source, layer="place_name", operator="tester")
            return desk.submit(queued_load(request, city)).load_id

        with worker(url, tmp_path / "log") as process:
            assert ended(desk, hand_in("first.gpkg", 5)).status == "done"
            with connected(url, autocommit=True) as connection:
                # A statement that never ends by itself: where the load writes its first version.
                connection.execute(
                    text(
                        "CREATE FUNCTION public.hang() RETURNS trigger LANGUAGE plpgsql AS "
                        "$$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$"
                    )
                )
                connection.execute(
                    text(
                        "CREATE TRIGGER hang BEFORE INSERT ON city.place_name "
                        "FOR EACH STATEMENT EXECUTE FUNCTION public.hang()"
                    )
                )
            load_id = hand_in("second.gpkg", 9)
            sleeping = text("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")

            def asleep() -> int | None:
                with connected(url) as connection:
                    found = connection.execute(sleeping).scalar()
                return None if found is None else int(found)

            until(lambda: asleep() is not None, lambda: desk.record(load_id))
            victim = asleep()
            assert victim is not None
            # The server then ends every session and recovers, as after a failure of power.
            os.kill(victim, signal.SIGKILL)
            until(lambda: answers(url), lambda: "the database does not come back")
            assert rows(url) == 5
            with connected(url, autocommit=True) as connection:
                connection.execute(text("DROP TRIGGER hang ON city.place_name"))
            until(lambda: the_load_is_done(desk, load_id), lambda: process.events())
            record = desk.record(load_id)
        store.close()
        desk.close()
        assert (record.status, record.failure) == ("done", None)
        assert record.attempts >= 2
        assert rows(url) == 9
