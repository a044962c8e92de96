"""Features in batches, for answers of any size: order, filter, time limit, and leaving early."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
import shapely

from layers.definition import LayerDefinition
from layers.errors import DatabaseBusy, QueryTimeout, UnknownField
from layers.feature_query import FeatureQuery, SortKey
from layers.filters import read_filter
from layers.reading import CityReader
from layers.settings import LayersSettings
from layers.store import Store
from tests.layers.conftest import catalogue_of
from tests.layers.surveys import day, load

MakeStore = Callable[..., Store]


def reader_of(url: str, layer: LayerDefinition, **settings: Any) -> CityReader:
    chosen = LayersSettings.model_validate({"database_url": url, **settings})
    return CityReader(chosen, catalogue_of(layer))


def test_all_features_come_in_batches_of_one_state_in_the_order_wanted(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    load(store, plot, {f"k{n}": n for n in range(50)}, day(0))
    reader = reader_of(fresh_database, plot)
    query = FeatureQuery(
        plot,
        fields=("use", "code"),
        filter=read_filter("code LIKE 'k1%'"),
        sort=(SortKey("code", descending=True),),
    )

    async def ask() -> tuple[list[str], list[int], Any]:
        codes, sizes, geometry = [], [], None
        async for batch in reader.batches(query, geometry="wkb", size=4):
            assert batch.fields == ("use", "code")
            sizes.append(len(batch.records))
            codes += [record["code"] for record in batch.records]
            geometry = batch.records[0]["geometry"]
        await reader.close()
        return codes, sizes, geometry

    codes, sizes, geometry = asyncio.run(ask())
    assert codes == sorted((f"k{n}" for n in [1, *range(10, 20)]), reverse=True)
    assert sizes == [4, 4, 3]
    assert shapely.from_wkb(geometry).geom_type == "MultiPolygon"
    with pytest.raises(UnknownField):
        asyncio.run(_first(reader, replace(query, sort=(SortKey("nothing"),))))


async def _first(reader: CityReader, query: FeatureQuery) -> int:
    async with aclosing(reader.batches(query, geometry=None, size=1)) as batches:
        async for batch in batches:
            return len(batch.records)
    return 0


def test_whoever_leaves_early_frees_the_connection_and_too_many_are_sent_away(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    load(store, plot, {f"k{n}": n for n in range(30)}, day(0))
    reader = reader_of(fresh_database, plot, pool_size=2, pool_queue=0)
    query = FeatureQuery(plot)

    async def ask() -> None:
        assert await _first(reader, query) == 1
        figures = reader.pool_figures()
        assert (figures.in_use, figures.cancelled) == (0, 1)
        async with aclosing(reader.batches(query, geometry=None, size=1)) as batches:
            await anext(batches)
            with pytest.raises(DatabaseBusy):
                await _first(reader, query)
            # A place is left for the rest.
            assert (await reader.page(query)).features
        await reader.close()

    asyncio.run(ask())


def test_an_export_that_takes_too_long_is_given_up(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    load(store, plot, {"a": 1, "b": 2}, day(0))
    reader = reader_of(fresh_database, plot, export_timeout_s=0.05)

    async def ask() -> None:
        async with aclosing(reader.batches(FeatureQuery(plot), geometry=None, size=1)) as batches:
            async for _ in batches:
                await asyncio.sleep(0.1)

    async def whole() -> None:
        try:
            await ask()
        finally:
            await reader.close()

    with pytest.raises(QueryTimeout, match="export"):
        asyncio.run(whole())
