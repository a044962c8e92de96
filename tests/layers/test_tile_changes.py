"""What a change of a layer tells caches: its tile version, and which tiles it touched."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sqlalchemy import select, text

from layers.catalogue import load_catalogue
from layers.definition import LayerDefinition
from layers.pyramid_bands import band_digest, bands_of
from layers.store import Store
from layers.system_tables import layer_table, tile_change_table
from layers.tile_changes import BEGINNING, KEPT_VERSIONS, ZOOMS, keep_changes
from tests.database import connected
from tests.layers.conftest import plot_definition
from tests.layers.surveys import day, load

BANDED = plot_definition(
    tiles={"min_zoom": 8, "pyramid": [{"zooms": [8, 15], "method": "simplify"}]}
)


def changes(url: str, layer: str) -> list[Any]:
    with connected(url) as connection:
        change = tile_change_table.c
        return list(
            connection.execute(
                select(change.tile_version, change.zoom, change.valid_from, change.tiles)
                .where(change.layer == layer)
                .order_by(change.tile_version, change.zoom)
            )
        )


def version(url: str, layer: str) -> int:
    with connected(url) as connection:
        wanted = select(layer_table.c.tile_version).where(layer_table.c.name == layer)
        return int(connection.execute(wanted).scalar_one())


def test_a_first_load_touches_all_tiles(
    fresh_database: str, plot: LayerDefinition, make_store: Callable[..., Store]
) -> None:
    load(make_store(plot), plot, {"a": 1}, day(3))
    assert version(fresh_database, "plot") == 1
    assert changes(fresh_database, "plot") == [(1, zoom, day(3), None) for zoom in ZOOMS]


def test_zooms_with_a_built_pyramid_wait_for_it(
    fresh_database: str, make_store: Callable[..., Store]
) -> None:
    store = make_store(BANDED)
    load(store, BANDED, {"a": 1}, day(3))
    assert all(row.tiles is None for row in changes(fresh_database, "plot"))
    with connected(fresh_database) as connection:
        connection.execute(
            text("INSERT INTO onemap.pyramid SELECT 'plot', 8, :digest, now(), 1, 1, now(), 1"),
            {"digest": band_digest_of(BANDED)},
        )
    load(store, BANDED, {"a": 2}, day(4))
    second = [row for row in changes(fresh_database, "plot") if row.tile_version == 2]
    assert [row.zoom for row in second if row.tiles == []] == list(range(8, 16))


def band_digest_of(layer: LayerDefinition) -> str:
    return band_digest(layer, bands_of(layer)[0])


def test_only_the_last_changes_are_kept(
    fresh_database: str, plot: LayerDefinition, make_store: Callable[..., Store]
) -> None:
    make_store(plot)
    with connected(fresh_database) as connection:
        for number in range(1, KEPT_VERSIONS + 3):
            keep_changes(connection, "plot", number, BEGINNING, {18: np.array([5, 9])})
    kept = changes(fresh_database, "plot")
    assert {row.tile_version for row in kept} == set(range(3, KEPT_VERSIONS + 3))
    assert kept[-1].tiles == [5, 9]
    assert kept[-2].tiles == []


def test_migrating_makes_and_renews_the_tables_of_bands(
    fresh_database: str, make_store: Callable[..., Store]
) -> None:
    store = make_store(BANDED)
    assert store.migrate() == []
    longer = plot_definition(
        tiles={
            "min_zoom": 8,
            "fields": ["use"],
            "pyramid": [{"zooms": [8, 15], "method": "simplify"}],
        }
    )
    other = make_store(longer)
    assert other.migrate() == []
    with connected(fresh_database) as connection:
        columns = connection.execute(text("SELECT * FROM pyramid.plot__8")).keys()
    assert "use" in columns


def test_every_shipped_layer_has_bands_that_hang_together() -> None:
    for layer in load_catalogue().layers.values():
        for band in bands_of(layer):
            assert band.zooms[1] < layer.tiles.detail_zoom
            assert len(band_digest(layer, band)) == 32
