"""The versioned store against a straightforward model of it, and its manners under failure."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url, select, text
from sqlalchemy.dialects import postgresql

from layers.definition import LayerDefinition
from layers.errors import DatabaseUnavailable, LayerBusy, LoadRefused, SchemaConflict
from layers.store import BadRow, LoadHeader, Store
from tests.database import connected
from tests.layers.conftest import catalogue_of, plot_definition
from tests.layers.surveys import batch, day, load

MakeStore = Callable[..., Store]
FOREVER = 10_000


@dataclass(frozen=True)
class Held:
    """A version in the model: a state over days of validity, believed over loads."""

    key: str
    state: int
    start: int
    end: int
    since: int
    until: int = FOREVER


def apply_to_model(
    rows: list[Held], survey: dict[str, int], at: int, tick: int, full: bool
) -> list[Held]:
    """What a survey does, said once more in plain Python."""
    result = []
    surveyed = dict(survey)
    for row in rows:
        believed = row.until == FOREVER
        if not (believed and row.start <= at < row.end):
            result.append(row)
            continue
        told = surveyed.pop(row.key, None)
        if told == row.state or (told is None and not full):
            result.append(row)
            continue
        result.append(replace(row, until=tick))
        if row.start < at:
            result.append(replace(row, end=at, since=tick))
        if told is not None:
            result.append(Held(row.key, told, at, row.end, tick))
    for key, state in surveyed.items():
        later = [r.start for r in rows if r.key == key and r.until == FOREVER and r.start > at]
        result.append(Held(key, state, at, min(later, default=FOREVER), tick))
    return result


def rows_of(url: str) -> list[dict[str, Any]]:
    with connected(url) as connection:
        found = connection.execute(
            text(
                "SELECT feature_id, version, code, floors, extract(epoch FROM valid_from) AS start,"
                " extract(epoch FROM valid_to) AS ending, recorded_from::text AS since,"
                " recorded_to::text AS until FROM city.plot"
            )
        ).mappings()
        rows = [dict(row) for row in found]
    return rows


def day_of(epoch: float) -> int:
    if epoch == float("inf"):
        return FOREVER
    return (datetime.fromtimestamp(float(epoch), UTC) - day(0)).days


_SURVEYS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcde"), st.integers(0, 3), max_size=5),
        st.integers(0, 6),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(surveys=_SURVEYS)
def test_history_is_that_of_the_model(
    surveys: list[tuple[dict[str, int], int, bool]],
    fresh_database: str,
    make_store: MakeStore,
) -> None:
    layer = plot_definition()
    _empty(fresh_database)
    store = make_store(layer)
    model: list[Held] = []
    for tick, (survey, at, full) in enumerate(surveys):
        load(store, layer, survey, day(at), full=full)
        model = apply_to_model(model, survey, at, tick, full)
    rows = rows_of(fresh_database)
    ticks = {moment: place for place, moment in enumerate(_changes(rows))}
    model_ticks = {tick: n for n, tick in enumerate(_model_changes(model))}
    found = {
        (
            row["code"],
            int(row["floors"]),
            day_of(row["start"]),
            day_of(row["ending"]),
            ticks[row["since"]],
            ticks.get(row["until"], FOREVER),
        )
        for row in rows
    }
    expected = {
        (r.key, r.state, r.start, r.end, model_ticks[r.since], model_ticks.get(r.until, FOREVER))
        for r in model
    }
    assert found == expected
    assert len(rows) == len(model)
    ids = {row["code"]: row["feature_id"] for row in rows}
    assert all(row["feature_id"] == ids[row["code"]] for row in rows)
    assert len(set(ids.values())) == len(ids)
    current = sum(r.until == FOREVER and r.end == FOREVER for r in model)
    assert _kept_count(fresh_database) == current


def _changes(rows: list[dict[str, Any]]) -> list[str]:
    moments = {row["since"] for row in rows} | {row["until"] for row in rows}
    return sorted(moments - {"infinity"})


def _model_changes(model: list[Held]) -> list[int]:
    return sorted(({r.since for r in model} | {r.until for r in model}) - {FOREVER})


def _empty(url: str) -> None:
    with connected(url) as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS city CASCADE"))
        connection.execute(text("DROP SCHEMA IF EXISTS onemap CASCADE"))


def _kept_count(url: str) -> int:
    with connected(url) as connection:
        count = connection.execute(text("SELECT current_count FROM onemap.layer")).scalar_one()
    return int(count)


def test_same_survey_twice_changes_nothing(make_store: MakeStore, plot: LayerDefinition) -> None:
    store = make_store(plot)
    first = load(store, plot, {"a": 1, "b": 2}, day(0))
    again = load(store, plot, {"a": 1, "b": 2}, day(0))
    assert (first.added, first.data_version) == (2, 1)
    assert (again.added, again.changed, again.unchanged, again.data_version) == (0, 0, 2, 1)


def test_refused_row_of_a_full_survey_does_not_end_its_feature(
    make_store: MakeStore, plot: LayerDefinition
) -> None:
    store = make_store(plot)
    load(store, plot, {"a": 1, "b": 2, "c": 3}, day(0))
    bad = BadRow(7, {"PLOT_NO": "b"}, "geometry.invalid", "Self-intersection", None)
    outcome = load(store, plot, {"a": 1}, day(9), full=True, bad=(bad,))
    assert (outcome.unchanged, outcome.closed) == (1, 1)


def test_a_failed_load_leaves_the_layer_as_it_was(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    load(store, plot, {"a": 1}, day(0))
    before = rows_of(fresh_database)
    header = LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", day(1), "tester", {})

    def fail_late() -> None:
        with store.open_load(plot, header) as session:
            session.stage(batch({"a": 2, "b": 3}))
            session.apply()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_late()
    assert rows_of(fresh_database) == before
    assert _load_states(fresh_database) == ["done", "failed"]


def _load_states(url: str) -> list[str]:
    with connected(url) as connection:
        found = connection.execute(text("SELECT status FROM onemap.load ORDER BY load_id"))
        states = [str(row[0]) for row in found]
    return states


def test_one_writer_a_layer(make_store: MakeStore, plot: LayerDefinition) -> None:
    store = make_store(plot)
    header = LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", day(1), "tester", {})
    seen: list[BaseException] = []

    def second() -> None:
        try:
            load(store, plot, {"b": 1}, day(1))
        except LayerBusy as error:
            seen.append(error)

    with store.open_load(plot, header) as session:
        session.stage(batch({"a": 1}))
        other = threading.Thread(target=second)
        other.start()
        other.join()
        session.apply()
    assert "plot" in str(seen[0])


def test_a_first_load_joins_its_rows_by_place_with_an_index(
    make_store: MakeStore, plot: LayerDefinition
) -> None:
    store = make_store(plot)
    header = LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", day(1), "tester", {})
    with store.open_load(plot, header) as session:
        session.stage(batch({f"k{number}": number for number in range(2000)}))
        session.index_surveyed()
        mine, other = session.surveyed.alias("mine"), session.surveyed.alias("other")
        meets = mine.c.geom.bool_op("&&")(other.c.geom)
        pairs = select(mine.c.source_row).join(other, meets)
        plan = session.fetch(text(f"EXPLAIN {pairs.compile(dialect=postgresql.dialect())}"))
        assert "__aside_current_geom" in "\n".join(row[0] for row in plan)
        assert session.apply().added == 2000


def test_a_key_twice_in_one_survey_is_refused(make_store: MakeStore, plot: LayerDefinition) -> None:
    store = make_store(plot)
    header = LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", day(1), "tester", {})

    def load_twice() -> None:
        with store.open_load(plot, header) as session:
            session.stage(batch({"a": 1}))
            session.stage(batch({"a": 2}, offset=1))
            session.apply()

    with pytest.raises(LoadRefused, match="code = a"):
        load_twice()


def test_a_survey_of_the_future_is_refused(make_store: MakeStore, plot: LayerDefinition) -> None:
    store = make_store(plot)
    with pytest.raises(LoadRefused, match="future"):
        load(store, plot, {"a": 1}, datetime.now(UTC) + timedelta(days=3))


def test_an_unreachable_database_is_named(plot: LayerDefinition) -> None:
    store = Store("postgresql://nobody@127.0.0.1:1/none", catalogue_of(plot))
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/none"):
        store.migrate()
    store.close()


def test_an_address_of_another_kind_is_refused(plot: LayerDefinition) -> None:
    with pytest.raises(DatabaseUnavailable, match="PostgreSQL"):
        Store("sqlite:///city.db", catalogue_of(plot))


def test_a_database_not_migrated_is_said_to_be(fresh_database: str, plot: LayerDefinition) -> None:
    store = Store(fresh_database, catalogue_of(plot))
    with pytest.raises(SchemaConflict, match="onemap migrate"):
        load(store, plot, {"a": 1}, day(0))
    store.close()


def test_a_new_field_becomes_a_column(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    load(store, plot, {"a": 1}, day(0))
    both = {"zh": "业主", "en": "Owner"}
    fields = [field.model_dump() for field in plot.fields]
    wider = plot_definition(fields=[*fields, {"name": "owner", "title": both}])
    again = Store(fresh_database, catalogue_of(wider))
    assert again.migrate() == ["layer plot: column owner added"]
    assert again.migrate() == []
    again.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": ["code", "floors"]}, "business key"),
        ({"geometry": {"type": "multilinestring"}}, "geom"),
    ],
)
def test_a_definition_that_cannot_be_reconciled_is_refused(
    make_store: MakeStore,
    plot: LayerDefinition,
    fresh_database: str,
    change: dict[str, Any],
    message: str,
) -> None:
    make_store(plot)
    fields = [field.model_dump() for field in plot.fields]
    fields[2]["required"] = True
    other = Store(fresh_database, catalogue_of(plot_definition(fields=fields, **change)))
    with pytest.raises(SchemaConflict, match=message):
        other.migrate()
    other.close()


def test_a_load_cut_off_is_marked_failed_by_the_next(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    load(store, plot, {"a": 1}, day(0))
    name = make_url(fresh_database).database
    header = LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", day(1), "tester", {})

    def lose_the_database() -> None:
        with store.open_load(plot, header) as session:
            session.stage(batch({"a": 2}))
            _cut_connections(fresh_database, name or "")
            session.apply()

    with pytest.raises(DatabaseUnavailable):
        lose_the_database()
    load(store, plot, {"a": 3}, day(2))
    assert _load_states(fresh_database) == ["done", "failed", "done"]
    assert {row["floors"] for row in rows_of(fresh_database)} == {1, 3}


def _cut_connections(url: str, name: str) -> None:
    connection = psycopg2.connect(url.replace("postgresql+psycopg2", "postgresql"))
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )
    connection.close()


def test_a_staged_row_can_be_refused_after_all(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    header = LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", day(1), "tester", {})
    with store.open_load(plot, header) as session:
        session.stage(batch({"a": 1, "b": 2}))
        found = session.staged_rows([1, 99])
        assert list(found) == [1]
        session.reject([replace(found[1], rule="no_overlap", message="it overlaps a")])
        outcome = session.apply()
    assert (outcome.added, outcome.unchanged) == (1, 0)
    assert [row["code"] for row in rows_of(fresh_database)] == ["a"]
    with connected(fresh_database) as connection:
        kept = connection.execute(
            text(
                "SELECT source_row, rule, values->>'code', ST_GeometryType(geom), rules"
                " FROM onemap.quarantine"
            )
        ).one()
    assert tuple(kept[:4]) == (1, "no_overlap", "b", "ST_MultiPolygon")
    assert kept[4] == [{"rule": "no_overlap", "message": "it overlaps a"}]
