"""A first load that several sessions do: its table, its failures, and what is left of it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection, Index, create_engine, func, make_url, select, text

from layers import row_writers
from layers.aside_tables import drop_leftovers, is_of_boxes, leftovers, make_aside
from layers.definition import LayerDefinition
from layers.errors import DatabaseUnavailable, LayerBusy, LoadRefused
from layers.load_desk import LoadDesk
from layers.load_locks import LAYER, cancel_statements
from layers.side_sessions import SideSessions
from layers.store import BadRow, LoadHeader, Store
from layers.tables import aside_table
from tests.database import connected
from tests.layers.conftest import catalogue_of
from tests.layers.surveys import batch, day, load

MakeStore = Callable[..., Store]
SURVEY = {f"p{n}": n for n in range(300)}
_FORM = r"""
SELECT 'column', attname, attnotnull::text, atthasdef::text, attstorage::text FROM pg_attribute
WHERE attrelid = 'city.plot'::regclass AND attnum > 0
UNION ALL SELECT 'index', indexname, indexdef, '', '' FROM pg_indexes
WHERE schemaname = 'city' AND tablename = 'plot'
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid), '', '' FROM pg_constraint
WHERE conrelid = 'city.plot'::regclass
UNION ALL SELECT 'comment', coalesce(obj_description('city.plot'::regclass, 'pg_class'), ''), '',
    '', ''
"""


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small surveys be loaded as large ones are."""
    monkeypatch.setattr(row_writers, "SEVERAL_FROM", 1)


@pytest.fixture
def form(fresh_database: str) -> Callable[[], Sequence[Any]]:
    """Return a function that says all there is of the layer's table but its rows."""

    def told() -> Sequence[Any]:
        return sorted(tuple(row) for row in rows(fresh_database, _FORM))

    return told


def rows(url: str, statement: str) -> Sequence[Any]:
    with connected(url) as connection:
        return connection.execute(text(statement)).all()


def left(url: str) -> list[str]:
    with connected(url) as connection:
        return leftovers(connection)


def leave_aside(url: str, layer: LayerDefinition) -> None:
    """Make what a process that was killed leaves behind."""
    with connected(url) as connection:
        make_aside(connection, aside_table(layer, {}))


def header(at: int = 0) -> LoadHeader:
    return LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", day(at), "tester", {})


@pytest.mark.usefixtures("several")
def test_the_table_is_as_any_other(
    plot: LayerDefinition,
    make_store: MakeStore,
    fresh_database: str,
    form: Callable[[], Sequence[Any]],
) -> None:
    store = make_store(plot)
    migrated = form()
    outcome = load(store, plot, SURVEY, day(0))
    assert outcome.added == len(SURVEY)
    assert form() == migrated
    assert left(fresh_database) == []
    found = rows(
        fresh_database,
        "SELECT code, floors, version, valid_from, valid_to = 'infinity', source_row,"
        " ST_NPoints(geom), ST_SRID(tile_geom), load_id FROM city.plot",
    )
    assert sorted(tuple(row[:7]) for row in found) == sorted(
        (code, number, 1, day(0), True, number, 5) for code, number in SURVEY.items()
    )
    (ids,) = rows(
        fresh_database, "SELECT count(DISTINCT feature_id), min(feature_id) FROM city.plot"
    )
    assert tuple(ids) == (len(SURVEY), 1)
    assert load(store, plot, SURVEY | {"p7": 5, "new": 1}, day(1)).added == 1


@pytest.mark.usefixtures("several")
def test_rows_can_still_be_refused(
    plot: LayerDefinition, make_store: MakeStore, fresh_database: str
) -> None:
    store = make_store(plot)
    with store.open_load(plot, header()) as session:
        session.stage(batch(SURVEY))
        session.complete()
        bad = BadRow(7, {"code": "p7"}, "overlaps", "lies over another")
        session.reject([bad])
        assert session.apply().added == len(SURVEY) - 1
    assert rows(fresh_database, "SELECT count(*) FROM city.plot")[0][0] == len(SURVEY) - 1


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("when", ["staged", "completed", "applied"])
def test_a_failed_load_leaves_nothing(
    plot: LayerDefinition, make_store: MakeStore, fresh_database: str, when: str
) -> None:
    store = make_store(plot)

    def fail() -> None:
        with store.open_load(plot, header()) as session:
            session.stage(batch(SURVEY))
            if when != "staged":
                session.complete()
                assert left(fresh_database) == ["plot"], "it is committed before the load ends"
            if when == "applied":
                session.apply()
            raise LoadRefused("by hand")

    with pytest.raises(LoadRefused, match="by hand"):
        fail()
    assert left(fresh_database) == []
    assert rows(fresh_database, "SELECT count(*) FROM city.plot")[0][0] == 0
    assert load(store, plot, SURVEY, day(0)).added == len(SURVEY)


@pytest.mark.usefixtures("several")
def test_a_failure_of_one_session_ends_the_other(
    plot: LayerDefinition,
    make_store: MakeStore,
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = make_store(plot)
    waits = threading.Event()

    def create(entry: Index, connection: Connection) -> None:
        if not is_of_boxes(entry):
            waits.wait(30)
            connection.execute(text("SELECT 1 / 0"))
        waits.set()
        connection.execute(text("SELECT pg_sleep(120)"))

    monkeypatch.setattr(row_writers, "_create", create)
    begun = time.monotonic()
    with pytest.raises(LoadRefused, match="division by zero"):
        load(store, plot, SURVEY, day(0))
    assert time.monotonic() - begun < 30
    assert left(fresh_database) == []


@pytest.mark.usefixtures("several")
def test_cancelling_ends_all_sessions(
    plot: LayerDefinition,
    make_store: MakeStore,
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = make_store(plot)
    waiting = threading.Semaphore(0)

    def create(_: Index, connection: Connection) -> None:
        waiting.release()
        connection.execute(text("SELECT pg_sleep(120)"))

    monkeypatch.setattr(row_writers, "_create", create)

    def cancel() -> None:
        for _ in range(2):
            waiting.acquire(timeout=30)
        time.sleep(0.5)
        with connected(fresh_database) as connection:
            load_id = connection.execute(text("SELECT max(load_id) FROM onemap.load")).scalar_one()
            # The load's own session and the two beside it.
            assert len(connection.execute(cancel_statements(load_id)).all()) == 3

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(DatabaseUnavailable, match="canceling statement"):
        load(store, plot, SURVEY, day(0))
    canceller.join()
    assert left(fresh_database) == []
    busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)%'"
    assert rows(fresh_database, busy + " AND state = 'active' AND pid <> pg_backend_pid()") == [
        (0,)
    ]


def test_what_a_dead_load_left_goes_with_the_next(
    plot: LayerDefinition, make_store: MakeStore, fresh_database: str
) -> None:
    store = make_store(plot)
    for drop in (
        lambda: load(store, plot, {"a": 1}, day(0)),
        store.migrate,
        lambda: _tended(fresh_database),
    ):
        leave_aside(fresh_database, plot)
        assert left(fresh_database) == ["plot"]
        drop()
        assert left(fresh_database) == []
    leave_aside(fresh_database, plot)
    assert store.migrate() == ["layer plot: what an interrupted load left is dropped"]


def _tended(url: str) -> None:
    with closing(LoadDesk(url)) as desk:
        desk.tend()


def test_only_what_is_left_is_dropped(
    plot: LayerDefinition, make_store: MakeStore, fresh_database: str
) -> None:
    store = make_store(plot)
    with connected(fresh_database) as connection:
        connection.execute(text("CREATE TABLE city.mine__aside (a int)"))
    leave_aside(fresh_database, plot)
    with connected(fresh_database) as loading:
        # A load of the layer lives.
        loading.execute(select(func.pg_advisory_xact_lock(LAYER, func.hashtext("plot"))))
        store.migrate()
        _tended(fresh_database)
        assert left(fresh_database) == ["plot"]
        with pytest.raises(LayerBusy):
            load(store, plot, {"a": 1}, day(0))
        assert left(fresh_database) == ["plot"]
    store.migrate()
    assert rows(fresh_database, "SELECT to_regclass('city.mine__aside') IS NOT NULL") == [(True,)]


def test_a_table_in_use_is_left_for_the_next(
    plot: LayerDefinition, make_store: MakeStore, fresh_database: str
) -> None:
    make_store(plot)
    leave_aside(fresh_database, plot)
    engine = create_engine(make_url(fresh_database).set(drivername="postgresql+psycopg2"))
    with connected(fresh_database) as dying:
        dying.execute(text("LOCK TABLE city.plot__aside IN SHARE MODE"))
        assert drop_leftovers(engine) == []
    assert drop_leftovers(engine) == ["plot"]
    engine.dispose()


@pytest.fixture
def scarce(fresh_database: str, plot: LayerDefinition) -> Iterator[Store]:
    """A store whose role may have two sessions at once."""
    name = f"loader_{make_url(fresh_database).database}"
    with connected(fresh_database) as connection:
        connection.execute(
            text(f"CREATE ROLE {name} LOGIN PASSWORD 'of-the-test' CONNECTION LIMIT 2")
        )
        connection.execute(
            text(f"ALTER DATABASE {make_url(fresh_database).database} OWNER TO {name}")
        )
    url = make_url(fresh_database).set(username=name, password="of-the-test")  # noqa: S106
    store = Store(url.render_as_string(hide_password=False), catalogue_of(plot))
    yield store
    store.close()
    with connected(fresh_database) as connection:
        connection.execute(text(f"REASSIGN OWNED BY {name} TO CURRENT_USER"))
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))


@pytest.mark.usefixtures("several")
def test_one_session_does_it_where_there_are_no_more(
    scarce: Store, plot: LayerDefinition, fresh_database: str
) -> None:
    scarce.migrate()
    assert load(scarce, plot, SURVEY, day(0)).added == len(SURVEY)
    assert left(fresh_database) == []


def test_sessions_share_tasks_out(fresh_database: str) -> None:
    engine = create_engine(make_url(fresh_database).set(drivername="postgresql+psycopg2"))
    done: list[int] = []

    def task(number: int) -> Callable[[Connection], None]:
        def act(connection: Connection) -> None:
            done.append(number)
            connection.execute(select(func.pg_sleep(0.05)))

        return act

    side = SideSessions.open(engine, 1, 2)
    assert side is not None
    with closing(side):
        begun = time.monotonic()
        side.start([task(number) for number in range(8)])
        side.start([task(8)])
        side.wait()
        assert time.monotonic() - begun < 9 * 0.05 + 2
        assert sorted(done) == list(range(9))
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    engine.dispose()
