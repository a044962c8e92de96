"""The tiles that a load and its pyramid are said to change: all that do, and hardly any other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from gis.tile_cover import HALF_WORLD, tiles_showing
from layers.pyramid_store import PyramidStore
from layers.store import Store
from layers.system_tables import tile_change_table
from tests.database import connected
from tests.layers.conftest import catalogue_of, plot_definition
from tests.layers.surveys import day, load
from tests.layers.test_histories import World
from tests.tiles.test_pyramid_histories import LAYER, world
from tiles.format import TileCut
from tiles.grids import buffered, buffered_degrees, tile_box
from tiles.pyramid.building import build_pyramid
from tiles.registry import tile_formats

__all__ = ["world"]

#: Where all squares of ``surveys.square`` with numbers up to 3 lie, with room around.
AREA = (114.2985, 29.7985, 114.3085, 29.8025)
ZOOMS = (8, 11, 13, 15, 16, 17)


def tiles_of_area(z: int) -> list[tuple[int, int]]:
    box = shapely.box(*AREA)
    merc = shapely.transform(
        box,
        lambda c: np.column_stack(
            [
                np.radians(c[:, 0]) * 6378137.0,
                6378137.0 * np.arctanh(np.sin(np.radians(c[:, 1]))),
            ]
        ),
    )
    codes = tiles_showing(np.array([merc], dtype=object), [z], 0.1, 10_000)[z]
    assert codes is not None
    return [(int(code) >> 24, int(code) & 0xFFFFFF) for code in codes]


def everything(url: str) -> dict[tuple[int, int, int], bytes]:
    """The bytes of all tiles of the area."""
    mvt = tile_formats()["mvt"]
    found = {}
    with connected(url) as connection:
        for z in ZOOMS:
            for x, y in tiles_of_area(z):
                box = tile_box(z, x, y)
                metres = func.ST_MakeEnvelope(*buffered(box), 3857)
                cut = TileCut((LAYER,), z, box, buffered_degrees(box), metres)
                parts = connection.execute(mvt.statement(cut)).scalar_one()
                found[(z, x, y)] = repr(parts).encode()
    return found


def told(url: str, since: int) -> tuple[set[tuple[int, int, int]], int]:
    """The tiles told since a version, of the zooms rendered, and the last version."""
    change = tile_change_table.c
    with connected(url) as connection:
        rows = connection.execute(
            select(change.zoom, change.tiles, change.tile_version).where(
                change.layer == "plot", change.tile_version > since
            )
        ).all()
    tiles: set[tuple[int, int, int]] = set()
    for zoom, codes, _ in rows:
        if zoom not in ZOOMS:
            continue
        if codes is None:
            tiles |= {(zoom, x, y) for x, y in tiles_of_area(zoom)}
        else:
            tiles |= {(zoom, code >> 24, code & 0xFFFFFF) for code in codes}
    return tiles, max((row[2] for row in rows), default=since)


EDITS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), min_size=1, max_size=2),
        st.integers(3, 6),
        st.booleans(),
    ),
    min_size=2,
    max_size=4,
)
_UNHURRIED = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


def edit_and_compare(world: World, edits: list[tuple[Any, ...]]) -> None:
    pyramid = PyramidStore(world.url)
    needless = kept = 0
    try:
        load(world.store, LAYER, {"a": 0, "b": 1, "c": 2, "d": 3}, day(3))
        build_pyramid(pyramid, LAYER, processes=1)
        before = everything(world.url)
        _, version = told(world.url, 0)
        # A late survey also touches tiles of today needlessly: changes are told from a day on.
        for states, at, full in sorted(edits, key=lambda edit: int(edit[1])):
            load(world.store, LAYER, states, day(at), full=full)
            at_once = everything(world.url)
            first, version = told(world.url, version)
            assert {tile for tile in before if before[tile] != at_once[tile]} <= first
            build_pyramid(pyramid, LAYER, processes=1)
            after = everything(world.url)
            second, version = told(world.url, version)
            assert {tile for tile in before if at_once[tile] != after[tile]} <= second
            differing = {tile for tile in before if before[tile] != after[tile]}
            needless += len(((first | second) & before.keys()) - differing)
            kept += len(before.keys() - differing)
            before = after
    finally:
        pyramid.close()
    assert needless <= 0.05 * kept + 2


@settings(max_examples=4, deadline=None, suppress_health_check=_UNHURRIED)
@given(edits=EDITS)
def test_every_tile_that_differs_is_told_and_few_others(
    edits: list[tuple[Any, ...]], world: Callable[[], World]
) -> None:
    edit_and_compare(world(), edits)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=_UNHURRIED)
@given(edits=EDITS)
def test_three_hundred_edits_are_told_exactly(
    edits: list[tuple[Any, ...]], world: Callable[[], World]
) -> None:
    edit_and_compare(world(), edits)


def test_what_tiles_do_not_show_touches_none(world: Callable[[], World]) -> None:
    """A field that no tile carries: the load is told without a tile, and the pyramid stays."""
    begun = world()
    plain = plot_definition(
        tiles=LAYER.tiles.model_dump(mode="json") | {"fields": [], "field_zooms": {}}
    )
    store = Store(begun.url, catalogue_of(plain))
    pyramid = PyramidStore(begun.url)
    try:
        store.migrate()
        load(store, plain, {"a": 1}, day(3))
        build_pyramid(pyramid, plain, processes=1)
        _, version = told(begun.url, 0)
        with connected(begun.url) as connection:
            connection.execute(text("UPDATE city.plot SET use = 'something else'"))
        load(store, plain, {"a": 1}, day(4))
        built = build_pyramid(pyramid, plain, processes=1)
        assert [band.opened + band.closed for band in built] == [0, 0]
        touched, after = told(begun.url, version)
        assert after > version
        assert touched == set()
    finally:
        pyramid.close()
        store.close()


SHAPES = st.lists(
    st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9)), min_size=2, max_size=6, unique=True
)


@given(points=SHAPES)
def test_long_shapes_are_followed_exactly(points: list[tuple[float, float]]) -> None:
    line = shapely.LineString((np.array(points) * 2 - 1) * HALF_WORLD)
    reach = 65 / 4096
    for zoom, codes in tiles_showing(
        np.array([line], dtype=object), range(6), reach, 10**6
    ).items():
        assert codes is not None
        width = 2 * HALF_WORLD / (1 << zoom)
        met = {
            x << 24 | y
            for x in range(1 << zoom)
            for y in range(1 << zoom)
            if shapely.box(
                (x - reach) * width - HALF_WORLD,
                HALF_WORLD - (y + 1 + reach) * width,
                (x + 1 + reach) * width - HALF_WORLD,
                HALF_WORLD - (y - reach) * width,
            ).intersects(line)
        }
        assert met <= set(codes.tolist())
        assert len(codes) <= len(met) + 2


def test_too_many_tiles_are_all() -> None:
    wide = np.array([shapely.box(-1e7, -1e7, 1e7, 1e7)], dtype=object)
    found = tiles_showing(wide, range(12), 0.02, 1_000)
    assert found[5] is not None
    assert found[11] is None


def test_no_shape_is_no_tile() -> None:
    found = tiles_showing(np.empty(0, dtype=object), [3], 0.02, 10)
    assert found[3] is not None
    assert len(found[3]) == 0
