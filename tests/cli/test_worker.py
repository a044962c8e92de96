"""Workers as processes: loads are done in order, tried again, cancelled, and outlive a kill."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from etl.jobs import queued_load
from etl.load import LoadRequest
from layers.catalogue import Catalogue, load_catalogue
from layers.load_desk import LoadDesk
from layers.store import Store
from tests.cli.worker_process import (
    apply_hangs,
    busy,
    ended,
    onemap,
    rows,
    survey,
    until,
    worker,
)
from tests.database import connected, copied_database


@pytest.fixture(scope="module")
def city() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def city_template(cluster: str, postgis_template: str, city: Catalogue) -> Iterator[str]:
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, city)
        store.migrate()
        store.close()
        yield str(make_url(url).database)


@pytest.fixture
def url(cluster: str, city_template: str) -> Iterator[str]:
    with copied_database(cluster, city_template) as made:
        yield made


@pytest.fixture
def desk(url: str) -> Iterator[LoadDesk]:
    made = LoadDesk(url)
    yield made
    made.close()


class Queue:
    """Hands in surveys of places."""

    def __init__(self, desk: LoadDesk, catalogue: Catalogue) -> None:
        self._desk = desk
        self._catalogue = catalogue

    def put(self, source: Path, layer: str = "place_name") -> int:
        request = LoadRequest(source, layer=layer, operator="tester")
        return self._desk.submit(queued_load(request, self._catalogue)).load_id


@pytest.fixture
def queue(desk: LoadDesk, city: Catalogue) -> Queue:
    return Queue(desk, city)


def running_at(desk: LoadDesk, load_id: int, stage: str) -> None:
    until(
        lambda: desk.record(load_id).stage == stage and desk.record(load_id).status == "running",
        lambda: desk.record(load_id),
    )


def test_a_queued_load_is_done_by_a_worker_and_can_be_followed(tmp_path: Path, url: str) -> None:
    file = survey(tmp_path / "places.gpkg", 50)
    with worker(url, tmp_path / "log"):
        result = onemap(url, "load", file, "--layer", "place_name", "--queue", "--follow")
    assert result.returncode == 0, result.stderr
    assert "load 1 is queued: onemap loads watch 1" in result.stdout
    assert "load 1 (places.gpkg → place_name): done; 50 added" in result.stdout
    assert rows(url) == 50
    watched = onemap(url, "loads", "watch", 1)
    assert (watched.returncode, watched.stderr) == (0, "")
    again = onemap(url, "loads", "retry", 1)
    assert again.returncode == 1
    assert "load 1 is done" in again.stderr


def test_a_refused_load_fails_at_once_with_its_report(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue
) -> None:
    file = tmp_path / "torn.gpkg"
    file.write_bytes(b"no survey at all")
    load_id = queue.put(file)
    with worker(url, tmp_path / "log"):
        record = ended(desk, load_id)
    assert (record.status, record.attempts) == ("failed", 1)
    assert "torn.gpkg" in str(record.failure)


@pytest.mark.slow
def test_a_load_of_a_busy_layer_waits_and_is_done(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue
) -> None:
    load_id = queue.put(survey(tmp_path / "places.gpkg", 5))
    with worker(url, tmp_path / "log") as process:
        with busy(url, "place_name"):
            process.wait_for("load.postponed")
            record = desk.record(load_id)
            assert (record.status, record.attempts) == ("queued", 0)
            assert "another load is writing" in str(record.failure)
            assert record.next_attempt_at is not None
        record = ended(desk, load_id)
    assert (record.status, record.failure, record.attempts) == ("done", None, 1)


@pytest.mark.slow
def test_what_passes_is_tried_again_with_longer_pauses_until_it_was_tried_often_enough(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue
) -> None:
    """The database refuses for want of something (here: a lock in time), three times of three."""
    load_id = queue.put(survey(tmp_path / "places.gpkg", 5))
    with connected(url) as connection:
        name = make_url(url).database
        connection.execute(text(f"ALTER DATABASE {name} SET lock_timeout = '200ms'"))
    with apply_hangs(url), worker(url, tmp_path / "log", ETL_MAX_ATTEMPTS=3) as process:
        record = ended(desk, load_id)
        pauses = [entry["again_in_s"] for entry in process.events("load.postponed")]
    assert (record.status, record.attempts) == ("failed", 3)
    assert "after 3 attempts" in str(record.failure)
    assert pauses == [0.5, 1.0]
    assert rows(url) == 0
    desk.retry(load_id)
    with worker(url, tmp_path / "second"):
        assert ended(desk, load_id).status == "done"
    assert rows(url) == 5


@pytest.mark.slow
def test_ten_loads_of_one_layer_are_done_in_their_order_by_two_workers(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue
) -> None:
    loads = [queue.put(survey(tmp_path / f"{n}.gpkg", 3, start=n)) for n in range(10)]
    with worker(url, tmp_path / "a"), worker(url, tmp_path / "b"):
        records = [ended(desk, load_id) for load_id in loads]
    assert [record.status for record in records] == ["done"] * 10
    assert [record.attempts for record in records] == [1] * 10
    assert [record.data_version for record in records] == list(range(1, 11))
    assert rows(url) == 12


def test_two_layers_are_loaded_at_the_same_time(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue
) -> None:
    file = survey(tmp_path / "places.gpkg", 5)
    slow = queue.put(file)
    with apply_hangs(url), worker(url, tmp_path / "log", ETL_CONCURRENCY=2, ETL_GRACE_S=0.2):
        running_at(desk, slow, "applying")
        other = queue.put(file, layer="water_body")
        assert ended(desk, other).status == "failed", "points are no water bodies"
        assert desk.record(slow).status == "running"


@pytest.mark.parametrize("stage", ["checking", "applying"])
def test_a_running_load_is_cancelled(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue, stage: str
) -> None:
    load_id = queue.put(survey(tmp_path / "places.gpkg", 100_000 if stage == "checking" else 10))
    with apply_hangs(url), worker(url, tmp_path / "log", ETL_BATCH_ROWS=200):
        running_at(desk, load_id, stage)
        asked = time.monotonic()
        result = onemap(url, "loads", "cancel", load_id)
        assert result.returncode == 0
        record = ended(desk, load_id)
    assert time.monotonic() - asked < 15
    assert record.status == "cancelled"
    assert rows(url) == 0
    assert rows(url, "onemap.quarantine") == 0
    desk.retry(load_id)
    assert desk.record(load_id).status == "queued"


def test_a_killed_worker_leaves_the_map_as_it_was_and_another_does_its_load(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue
) -> None:
    first = queue.put(survey(tmp_path / "first.gpkg", 5))
    with worker(url, tmp_path / "a") as process:
        assert ended(desk, first).status == "done"
        load_id = queue.put(survey(tmp_path / "second.gpkg", 7))
        with apply_hangs(url):
            running_at(desk, load_id, "applying")
            process.kill()
            until(lambda: desk.record(load_id).status == "failed", lambda: desk.record(load_id))
            assert "interrupted" in str(desk.record(load_id).failure)
            assert not desk.record(load_id).final
            assert rows(url) == 5
    with worker(url, tmp_path / "b"):
        record = ended(desk, load_id)
    assert (record.status, record.attempts) == ("done", 2)
    assert rows(url) == 7


def test_a_load_whose_process_is_killed_is_tried_again_by_its_worker(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue
) -> None:
    load_id = queue.put(survey(tmp_path / "places.gpkg", 5))
    with worker(url, tmp_path / "log") as process:
        with apply_hangs(url):
            running_at(desk, load_id, "applying")
            place = desk.record(load_id).worker or ""
            os.kill(int(place.rpartition(":")[2]), signal.SIGKILL)
            process.wait_for("load.postponed")
        record = ended(desk, load_id)
    assert (record.status, record.attempts) == ("done", 2)
    assert "SIGKILL" in str(process.events("load.postponed")[0]["reason"])


def test_a_worker_that_stops_gives_back_what_it_cannot_end(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue
) -> None:
    load_id = queue.put(survey(tmp_path / "places.gpkg", 5))
    with apply_hangs(url), worker(url, tmp_path / "a", ETL_GRACE_S=0.2) as process:
        running_at(desk, load_id, "applying")
        assert process.stop() == 0
        record = desk.record(load_id)
        assert (record.status, record.attempts) == ("queued", 0)
        assert "its worker was stopped" in str(record.failure)
        assert rows(url) == 0
    with worker(url, tmp_path / "b"):
        assert ended(desk, load_id).status == "done"


def test_a_worker_that_stops_ends_what_it_can(
    tmp_path: Path, url: str, desk: LoadDesk, queue: Queue
) -> None:
    load_id = queue.put(survey(tmp_path / "places.gpkg", 20_000))
    with worker(url, tmp_path / "a", ETL_BATCH_ROWS=200) as process:
        running_at(desk, load_id, "checking")
        assert process.stop() == 0
        assert desk.record(load_id).status == "done"


def test_a_foreground_load_is_recorded_and_can_be_cancelled_from_elsewhere(
    tmp_path: Path, url: str, desk: LoadDesk
) -> None:
    file = survey(tmp_path / "places.gpkg", 10)
    results = []
    with apply_hangs(url):
        thread = threading.Thread(
            target=lambda: results.append(onemap(url, "load", file, "--layer", "place_name"))
        )
        thread.start()
        until(lambda: bool(desk.records()), lambda: "no record")
        load_id = desk.records()[0].load_id
        running_at(desk, load_id, "applying")
        desk.cancel(load_id)
        thread.join(30)
    assert results[0].returncode == 1
    assert "the load was cancelled; nothing was changed" in results[0].stderr
    record = desk.record(load_id)
    assert (record.status, record.final, rows(url)) == ("cancelled", True, 0)
