"""Reading features back: time, boxes, pages, access, and the plans behind them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import pyarrow as pa
import pytest
import shapely
from sqlalchemy import text

from gis.times import parse_time
from layers.access import Viewer, access_class
from layers.cursors import read_cursor
from layers.definition import LayerDefinition
from layers.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    FeatureNotFound,
    InvalidValue,
    QueryTimeout,
    SchemaConflict,
    UnknownField,
    UnknownLayer,
)
from layers.feature_counts import FeatureCount
from layers.feature_query import FeatureQuery, SortKey
from layers.feature_rows import FeatureRow
from layers.feature_selection import feature_page
from layers.reading import CityReader
from layers.settings import LayersSettings
from layers.sql import compile_for_asyncpg
from layers.store import LoadHeader, Store
from tests.database import connected
from tests.layers.conftest import catalogue_of, plot_definition
from tests.layers.surveys import day, load, square

MakeStore = Callable[..., Store]
T = TypeVar("T")


def read(url: str, layer: LayerDefinition, ask: Callable[[CityReader], Awaitable[T]]) -> T:
    return asyncio.run(_read(url, layer, ask))


async def _read(
    url: str, layer: LayerDefinition, ask: Callable[[CityReader], Awaitable[T]], **settings: Any
) -> T:
    chosen = LayersSettings.model_validate({"database_url": url, **settings})
    reader = await CityReader.open(chosen, catalogue_of(layer))
    try:
        return await ask(reader)
    finally:
        await reader.close()


def features(url: str, query: FeatureQuery) -> list[FeatureRow]:
    async def ask(reader: CityReader) -> list[FeatureRow]:
        return list((await reader.page(query)).features)

    return read(url, query.layer, ask)


@pytest.fixture
def history(make_store: MakeStore, plot: LayerDefinition, fresh_database: str) -> str:
    """Three surveys: a and b; then b changed and c new, a gone; then a late one of b and c."""
    store = make_store(plot)
    load(store, plot, {"a": 1, "b": 2}, day(0))
    load(store, plot, {"b": 5, "c": 3}, day(100), full=True)
    load(store, plot, {"c": 4}, day(50))
    return fresh_database


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (None, {"b": 5, "c": 3}),
        ("2013-12-31", {}),
        ("2014-01-02", {"a": 1, "b": 2}),
        ("2014-03-01", {"a": 1, "b": 2, "c": 4}),
        ("2014-06-01", {"b": 5, "c": 3}),
    ],
)
def test_the_state_at_a_time(
    history: str, plot: LayerDefinition, at: str | None, expected: dict[str, int]
) -> None:
    query = FeatureQuery(plot, at=parse_time(at) if at else None)
    found = {row.properties["code"]: row.properties["floors"] for row in features(history, query)}
    assert found == expected


def test_an_interval_gives_every_version_of_it(history: str, plot: LayerDefinition) -> None:
    rows = features(history, FeatureQuery(plot, at=parse_time("2014-02-25/2014-06-01")))
    states = [(row.properties["code"], row.properties["floors"]) for row in rows]
    assert sorted(states) == [("a", 1), ("b", 2), ("b", 5), ("c", 3), ("c", 4)]
    assert all(row.valid_to is None or row.valid_to > row.valid_from for row in rows)


def test_what_was_believed_before_the_late_survey(history: str, plot: LayerDefinition) -> None:
    with connected(history) as connection:
        late = connection.execute(
            text("SELECT recorded_at FROM onemap.load ORDER BY load_id DESC LIMIT 1")
        ).scalar_one()
    at = parse_time("2014-03-01")
    before = replace(FeatureQuery(plot, at=at), as_of=late - (late - late.replace(microsecond=0)))
    after = FeatureQuery(plot, at=at, as_of=late)
    assert {row.properties["code"] for row in features(history, after)} == {"a", "b", "c"}
    known = {row.properties["code"] for row in features(history, before)}
    assert "c" not in known


def test_pages_join_into_the_whole(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    load(store, plot, {f"k{n}": n for n in range(25)}, day(0))

    async def walk(reader: CityReader) -> list[str]:
        query = FeatureQuery(plot, limit=4)
        seen: list[str] = []
        while True:
            page = await reader.page(query)
            assert page.matched == FeatureCount(25, True)
            seen += [str(row.properties["code"]) for row in page.features]
            if page.next is None:
                return seen
            query = replace(query, after=page.next)

    seen = read(fresh_database, plot, walk)
    assert sorted(seen) == sorted(f"k{n}" for n in range(25))
    assert len(seen) == 25


def test_a_box_takes_what_meets_it(history: str, plot: LayerDefinition) -> None:
    west, south, east, north = square(5).bounds
    rows = features(history, FeatureQuery(plot, bbox=(west, south, east, north)))
    assert [row.properties["code"] for row in rows] == ["b"]
    beside = (west + 0.0011, south, west + 0.0019, north)
    assert features(history, FeatureQuery(plot, bbox=beside)) == []
    around_the_world = (east + 1, south, west + 0.0005, north)
    codes = [
        row.properties["code"]
        for row in features(history, FeatureQuery(plot, bbox=around_the_world))
    ]
    assert codes == ["b", "c"]


def test_fields_are_chosen_and_compared_by_type(history: str, plot: LayerDefinition) -> None:
    query = FeatureQuery(plot, fields=("floors",), equals=(("floors", "5"),))
    assert [row.properties for row in features(history, query)] == [{"floors": 5}]


@pytest.mark.parametrize(
    ("query", "error", "named"),
    [
        ({"equals": (("floors", "five"),)}, InvalidValue, "floors"),
        ({"equals": (("colour", "red"),)}, UnknownField, "colour"),
        ({"fields": ("colour",)}, UnknownField, "colour"),
        ({"after": "!!"}, InvalidValue, "cursor"),
        ({"equals": (("use", "a\0b"),)}, InvalidValue, "use"),
    ],
)
def test_a_query_that_cannot_be_says_why(
    plot: LayerDefinition, query: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        feature_page(FeatureQuery(plot, **query))


@pytest.mark.parametrize("text_", ["", "AAAA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS4x", "字"])
def test_a_cursor_of_another_origin_is_refused(plot: LayerDefinition, text_: str) -> None:
    with pytest.raises(InvalidValue, match="cursor"):
        read_cursor(FeatureQuery(plot), text_)


def test_a_feature_that_is_not_there(history: str, plot: LayerDefinition) -> None:
    async def ask(reader: CityReader) -> FeatureRow:
        return await reader.feature(FeatureQuery(plot, feature_id=999))

    with pytest.raises(FeatureNotFound, match="999"):
        read(history, plot, ask)


def test_hidden_fields_and_layers_are_as_if_they_were_not() -> None:
    fields = [
        {"name": "code", "title": {"zh": "号", "en": "No"}, "required": True},
        {"name": "phone", "title": {"zh": "电话", "en": "Phone"}, "requires_role": ["duty"]},
    ]
    layer = plot_definition(fields=fields)
    assert access_class(layer, Viewer()).fields == ("code",)
    assert access_class(layer, Viewer(roles=frozenset({"duty"}))).fields == ("code", "phone")
    with pytest.raises(UnknownField, match="no field 'phone'"):
        feature_page(FeatureQuery(layer, equals=(("phone", "1"),)))
    secret = plot_definition(access={"requires_role": ["security"]})
    with pytest.raises(UnknownLayer, match="there is no layer 'plot'"):
        feature_page(FeatureQuery(secret))


def test_coordinates_are_coarse_for_the_public(make_store: MakeStore, fresh_database: str) -> None:
    layer = plot_definition(geometry={"type": "point"}, access={"public_precision_m": 1000})
    store = make_store(layer)
    header = LoadHeader("wells.csv", "0" * 64, "EPSG:4490", day(0), "tester", {})
    exact = shapely.Point(114.3212345, 29.8412345)
    with store.open_load(layer, header) as session:
        session.stage(
            pa.table(
                {
                    "source_row": pa.array([0], pa.int64()),
                    "code": ["w"],
                    "geometry": pa.array([shapely.to_wkb(exact)], pa.binary()),
                }
            )
        )
        session.apply()
    seen = shapely.from_geojson(features(fresh_database, FeatureQuery(layer))[0].geometry_json)
    assert 1e-5 < seen.distance(exact) < 0.01
    tight = (exact.x - 1e-6, exact.y - 1e-6, exact.x + 1e-6, exact.y + 1e-6)
    assert features(fresh_database, FeatureQuery(layer, bbox=tight)) == []
    duty = Viewer(roles=frozenset({"duty"}))
    assert len(features(fresh_database, FeatureQuery(layer, viewer=duty, bbox=tight))) == 1


def test_changes_are_heard(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)

    async def ask(reader: CityReader) -> tuple[int, int]:
        await asyncio.wait_for(reader.listening(), 10)
        before = reader.data_versions()["plot"]
        await asyncio.to_thread(load, store, plot, {"a": 1}, day(0))
        await asyncio.sleep(0.3)
        return before, reader.data_versions()["plot"]

    assert read(fresh_database, plot, ask) == (0, 1)


def test_limits_of_time_and_connections(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    make_store(plot)

    async def too_long(reader: CityReader) -> None:
        await reader.tile_text("SELECT pg_sleep(5)::text::bytea", [])

    async def slow_tile(reader: CityReader) -> None:
        began = time.monotonic()
        with pytest.raises(QueryTimeout, match=r"longer than 0\.3 s"):
            await reader.tile_row("SELECT pg_sleep(5)", [], "tiles")
        assert time.monotonic() - began < 2
        # The query is gone, and its connection is of use again.
        assert (await reader.tile_row("SELECT 7", [], "tiles"))[0] == 7

    async def too_many(reader: CityReader) -> None:
        slow = asyncio.create_task(reader.tile_text("SELECT pg_sleep(0.8)::text::bytea", []))
        await asyncio.sleep(0.2)
        try:
            await reader.page(FeatureQuery(plot))
        finally:
            await slow

    with pytest.raises(QueryTimeout):
        asyncio.run(_read(fresh_database, plot, too_long, statement_timeout_s=0.3))
    asyncio.run(_read(fresh_database, plot, slow_tile, pool_size=1, tile_timeout_s=0.3))
    with pytest.raises(DatabaseBusy):
        asyncio.run(_read(fresh_database, plot, too_many, pool_size=1, pool_wait_s=0.2))


def test_a_column_of_another_type_than_the_definition_s_is_told(history: str) -> None:
    """A definition that was changed after its table was made, and not brought to the database."""
    changed = plot_definition().model_dump(by_alias=True)
    for field in changed["fields"]:
        if field["name"] == "use":
            field["type"] = "integer"
    plot = LayerDefinition.model_validate(changed)
    with pytest.raises(SchemaConflict, match="onemap migrate"):
        features(history, FeatureQuery(plot, equals=(("use", "5"),)))


def test_a_database_that_is_away(plot: LayerDefinition) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"

    async def ask(reader: CityReader) -> list[str]:
        return await reader.ready()

    assert read(nowhere, plot, ask) == ["the database cannot be reached"]
    with pytest.raises(DatabaseUnavailable):
        features(nowhere, FeatureQuery(plot))


def test_current_reads_use_the_partial_indexes(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    load(store, plot, {f"k{n}": n for n in range(3000)}, day(0))
    load(store, plot, {f"k{n}": n + 3000 for n in range(3000)}, day(1))
    wanted = {
        "plot_current_geom": FeatureQuery(plot, bbox=square(4000).bounds),
        "plot_current_id": FeatureQuery(plot, feature_id=1),
        # In the order of ids, whatever the time, and by the business key either way.
        "plot_pkey": FeatureQuery(plot, at=day(0)),
        "Scan using plot_key": FeatureQuery(plot, sort=(SortKey("code"),)),
        "Scan Backward using plot_key": FeatureQuery(plot, sort=(SortKey("code", True),)),
    }
    with connected(fresh_database) as connection:
        cursor = connection.connection.cursor()
        cursor.execute("SET plan_cache_mode = force_custom_plan")
        for index, query in wanted.items():
            sql, values = compile_for_asyncpg(feature_page(query))
            cursor.execute("DEALLOCATE ALL")
            cursor.execute(f"PREPARE page AS {sql}")
            cursor.execute(f"EXPLAIN EXECUTE page({','.join(['%s'] * len(values))})", values)
            assert index in "\n".join(line[0] for line in cursor.fetchall())
