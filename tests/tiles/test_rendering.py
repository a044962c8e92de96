"""Rendered tiles, against PostGIS's own clipping and against shapely."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import mapbox_vector_tile
import morecantile
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from shapely.geometry import shape
from sqlalchemy import text

from gis import mercator
from gis.times import BEIJING
from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.map_definition import TileLimits
from layers.reading import CityReader
from layers.settings import LayersSettings
from layers.store import Store
from tests.api.town import COLUMNS, FIRST, ROWS, SOUTH, STEP, WEST, load_rows
from tests.database import connected, copied_database
from tests.tiles.conftest import renderer_over
from tiles.grids import tile_box
from tiles.registry import tile_formats
from tiles.rendering import TileRenderer
from tiles.request import RenderedTile, TileRequest
from tiles.tileset import TileSet, layer_tiles, map_tiles

Render = Callable[[TileRequest], RenderedTile]
GRID = morecantile.tms.get("WebMercatorQuad")
TILE = GRID.tile(WEST + STEP, SOUTH + STEP, 15)
PLACE = (15, TILE.x, TILE.y)
#: The edges of the tile in degrees.
BOUNDS = GRID.bounds(TILE)


def decoded(tile: bytes) -> dict[str, list[dict[str, Any]]]:
    layers = mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True})
    return {name: layer["features"] for name, layer in layers.items()}


@pytest.fixture
def town(catalogue: Catalogue) -> TileSet:
    return map_tiles(catalogue, catalogue.map("town"), ANONYMOUS)


def spots(lowest: float, highest: float, west: float, east: float) -> st.SearchStrategy[Any]:
    margin = 0.3 * (east - west)
    return st.tuples(
        st.floats(west - margin, east + margin), st.floats(lowest - margin, highest + margin)
    )


HERE = spots(BOUNDS.bottom, BOUNDS.top, BOUNDS.left, BOUNDS.right)
#: Squares from a hundredth of a tile unit to a whole tile.
SIDES = st.floats(-8.0, -2.0).map(lambda power: 10**power)
SQUARES = st.lists(st.tuples(HERE, SIDES), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def open_country(
    cluster: str, postgis_template: str, catalogue: Catalogue
) -> Iterator[tuple[Store, str, Render]]:
    """A database without features."""
    with copied_database(cluster, postgis_template) as url:
        store = Store(url, catalogue)
        store.migrate()
        yield store, url, renderer_over(url, catalogue)
        store.close()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(squares=SQUARES)
def test_shapes_within_the_tile_are_those_that_postgis_clips(
    squares: list[tuple[tuple[float, float], float]],
    open_country: tuple[Store, str, Render],
    catalogue: Catalogue,
) -> None:
    store, url, render = open_country
    plot = catalogue.layer("plot")
    rows: list[dict[str, object]] = [
        {
            "code": f"Q{number:04d}",
            "use": "01",
            "geometry": shapely.MultiPolygon(
                [
                    shapely.box(x, y, x + side, y + side).difference(
                        shapely.box(x + side / 3, y + side / 3, x + side / 2, y + side / 2)
                    )
                ]
            ),
        }
        for number, ((x, y), side) in enumerate(squares)
    ]
    load_rows(store, plot, rows, FIRST, full=True)
    tile = decoded(render(TileRequest(layer_tiles(plot), PLACE)).data)
    found = {entry["id"]: shape(entry["geometry"]) for entry in tile.get("plot", [])}
    box = tile_box(*PLACE)
    with connected(url) as connection:
        wanted = connection.execute(
            text(
                "SELECT feature_id, ST_AsBinary(ST_AsMVTGeom(tile_geom, "
                "ST_MakeEnvelope(:w, :s, :e, :n, 3857), 4096, 64, true)) AS wkb FROM city.plot "
                "WHERE recorded_to = 'infinity' AND valid_to = 'infinity'"
            ),
            dict(zip("wsen", box, strict=True)),
        )
        clipped = {
            row.feature_id: shapely.from_wkb(bytes(row.wkb))
            for row in wanted
            if row.wkb is not None
        }
    for feature_id, geometry in clipped.items():
        # A shape of less than a unit may be there in one and gone in the other.
        if geometry.area < 4 and feature_id not in found:
            continue
        assert shapely.hausdorff_distance(geometry, found[feature_id]) <= 1.5
    for feature_id in found.keys() - clipped.keys():
        assert found[feature_id].area <= 4


def test_outer_rings_turn_as_the_specification_wants(render: Render, catalogue: Catalogue) -> None:
    """Section 4.3.4.4: by the surveyor's formula on rows that count downwards, positive."""
    tile = decoded(render(TileRequest(layer_tiles(catalogue.layer("plot")), PLACE)).data)
    assert len(tile["plot"]) > 10
    for entry in tile["plot"]:
        polygons = entry["geometry"]["coordinates"]
        rings = (
            [polygons[0]]
            if entry["geometry"]["type"] == "Polygon"
            else [polygon[0] for polygon in polygons]
        )
        for ring in rings:
            assert shapely.LinearRing(ring).is_ccw


def test_every_feature_stands_where_it_was_surveyed(render: Render, catalogue: Catalogue) -> None:
    west, south, east, north = tile_box(*PLACE)
    tile = decoded(render(TileRequest(layer_tiles(catalogue.layer("lamp")), PLACE)).data)["lamp"]
    numbers = {entry["properties"]["number"]: entry["geometry"]["coordinates"] for entry in tile}
    # Points in the buffer stay, so that symbols do not break at the edge.
    reach = catalogue.layer("lamp").tiles.buffer / 4096 * (east - west)
    for number in range(1, 121):
        lon, lat = WEST + (number % 20) * STEP, SOUTH + (number // 20) * STEP
        x, y = mercator.forward(np.array([lon]), np.array([lat]))
        inside = west - reach <= x[0] <= east + reach and south - reach <= y[0] <= north + reach
        assert (number in numbers) == inside
        if inside:
            there = [(x[0] - west) / (east - west) * 4096, (north - y[0]) / (north - south) * 4096]
            assert np.abs(np.array(numbers[number]) - there).max() <= 0.5 + 1e-6


def test_a_tile_keeps_the_largest_and_says_what_it_left_out(render: Render, town: TileSet) -> None:
    place = (13, *GRID.tile(WEST + STEP, SOUTH + STEP, 13)[:2])
    whole = render(TileRequest(town, place))
    assert whole.truncated == ()
    every = {name: len(features) for name, features in decoded(whole.data).items()}
    small = replace(town, path="maps/small", limits=TileLimits(features=100))
    cut = render(TileRequest(small, place))
    layers = decoded(cut.data)
    notes = {entry["properties"]["layer"]: entry["properties"] for entry in layers["onemap:meta"]}
    assert cut.truncated == tuple(notes)
    assert "lane" not in notes
    for name, note in notes.items():
        assert note["of"] == every[name]
        assert note["shown"] == len(layers[name]) < every[name]
    assert sum(len(layers[name]) for name in every) <= 100
    assert render(TileRequest(small, place)) == cut


def test_a_tile_stays_below_its_bytes(render: Render, town: TileSet) -> None:
    place = (13, *GRID.tile(WEST + STEP, SOUTH + STEP, 13)[:2])
    whole = render(TileRequest(town, place))
    small = replace(town, path="maps/light", limits=TileLimits(bytes=5000))
    cut = render(TileRequest(small, place))
    assert len(whole.data) > 10_000
    assert 2500 < len(cut.data) <= 5000 + 200
    assert cut.truncated
    assert cut.versions == whole.versions


def test_the_town_has_all_its_plots(render: Render, catalogue: Catalogue) -> None:
    plot = layer_tiles(catalogue.layer("plot"))
    place = (11, *GRID.tile(WEST + STEP, SOUTH + STEP, 11)[:2])
    assert len(decoded(render(TileRequest(plot, place)).data)["plot"]) == COLUMNS * ROWS


def test_change_tiles_show_both_shapes_of_what_moved(
    open_country: tuple[Store, str, Render], catalogue: Catalogue
) -> None:
    store, _, render = open_country
    plot = catalogue.layer("plot")
    lon, lat = (BOUNDS.left + BOUNDS.right) / 2, (BOUNDS.bottom + BOUNDS.top) / 2

    def square(code: str, east: float, north: float, use: str = "01") -> dict[str, object]:
        west, south = lon + east, lat + north
        box = shapely.box(west, south, west + 1e-4, south + 1e-4)
        return {"code": code, "use": use, "geometry": shapely.MultiPolygon([box])}

    first = [square(code, 0, 2e-4 * place) for place, code in enumerate("ABCDE")]
    # A stays, B moves, C changes its use, D goes, E moves out of the tile, F comes.
    later = [
        first[0],
        square("B", 5e-4, 2e-4),
        square("C", 0, 4e-4, "07"),
        square("E", 0.5, 0.5),
        square("F", 0, -2e-4),
    ]
    load_rows(store, plot, first, datetime(2021, 1, 1, tzinfo=BEIJING), full=True)
    load_rows(store, plot, later, datetime(2022, 1, 1, tzinfo=BEIJING), full=True)

    def changes(since: int, at: int | None = None) -> list[tuple[str, str, str]]:
        until = None if at is None else datetime(at, 6, 1, tzinfo=BEIJING)
        request = TileRequest(
            layer_tiles(plot),
            PLACE,
            at=until,
            properties=("code",),
            since=datetime(since, 6, 1, tzinfo=BEIJING),
        )
        found = decoded(render(request).data).get("plot", [])
        return sorted(
            (
                entry["properties"]["code"],
                entry["properties"]["change"],
                entry["properties"]["shape"],
            )
            for entry in found
        )

    assert changes(2021) == [
        ("B", "changed", "after"),
        ("B", "changed", "before"),
        ("C", "changed", "after"),
        ("D", "removed", "before"),
        ("E", "changed", "before"),
        ("F", "added", "after"),
    ]
    assert changes(2021, 2022) == changes(2021)
    assert changes(2022) == []
    added = [entry for entry in changes(2020, 2021) if entry[1] == "added"]
    assert added == [(code, "added", "after") for code in "ABCDE"]


def test_a_tile_s_statement_is_planned_once(
    town_url: str, catalogue: Catalogue, town: TileSet
) -> None:
    """Planning anew for each tile would take longer than most tiles do."""

    async def plans() -> list[tuple[int, int]]:
        settings = LayersSettings(database_url=SecretStr(town_url), pool_size=1)
        reader = await CityReader.open(settings, catalogue)
        try:
            renderer = TileRenderer(reader, tile_formats()["mvt"])
            for step in range(8):
                await renderer.render(TileRequest(town, (15, PLACE[1] + step, PLACE[2])))
            held = text(
                "SELECT generic_plans, custom_plans FROM pg_prepared_statements "
                "WHERE statement LIKE '%ST_AsMVT(%' AND statement NOT LIKE '%pg_prepared%'"
            )
            return [tuple(row) for row in await reader.fetch(held)]
        finally:
            await reader.close()

    assert asyncio.run(plans()) == [(8, 0)]
