"""A database with the test town's layers, and a renderer over it."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from layers.catalogue import Catalogue
from layers.reading import CityReader
from layers.settings import LayersSettings
from tests.api.town import read_catalogue, town_of_ones_own
from tiles.registry import tile_formats
from tiles.rendering import TileRenderer
from tiles.request import RenderedTile, TileRequest

Render = Callable[[TileRequest], RenderedTile]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return read_catalogue()


@pytest.fixture(scope="session")
def town_url(cluster: str, postgis_template: str, catalogue: Catalogue) -> Iterator[str]:
    """The test town, surveyed in 2012 and, where plots changed, in 2019."""
    with town_of_ones_own(cluster, postgis_template, catalogue) as (_, url):
        yield url


def renderer_over(url: str, catalogue: Catalogue) -> Render:
    """A function that renders tiles, each over a reader of its own."""
    settings = LayersSettings(database_url=SecretStr(url), pool_size=2)

    async def run(request: TileRequest) -> RenderedTile:
        reader = await CityReader.open(settings, catalogue)
        try:
            return await TileRenderer(reader, tile_formats()["mvt"]).render(request)
        finally:
            await reader.close()

    return lambda request: asyncio.run(run(request))


@pytest.fixture(scope="session")
def render(town_url: str, catalogue: Catalogue) -> Render:
    return renderer_over(town_url, catalogue)
