"""Loads in their line: submitted, promoted, cancelled, tried again, found dead."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from layers.catalogue import load_catalogue
from layers.definition import LayerDefinition
from layers.errors import (
    IdempotencyConflict,
    LayerBusy,
    LoadCancelled,
    LoadNotFound,
    LoadStateConflict,
    OneMapError,
    SchemaConflict,
)
from layers.load_desk import LoadDesk
from layers.load_line import IdempotencyKey, NewLoad
from layers.load_records import LoadSelection
from layers.store import LoadHeader, Store
from tests.database import connected

MakeStore = Callable[[LayerDefinition], Store]


@pytest.fixture
def store(make_store: MakeStore, plot: LayerDefinition) -> Store:
    return make_store(plot)


@pytest.fixture
def desk(store: Store, fresh_database: str) -> Iterator[LoadDesk]:
    made = LoadDesk(fresh_database)
    yield made
    made.close()


def wish(source: str = "plots.gpkg", layer: str = "plot") -> NewLoad:
    return NewLoad(layer, source, {"source": f"/data/{source}"}, "tester")


def jobs(url: str) -> list[int]:
    """The loads that have a job, in the order of their jobs."""
    with connected(url) as connection:
        found = connection.execute(text("SELECT payload FROM onemap.job ORDER BY id"))
        return [int(bytes(row[0]).decode()) for row in found]


def job_of(url: str, load_id: int) -> int:
    with connected(url) as connection:
        statement = text("SELECT job_id FROM onemap.load WHERE load_id = :id")
        return int(connection.execute(statement, {"id": load_id}).scalar_one())


def forget_job(url: str, job_id: int) -> None:
    with connected(url) as connection:
        connection.execute(text("DELETE FROM onemap.job WHERE id = :id"), {"id": job_id})


def test_loads_of_a_layer_get_their_job_one_after_the_other(
    desk: LoadDesk, fresh_database: str
) -> None:
    first, second = (desk.submit(wish(name)).load_id for name in ("a.gpkg", "b.gpkg"))
    other = desk.submit(wish(layer="elsewhere")).load_id
    assert jobs(fresh_database) == [first, other]
    waiting = desk.record(second)
    assert (waiting.status, waiting.ahead, waiting.final) == ("queued", 1, False)
    desk.cancel(first)
    assert desk.record(first).status == "cancelled"
    assert desk.record(first).final
    assert jobs(fresh_database) == [first, other, second]
    assert desk.look_at_job(first, 1, 5) == "drop"
    assert desk.look_at_job(second, job_of(fresh_database, second), 5) == "run"


def test_the_same_key_gives_the_same_load(desk: LoadDesk) -> None:
    key = IdempotencyKey("nightly-7", "digest of a")
    first = desk.submit(wish(), key)
    again = desk.submit(wish(), key)
    assert first.fresh
    assert not again.fresh
    assert again.load_id == first.load_id
    with pytest.raises(IdempotencyConflict, match=f"load {first.load_id}"):
        desk.submit(wish("b.gpkg"), IdempotencyKey("nightly-7", "digest of b"))


def test_a_load_that_is_attended_to_lives_and_can_be_cancelled(
    desk: LoadDesk, fresh_database: str
) -> None:
    load_id = desk.submit(wish()).load_id
    job_id = job_of(fresh_database, load_id)
    with desk.attend(load_id, job_id) as (attendance, request):
        assert request == {"source": "/data/plots.gpkg"}
        attendance.tell("checking", 10, 40)
        record = desk.record(load_id)
        assert (record.status, record.stage, record.rows, record.total) == (
            "running",
            "checking",
            10,
            40,
        )
        assert record.attempts == 1
        assert desk.look_at_job(load_id, job_id, 5) == "wait"
        with pytest.raises(LayerBusy), desk.attend(load_id, job_id):
            pass
        desk.cancel(load_id)
        assert desk.record(load_id).cancel_requested
        with pytest.raises(LoadCancelled):
            attendance.tell("applying", 40, 40)
    desk.end(load_id, "cancelled", None)
    assert desk.record(load_id).status == "cancelled"
    with pytest.raises(LoadStateConflict), desk.attend(load_id, job_id):
        pass


def test_a_cancellation_ends_a_long_statement(
    desk: LoadDesk, store: Store, plot: LayerDefinition, fresh_database: str
) -> None:
    load_id = desk.submit(wish()).load_id
    header = LoadHeader("p", "0" * 64, "EPSG:4490", datetime(2020, 1, 1, tzinfo=UTC), "t", {})
    failures: list[OneMapError] = []

    def run() -> None:
        try:
            with (
                desk.attend(load_id, job_of(fresh_database, load_id)),
                store.open_load(plot, header, load_id) as session,
            ):
                opened.set()
                session.fetch(text("SELECT pg_sleep(60)"))  # type: ignore[arg-type]
        except OneMapError as error:
            failures.append(error)

    opened = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    assert opened.wait(10)
    desk.cancel(load_id)
    thread.join(10)
    assert not thread.is_alive()
    assert len(failures) == 1


def test_a_dead_load_is_failed_and_can_be_tried_again(desk: LoadDesk, fresh_database: str) -> None:
    load_id = desk.submit(wish()).load_id
    job_id = job_of(fresh_database, load_id)
    with desk.attend(load_id, job_id):
        pass  # its process ends without a word
    with connected(fresh_database) as connection:
        connection.execute(
            text("UPDATE onemap.load SET started_at = started_at - interval '1 minute'")
        )
    seen = desk.record(load_id)
    assert seen.status == "failed"
    assert "interrupted" in str(seen.failure)
    assert not seen.final, "its job will be given to another worker"
    assert [record.load_id for record in desk.records(LoadSelection(status="failed"))] == [load_id]
    assert desk.records(LoadSelection(status="running")) == []
    assert desk.tend() == []
    forget_job(fresh_database, job_id)
    assert desk.tend() == [load_id]
    assert desk.record(load_id).final
    desk.retry(load_id)
    assert desk.record(load_id).status == "queued"
    assert jobs(fresh_database) == [load_id]
    with pytest.raises(LoadStateConflict):
        desk.retry(load_id)


def test_what_waits_without_a_job_gets_one(desk: LoadDesk, fresh_database: str) -> None:
    load_id = desk.submit(wish()).load_id
    forget_job(fresh_database, job_of(fresh_database, load_id))
    assert desk.tend() == []
    assert jobs(fresh_database) == [load_id]


def test_unknown_numbers(desk: LoadDesk) -> None:
    for ask in (desk.record, desk.cancel, desk.retry):
        with pytest.raises(LoadNotFound, match="4711"):
            ask(4711)


def test_the_queue_is_brought_along_with_the_library(
    store: Store, plot: LayerDefinition, fresh_database: str
) -> None:
    with connected(fresh_database) as connection:
        connection.execute(text("COMMENT ON TABLE onemap.job IS 'PgQueuer 1.0.0'"))
        connection.execute(text("DROP INDEX onemap.job_ep_ea_idx"))
    assert any("PgQueuer 1.0.0 →" in step for step in store.migrate())
    with connected(fresh_database) as connection:
        found = connection.execute(text("SELECT to_regclass('onemap.job_ep_ea_idx')")).scalar()
    assert found is not None
    assert store.migrate() == []


def test_no_load_where_a_layer_has_no_table(desk: LoadDesk) -> None:
    with pytest.raises(SchemaConflict, match="run onemap migrate"):
        desk.refuse_unfit(load_catalogue())
