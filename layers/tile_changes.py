"""Keeping which tiles each change of a layer touched, for caches to forget exactly those."""

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, insert, select

from layers.definition import LayerDefinition
from layers.pyramid_bands import band_digest, bands_of
from layers.system_tables import pyramid_table, tile_change_table

#: The zooms whose changes are kept apart.
ZOOMS = range(19)
#: Changes of so many last versions are kept; a cache that missed more forgets the whole layer.
KEPT_VERSIONS = 200
#: Before every valid time.
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)

#: Coded tiles (``x << 24 | y``), sorted; ``None`` is all tiles of the zoom.
Tiles = NDArray[np.int64] | None


def keep_changes(
    connection: Connection,
    layer: str,
    tile_version: int,
    valid_from: datetime,
    tiles: Mapping[int, Tiles],
) -> None:
    """Write which tiles a raise of a layer's tile version touched.

    Args:
        connection: The transaction that raised it.
        layer: The layer.
        tile_version: The version it was raised to.
        valid_from: Tiles of earlier valid times did not change.
        tiles: The tiles by zoom; of a zoom that is not there, none.
    """
    nothing = np.empty(0, np.int64)
    touched = {zoom: tiles.get(zoom, nothing) for zoom in ZOOMS}
    rows = [
        {
            "layer": layer,
            "tile_version": tile_version,
            "zoom": zoom,
            "valid_from": valid_from,
            "tiles": None if codes is None else codes.tolist(),
        }
        for zoom, codes in touched.items()
    ]
    now = func.clock_timestamp()
    connection.execute(insert(tile_change_table).values(changed_at=now), rows)
    change = tile_change_table.c
    connection.execute(
        delete(tile_change_table).where(
            change.layer == layer, change.tile_version <= tile_version - KEPT_VERSIONS
        )
    )


def live_zooms(connection: Connection, layer: LayerDefinition) -> frozenset[int]:
    """Return the zooms whose tiles are cut from a pyramid that was built."""
    state = pyramid_table.c
    built = {
        (row.band, row.digest)
        for row in connection.execute(
            select(state.band, state.digest).where(state.layer == layer.name)
        )
    }
    return frozenset(
        zoom
        for band in bands_of(layer)
        if (band.zooms[0], band_digest(layer, band)) in built
        for zoom in range(band.zooms[0], band.zooms[1] + 1)
    )


def all_tiles_of_layer(connection: Connection, layer: LayerDefinition) -> dict[int, Tiles]:
    """Return all tiles of the zooms that are cut from the layer itself, not from a pyramid."""
    return dict.fromkeys(sorted(set(ZOOMS) - live_zooms(connection, layer)))
