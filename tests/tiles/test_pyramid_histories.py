"""The pyramid follows the layer through random histories of surveys, late surveys and reverts.

Whatever is caught up with step by step is what building it anew gives, row for row with all times;
and what it shows of any day, as believed after any load, is what generalising that state gives.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, null, select, text

from layers.access import ANONYMOUS, access_class
from layers.pyramid_bands import band_fields, bands_of
from layers.pyramid_store import PyramidStore
from layers.pyramid_tables import band_table, band_table_name
from layers.queries import layer_rows
from layers.store import Store
from layers.tables import is_current
from layers.tile_fields import tile_fields
from layers.tile_queries import tile_rows
from tests.database import connected
from tests.layers.conftest import catalogue_of, plot_definition
from tests.layers.surveys import day
from tests.layers.test_histories import HISTORY, World, _moments
from tiles.generaliser import Cell, Features
from tiles.generaliser_registry import band_of, tile_generalisers
from tiles.pyramid.building import build_pyramid
from tiles.pyramid.cells import tile_ranges

LAYER = plot_definition(
    tiles={
        "min_zoom": 8,
        "fields": ["use", "floors"],
        "field_zooms": {"floors": 12},
        "min_pixels": 0,
        "pyramid": [
            {"zooms": [8, 11], "method": "simplify", "source": "finer", "min_pixels": 0},
            {"zooms": [12, 15], "method": "simplify", "cell_zoom": 15},
        ],
    }
)


@pytest.fixture
def world(fresh_database: str) -> Iterator[Callable[[], World]]:
    """Return a function that begins a world over the emptied database."""
    store = Store(fresh_database, catalogue_of(LAYER))
    store.migrate()

    def begin() -> World:
        tables = ", ".join(f"pyramid.{band_table_name(LAYER, band)}" for band in bands_of(LAYER))
        with connected(fresh_database) as connection:
            connection.execute(
                text(
                    f"TRUNCATE city.plot, onemap.load, onemap.pyramid, onemap.tile_change, {tables}"
                    " CASCADE"
                )
            )
            connection.execute(
                text(
                    "UPDATE onemap.layer SET data_version = 0, current_count = 0, tile_version = 0,"
                    " west = NULL, south = NULL, east = NULL, north = NULL, valid_from = NULL"
                )
            )
        return World(fresh_database, store, LAYER)

    yield begin
    store.close()


def pyramid_rows(url: str) -> dict[int, list[Any]]:
    """All rows of each band, with all their times."""
    found = {}
    with connected(url) as connection:
        for band in bands_of(LAYER):
            name = band_table_name(LAYER, band)
            rows = connection.execute(
                text(f"SELECT CAST(p AS text) FROM pyramid.{name} AS p")  # noqa: S608
            ).scalars()
            found[band.zooms[0]] = sorted(rows)
    return found


def current_rows(url: str) -> dict[int, int]:
    """How many rows of each band are current."""
    with connected(url) as connection:
        return {
            band.zooms[0]: connection.execute(
                select(func.count()).where(is_current(band_table(LAYER, band)))
            ).scalar_one()
            for band in bands_of(LAYER)
        }


def shown(url: str, z: int, at: datetime, as_of: datetime) -> set[tuple[Any, ...]]:
    """What tiles of a zoom are cut from, of a day as believed at a record time."""
    fields = tile_fields(LAYER, z)
    statement = tile_rows(LAYER, at=at, as_of=as_of, fields=fields, z=z).subquery("t")
    wanted = select(
        statement.c.tile_id,
        statement.c.use,
        statement.c.floors if "floors" in fields else null(),
        func.ST_AsBinary(statement.c.tile_geom),
        statement.c.generalised,
    )
    with connected(url) as connection:
        rows = connection.execute(wanted).all()
    assert all(row[-1] for row in rows)
    return {(*row[:3], bytes(row[3])) for row in rows}


def expected(url: str, z: int, at: datetime, as_of: datetime) -> set[tuple[Any, ...]]:
    """The same, generalised from the layer's rows of that time."""
    coarse, fine = bands_of(LAYER)
    rows = layer_rows(LAYER, access_class(LAYER, ANONYMOUS), at, as_of)
    with connected(url) as connection:
        found = connection.execute(
            select(rows.c.feature_id, rows.c.use, rows.c.floors, func.ST_AsBinary(rows.c.tile_geom))
        ).all()
    features = Features(
        shapely.normalize(np.array(shapely.from_wkb([bytes(row[3]) for row in found]), object)),
        np.array([row[0] for row in found], np.int64),
        pa.table(
            {
                "use": pa.array([row[1] for row in found], pa.string()),
                "floors": pa.array([row[2] for row in found], pa.int64()),
            }
        ),
        np.zeros(len(found)),
        np.ones(len(found), np.int64),
    )
    for band in (fine, coarse):
        features = _everywhere(features, band)
        if band.zooms[0] <= z:
            break
    columns = [
        features.attributes[name].to_pylist() if name in features.attributes.column_names else None
        for name in ("use", "floors")
    ]
    return {
        (
            int(features.feature_ids[place]),
            None if columns[0] is None else columns[0][place],
            None if columns[1] is None else columns[1][place],
            shapely.to_wkb(features.shapes[place]),
        )
        for place in range(len(features.shapes))
    }


def _everywhere(features: Features, band: Any) -> Features:
    whole = band_of(LAYER, band, band_fields(LAYER, band))
    method = tile_generalisers()[band.method]
    ranges = tile_ranges(shapely.bounds(features.shapes).reshape(-1, 4), whole.cell_zoom, 0.0)
    cells = {
        (x, y)
        for west, north, east, south in ranges.tolist()
        for x in range(west, east + 1)
        for y in range(north, south + 1)
    }
    made = [method.generalise(features, whole, Cell(whole.cell_zoom, x, y)) for x, y in cells]
    made = [rows for rows in made if len(rows.shapes)] or [
        method.generalise(features, whole, Cell(whole.cell_zoom, 0, 0))
    ]
    return Features(
        np.concatenate([rows.shapes for rows in made]),
        np.concatenate([rows.feature_ids for rows in made]),
        pa.concat_tables([rows.attributes for rows in made]),
        np.concatenate([rows.rank for rows in made]),
        np.concatenate([rows.members for rows in made]),
    )


def live_through(
    world: World, history: list[tuple[Any, ...]], pauses: list[bool], asked: int
) -> None:
    pyramid = PyramidStore(world.url)
    try:
        for step, pause in zip(history, pauses, strict=False):
            world.do(step)
            if not pause:
                build_pyramid(pyramid, LAYER, processes=1)
        build_pyramid(pyramid, LAYER, processes=1)
        assert build_pyramid(pyramid, LAYER, processes=1) == []
        followed = pyramid_rows(world.url)
        told = {state.band.zooms[0]: state.rows for state in pyramid.states(LAYER, bands_of(LAYER))}
        assert told == current_rows(world.url)
        build_pyramid(pyramid, LAYER, processes=1, anew=True)
        assert pyramid_rows(world.url) == followed
    finally:
        pyramid.close()
    if not followed[12]:
        return
    for moment in _moments(world).values():
        for z in (9, 14):
            at = day(asked)
            assert shown(world.url, z, at, moment) == expected(world.url, z, at, moment)


_UNHURRIED = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
_PAUSES = st.lists(st.booleans(), min_size=9, max_size=9)


@settings(max_examples=15, deadline=None, suppress_health_check=_UNHURRIED)
@given(history=HISTORY, pauses=_PAUSES, asked=st.integers(0, 7))
def test_the_pyramid_follows_any_history(
    history: list[tuple[Any, ...]], pauses: list[bool], asked: int, world: Callable[[], World]
) -> None:
    live_through(world(), history, pauses, asked)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=_UNHURRIED)
@given(history=HISTORY, pauses=_PAUSES, asked=st.integers(0, 7))
def test_the_pyramid_follows_three_hundred_histories(
    history: list[tuple[Any, ...]], pauses: list[bool], asked: int, world: Callable[[], World]
) -> None:
    live_through(world(), history, pauses, asked)
