"""For random edits: every tile that looks different is refreshed, and the others are still there.

Surveys are loaded and the pyramid follows, as in service; then each tile of the town is rendered
anew and compared with what the caches of a server process hold and with what was there before.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.pyramid_store import PyramidStore
from layers.reading import CityReader
from layers.settings import LayersSettings
from layers.store import Store
from layers.tile_news import read_tile_versions
from tests.api.test_tile_invalidation import database
from tests.api.town import COLUMNS, ROWS, SOUTH, STEP, WEST, lamps, lanes, load_rows, plots
from tiles.families import tile_family
from tiles.grids import tiles_over
from tiles.keeper import TileKeeper, tile_key
from tiles.memory import TileMemory
from tiles.pyramid.building import build_pyramid
from tiles.registry import tile_formats
from tiles.rendering import TileRenderer
from tiles.request import TileRequest
from tiles.store_keeper import StoreKeeper, StorePlace
from tiles.tileset import map_tiles

__all__ = ["database"]

ZOOMS = (8, 10, 12, 13, 14, 15, 16)
#: Before and after all surveys, besides now; at one zoom, for they take time.
DATES = (datetime(2015, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
DATED_ZOOM = 14
BOX = (WEST - STEP, SOUTH - STEP, WEST + (COLUMNS + 1) * STEP, SOUTH + (ROWS + 1) * STEP)
#: Share of the tiles that look as before which must still be there.
LEAST_KEPT = 0.95
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)

Edit = tuple[str, int, int]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["use", "owner", "shape", "lane", "name", "lamp", "lit"]),
        st.integers(0, COLUMNS * ROWS - 1),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=4,
)


def edited(edits: list[Edit]) -> dict[str, list[dict[str, object]]]:
    """Rows of a survey, by layer: features that are there already, with something changed."""
    found: dict[str, dict[int, dict[str, object]]] = {"plot": {}, "lane": {}, "lamp": {}}
    for kind, place, amount in edits:
        if kind in ("use", "owner", "shape"):
            row = found["plot"].setdefault(place, plots("01")[place])
            if kind == "shape":
                west, south, east, north = shapely.bounds(row["geometry"])  # type: ignore[call-overload]
                corner = (east - STEP * amount / 40, north - STEP * amount / 30)
                ring = [(west, south), (east, south), corner, (west, north)]
                row["geometry"] = shapely.MultiPolygon([shapely.Polygon(ring)])
            else:
                row[kind] = ("01", "07", "0101")[amount % 3] if kind == "use" else f"人{amount}"
        elif kind in ("lane", "name"):
            row = found["lane"].setdefault(place % 10, lanes()[place % 10])
            if kind == "name":
                row["name"] = f"改{amount}"
            else:
                move = amount * STEP / 20
                line = row["geometry"]
                assert isinstance(line, shapely.LineString)
                row["geometry"] = shapely.LineString(
                    shapely.get_coordinates(line, include_z=True) + np.array([0, move, 0])
                )
        else:
            row = found["lamp"].setdefault(place % 120, lamps()[place % 120])
            if kind == "lit":
                row["lit"] = amount % 2 == 0
            else:
                at = shapely.get_coordinates(row["geometry"])[0]
                row["geometry"] = shapely.Point(at[0] + amount * STEP / 9, at[1])
    return {layer: list(rows.values()) for layer, rows in found.items() if rows}


@dataclass
class Server:
    """The caches of a server process over a town whose surveys go on."""

    url: str
    catalogue: Catalogue
    folder: Path
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    surveys: int = 0
    changed: int = 0
    alike: int = 0
    still_there: int = 0

    def __post_init__(self) -> None:
        self.tileset = map_tiles(self.catalogue, self.catalogue.map("town"), ANONYMOUS)
        self.family = tile_family(self.tileset, ANONYMOUS)
        self.requests = [
            TileRequest(self.tileset, (zoom, x, y), at=at)
            for zoom in ZOOMS
            for at in (None, *DATES)
            if at is None or zoom == DATED_ZOOM
            for first_x, first_y, last_x, last_y in [tiles_over(BOX, zoom)]
            for x in range(first_x - 1, last_x + 2)
            for y in range(first_y - 1, last_y + 2)
        ]
        self.runner.run(self.start())

    async def start(self) -> None:
        layers = LayersSettings(database_url=SecretStr(self.url), pool_size=2)
        self.reader = CityReader(layers, self.catalogue)
        self.memory = TileMemory(10**9)
        place = StorePlace(self.folder, 10**9)
        self.store = StoreKeeper(place, self.reader, self.catalogue, [self.family])
        self.keeper = TileKeeper(self.reader, self.memory, self.store)
        self.renderer = TileRenderer(self.reader, tile_formats()["mvt"])
        self.reader.follow_tiles(self.keeper.hear)
        self.reader.start()
        self.store.start()

    def stop(self) -> None:
        async def end() -> None:
            await self.store.stop()
            await self.reader.close()

        self.runner.run(end())
        self.runner.close()

    def survey(self, edits: list[Edit]) -> None:
        self.surveys += 1
        store = Store(self.url, self.catalogue)
        pyramid = PyramidStore(self.url)
        for name, rows in edited(edits).items():
            layer = self.catalogue.layer(name)
            load_rows(store, layer, rows, _FIRST + timedelta(days=self.surveys))
            build_pyramid(pyramid, layer, processes=1)
        pyramid.close()
        store.close()

    async def heard(self) -> None:
        """Wait until everything that the database knows is heard, and the store is clear of it."""
        async with asyncio.timeout(20):
            while True:
                rows = await read_tile_versions(self.reader.fetch)
                is_heard = rows == dict(self.reader.tile_versions())
                if is_heard and self.keeper.is_trusted and self.store.is_clear:
                    return
                await asyncio.sleep(0.01)

    async def try_edits(self, edits: list[Edit]) -> None:
        await self.heard()
        before = {}
        for request in self.requests:
            kept, _ = await self.keeper.get(self.family, request, self.renderer.render)
            before[request] = kept.tile.unpacked()
        await asyncio.to_thread(self.survey, edits)
        await self.heard()
        for request in self.requests:
            fresh = (await self.renderer.render(request)).data
            was_there = self.memory.get(tile_key(self.family, request)) is not None
            kept, level = await self.keeper.get(self.family, request, self.renderer.render)
            assert kept.tile.unpacked() == fresh, (request.place, request.at, level)
            if fresh != before[request]:
                self.changed += 1
                assert not was_there
            else:
                self.alike += 1
                self.still_there += was_there


@pytest.fixture
def server(database: str, catalogue: Catalogue, tmp_path: Path) -> Iterator[Server]:
    pyramid = PyramidStore(database)
    for name in ("plot", "lane", "lamp"):
        build_pyramid(pyramid, catalogue.layer(name), processes=1)
    pyramid.close()
    made = Server(database, catalogue, tmp_path / "tiles")
    yield made
    made.stop()


def live_through(server: Server, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        # One town after the other: what failed cannot be tried again with less.
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(EDITS)
    def live(edits: list[Edit]) -> None:
        server.runner.run(server.try_edits(edits))

    live()
    assert server.changed > examples
    assert server.still_there >= LEAST_KEPT * server.alike, (server.still_there, server.alike)


def test_edits_refresh_what_they_change_and_nothing_else(server: Server) -> None:
    live_through(server, 20)


@pytest.mark.slow
def test_three_hundred_edits_refresh_what_they_change_and_nothing_else(server: Server) -> None:
    live_through(server, 300)
