"""Announcing that a layer changed: its versions, the figures kept of it, and the notice."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, update

from layers.definition import LayerDefinition
from layers.notices import LayerNotice, announce_layer
from layers.system_tables import layer_table
from layers.tile_changes import BEGINNING, Tiles, all_tiles_of_layer, keep_changes

Bounds = tuple[float, float, float, float]


def publish_layer(
    connection: Connection,
    layer: LayerDefinition,
    growth: int,
    recorded_at: datetime,
    *,
    valid_from: datetime | None = None,
    bounds: Bounds | None = None,
    tiles: Mapping[int, Tiles] | None = None,
) -> int:
    """Raise a layer's data version and tile version, in the transaction that changes it.

    Args:
        connection: The transaction.
        layer: The layer.
        growth: By how many its current features grow.
        recorded_at: The record time of the change.
        valid_from: The earliest valid time of which something changed.
        bounds: Box around the new rows: west, south, east, north in degrees.
        tiles: The tiles touched, by zoom; without it all that are cut from the layer itself.

    Returns:
        The new data version.
    """
    held = layer_table.c
    values: dict[str, Any] = {
        "data_version": held.data_version + 1,
        "current_count": held.current_count + growth,
        "updated_at": recorded_at,
    }
    if valid_from is not None:
        values["valid_from"] = func.least(held.valid_from, valid_from)
    if bounds is not None:
        west, south, east, north = bounds
        values |= {
            "west": func.least(held.west, west),
            "south": func.least(held.south, south),
            "east": func.greatest(held.east, east),
            "north": func.greatest(held.north, north),
        }
    if tiles is None:
        tiles = all_tiles_of_layer(connection, layer)
    return raise_versions(connection, layer.name, values, valid_from or BEGINNING, tiles)


def publish_tiles(
    connection: Connection, layer: str, valid_from: datetime, tiles: Mapping[int, Tiles]
) -> None:
    """Raise a layer's tile version, where tiles show something else of the same data."""
    raise_versions(connection, layer, {}, valid_from, tiles)


def raise_versions(
    connection: Connection,
    layer: str,
    values: Mapping[str, Any],
    valid_from: datetime,
    tiles: Mapping[int, Tiles],
) -> int:
    """Change what is kept of a layer, raise its tile version, and announce both.

    Args:
        connection: The transaction.
        layer: The layer's name; one that the database does not know is passed over.
        values: The columns of ``onemap.layer`` to change.
        valid_from: Tiles of earlier valid times did not change.
        tiles: The tiles touched, by zoom.

    Returns:
        The data version; 0 for a layer that is not known.
    """
    held = layer_table.c
    versions = connection.execute(
        update(layer_table)
        .where(held.name == layer)
        .values({**values, "tile_version": held.tile_version + 1})
        .returning(held.data_version, held.tile_version)
    ).first()
    if versions is None:
        return 0
    keep_changes(connection, layer, versions.tile_version, valid_from, tiles)
    announce_layer(connection, LayerNotice(layer, versions.data_version, versions.tile_version))
    return int(versions.data_version)
