"""Refused rows are a layer of the map: what of them is shown, to whom, and until when."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
import shapely
from sqlalchemy import select, text

from gis.times import Interval
from layers.access import ANONYMOUS, Viewer
from layers.catalogue import load_catalogue
from layers.definition import LayerDefinition
from layers.errors import LoadRefused, SchemaConflict
from layers.feature_counts import FeatureCount
from layers.feature_query import FeatureQuery
from layers.feature_selection import feature_page
from layers.filters import read_filter
from layers.reading import CityReader
from layers.settings import LayersSettings
from layers.sql import compile_for_asyncpg
from layers.store import BadRow, LoadHeader, Store
from layers.tile_queries import tile_rows
from tests.database import connected
from tests.layers.conftest import catalogue_of, plot_definition
from tests.layers.surveys import batch, day, load, square

QUARANTINE = load_catalogue().layer("quarantine")
OPERATOR = Viewer("someone", frozenset({"operator"}))
Maker = Callable[..., Store]


def bad(row: int, place: int = 0, *, shape: shapely.Geometry | None = None) -> BadRow:
    wkb = shapely.to_wkb(shape if shape is not None else square(place))
    return BadRow(row, {"code": f"K{row}", "use": "某人的"}, "use: codes", "use = '某人的'", wkb)


def page(url: str, viewer: Viewer = ANONYMOUS, **wanted: object) -> list[dict[str, object]]:
    query = FeatureQuery(QUARANTINE, viewer, **wanted)  # type: ignore[arg-type]
    with connected(url) as connection:
        return [dict(row._mapping) for row in connection.execute(feature_page(query))]


def _counted(url: str, query: FeatureQuery) -> FeatureCount | None:
    async def ask() -> FeatureCount | None:
        settings = LayersSettings.model_validate({"database_url": url})
        reader = CityReader(settings, catalogue_of(QUARANTINE))
        try:
            return (await reader.page(query)).matched
        finally:
            await reader.close()

    return asyncio.run(ask())


def test_refused_rows_are_current_features_with_mixed_geometry(
    make_store: Maker, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot, QUARANTINE)
    shapes = (shapely.Point(114.3, 29.8), shapely.LineString([(114.3, 29.8), (114.4, 29.8)]))
    rows = tuple(bad(row, shape=shape) for row, shape in enumerate(shapes, 1))
    load(store, plot, {"A": 1}, day(0), bad=(*rows, bad(3, 5)))
    found = page(fresh_database)
    assert [row["row_number"] for row in found] == [1, 2, 3]
    assert {row["state"] for row in found} == {"open"}
    assert {row["rule"] for row in found} == {"use: codes"}
    assert found[0]["geometry"] == '{"type":"Point","coordinates":[114.3,29.8]}'
    near = page(fresh_database, bbox=(114.309, 29.79, 114.32, 29.81))
    assert [row["row_number"] for row in near] == [2, 3]
    box = (114.309, 29.79, 114.32, 29.81)
    for query, number in ((FeatureQuery(QUARANTINE), 3), (FeatureQuery(QUARANTINE, bbox=box), 2)):
        for limit in (1, 10):
            assert _counted(fresh_database, replace(query, limit=limit)) == FeatureCount(
                number, True
            )
    with connected(fresh_database) as connection:
        drawn = connection.execute(tile_rows(QUARANTINE, fields=("rule",))).all()
        assert len(drawn) == 3


def test_relations_are_told_of_rows_whose_geometry_is_invalid(
    make_store: Maker, plot: LayerDefinition, fresh_database: str
) -> None:
    bow = shapely.Polygon([(114, 29), (115, 30), (115, 29), (114, 30)])
    load(make_store(plot, QUARANTINE), plot, {"A": 1}, day(0), bad=(bad(1, shape=bow), bad(2)))
    box = "POLYGON((114.4 29, 116 29, 116 31, 114.4 31, 114.4 29))"
    for relation, rows in (("INTERSECTS", 1), ("OVERLAPS", 1), ("CONTAINS", 0), ("TOUCHES", 0)):
        found = page(fresh_database, filter=read_filter(f"S_{relation}(geometry, {box})"))
        assert len(found) == rows


def test_what_a_refused_row_holds_is_for_operators(
    make_store: Maker, plot: LayerDefinition, fresh_database: str
) -> None:
    load(make_store(plot, QUARANTINE), plot, {"A": 1}, day(0), bad=(bad(1),))
    (seen,) = page(fresh_database)
    assert "某人" not in str(seen)
    assert seen.keys().isdisjoint({"message", "original", "understood", "fixed", "note"})
    (whole,) = page(fresh_database, OPERATOR)
    assert whole["message"] == "use = '某人的'"
    assert whole["understood"] == '{"use": "某人的", "code": "K1"}'


def test_rows_of_layers_that_are_not_open_are_left_out(
    make_store: Maker, plot: LayerDefinition, fresh_database: str
) -> None:
    secret = plot_definition(name="secret", access={"requires_role": ["army"]})
    coarse = plot_definition(name="coarse", access={"public_precision_m": 100})
    store = make_store(plot, secret, coarse, QUARANTINE)
    for layer in (plot, secret, coarse):
        load(store, layer, {"A": 1}, day(0), bad=(bad(1),))
    assert [row["layer"] for row in page(fresh_database)] == ["plot"]
    assert [row["layer"] for row in page(fresh_database, OPERATOR)] == ["plot"]


def test_a_layer_that_closes_must_be_migrated_before_anything_else(
    make_store: Maker, plot: LayerDefinition, fresh_database: str
) -> None:
    load(make_store(plot, QUARANTINE), plot, {"A": 1}, day(0), bad=(bad(1),))
    closed = plot_definition(access={"requires_role": ["army"]})
    later = Store(fresh_database, catalogue_of(closed, QUARANTINE))
    with pytest.raises(SchemaConflict, match="quarantine: run onemap migrate"):
        load(later, closed, {"A": 2}, day(1))
    assert later.migrate() == ["layer quarantine: view made"]
    assert later.migrate() == []
    assert page(fresh_database) == []
    load(later, closed, {"A": 2}, day(1))
    later.close()


def test_a_row_that_was_taken_in_is_history(
    make_store: Maker, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot, QUARANTINE)
    load(store, plot, {"A": 1}, day(0), bad=(bad(1), bad(2)))
    with connected(fresh_database) as connection:
        first = connection.execute(text("SELECT max(load_id) FROM onemap.load")).scalar_one()
    header = LoadHeader(
        "plots.gpkg", "0" * 64, "EPSG:4490", day(0), "tester", {}, kind="repair", repairs=first
    )
    before = store.last_version("quarantine")
    with store.open_load(plot, header) as session:
        session.stage(batch({"K1": 5}, offset=1))
        session.quarantine([bad(2)])
        session.apply()
    assert [(row["row_number"], row["attempts"]) for row in page(fresh_database)] == [(2, 1)]
    ever = page(fresh_database, at=Interval(None, None))
    assert [(row["row_number"], row["state"]) for row in ever] == [(1, "resolved"), (2, "open")]
    assert ever[0]["resolved_by"] == session.load_id
    assert store.last_version("quarantine") == before + 1


def test_the_layer_s_version_rises_only_with_what_it_shows(
    make_store: Maker, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot, QUARANTINE)
    load(store, plot, {"A": 1}, day(0))
    assert store.last_version("quarantine") == 0
    load(store, plot, {"A": 2}, day(1), bad=(bad(7, 3),))
    assert store.last_version("quarantine") == 1
    with connected(fresh_database) as connection:
        row = connection.execute(
            text("SELECT current_count, west, north FROM onemap.layer WHERE name = 'quarantine'")
        ).one()
    assert row[0] == 1
    assert tuple(row[1:]) == pytest.approx((114.306, 29.801))


def test_nothing_is_loaded_into_the_view(make_store: Maker, plot: LayerDefinition) -> None:
    store = make_store(plot, QUARANTINE)
    header = LoadHeader("x.gpkg", "0" * 64, "EPSG:4490", day(0), "tester", {})
    with pytest.raises(LoadRefused, match="shows rows that the system keeps"):
        with store.open_load(QUARANTINE, header):
            pass


def test_the_spatial_index_answers_a_box(
    make_store: Maker, plot: LayerDefinition, fresh_database: str
) -> None:
    load(make_store(plot, QUARANTINE), plot, {"A": 1}, day(0), bad=(bad(1),))
    sql, values = compile_for_asyncpg(tile_rows(QUARANTINE, bbox=(114.0, 29.0, 114.1, 29.1)))
    for place in range(len(values), 0, -1):
        sql = sql.replace(f"${place}::", f"{values[place - 1]!r}::")
    with connected(fresh_database) as connection:
        connection.execute(text("SET enable_seqscan = off"))
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {sql}"))
    assert "quarantine_place_idx" in plan


def test_catalogues_without_the_layer_do_without_it(
    make_store: Maker, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    load(store, plot, {"A": 1}, day(0), bad=(bad(1),))
    with connected(fresh_database) as connection:
        assert connection.execute(select(text("count(*) FROM onemap.quarantine"))).scalar() == 1
