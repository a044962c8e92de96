"""How many features a query has: counted while that is cheap, else estimated, and said so."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from layers.definition import LayerDefinition
from layers.feature_counts import FeatureCount
from layers.feature_query import FeatureQuery
from layers.filters import read_filter
from layers.reading import CityReader
from layers.settings import LayersSettings
from layers.store import Store
from tests.database import connected
from tests.layers.conftest import catalogue_of
from tests.layers.surveys import day, load, square

MakeStore = Callable[..., Store]
WEST, SOUTH = square(0).bounds[:2]


def matched(url: str, query: FeatureQuery, **settings: Any) -> FeatureCount | None:
    chosen = LayersSettings.model_validate({"database_url": url, **settings})

    async def ask() -> FeatureCount | None:
        reader = CityReader(chosen, catalogue_of(query.layer))
        try:
            return (await reader.page(query)).matched
        finally:
            await reader.close()

    return asyncio.run(ask())


@pytest.fixture
def city(make_store: MakeStore, plot: LayerDefinition, fresh_database: str) -> str:
    store = make_store(plot)
    load(store, plot, {f"k{n}": n for n in range(400)}, day(0))
    with connected(fresh_database) as connection:
        connection.execute(text("ANALYZE city.plot"))
        connection.commit()
    return fresh_database


def test_few_are_counted_and_many_estimated(city: str, plot: LayerDefinition) -> None:
    box = (WEST, SOUTH, WEST + 0.002 * 300, SOUTH + 1)
    query = FeatureQuery(plot, bbox=box)
    assert matched(city, query) == FeatureCount(301, True)
    estimate = matched(city, replace(query, filter=read_filter("id > 0")), count_limit=100)
    assert estimate is not None
    assert not estimate.is_exact
    assert estimate.number == pytest.approx(301, rel=0.2)
    # What was seen is never undercut.
    odd = FeatureQuery(plot, filter=read_filter("floors * 0 = 0"))
    assert matched(city, odd, count_limit=100) == FeatureCount(101, False)
    assert matched(city, FeatureQuery(plot), count_limit=1) == FeatureCount(400, True)
    assert matched(city, FeatureQuery(plot, bbox=box, limit=500), count_limit=1) == FeatureCount(
        301, True
    )


def test_counting_takes_no_longer_than_it_may(city: str, plot: LayerDefinition) -> None:
    found = matched(
        city, FeatureQuery(plot, filter=read_filter("floors >= 0")), count_timeout_s=1e-6
    )
    assert found is not None
    assert not found.is_exact
    assert found.number == pytest.approx(400, rel=0.2)
