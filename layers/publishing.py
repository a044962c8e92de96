"""Announcing that a layer changed: its data version, the figures kept of it, and the notice."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from layers.notices import CHANNEL, layer_changed
from layers.system_tables import layer_table

Bounds = tuple[float, float, float, float]


def publish_layer(
    connection: Connection,
    name: str,
    growth: int,
    recorded_at: datetime,
    *,
    valid_from: datetime | None = None,
    bounds: Bounds | None = None,
) -> int:
    """Raise a layer's data version, in the transaction that changes it.

    Args:
        connection: The transaction.
        name: The layer.
        growth: By how many its current features grow.
        recorded_at: The record time of the change.
        valid_from: The earliest valid time among the new rows.
        bounds: Box around the new rows: west, south, east, north in degrees.

    Returns:
        The new data version.
    """
    layer = layer_table.c
    values: dict[str, Any] = {
        "data_version": layer.data_version + 1,
        "current_count": layer.current_count + growth,
        "updated_at": recorded_at,
    }
    if valid_from is not None:
        values["valid_from"] = func.least(layer.valid_from, valid_from)
    if bounds is not None:
        west, south, east, north = bounds
        values |= {
            "west": func.least(layer.west, west),
            "south": func.least(layer.south, south),
            "east": func.greatest(layer.east, east),
            "north": func.greatest(layer.north, north),
        }
    version = int(
        connection.execute(
            update(layer_table)
            .where(layer.name == name)
            .values(values)
            .returning(layer.data_version)
        ).scalar_one()
    )
    connection.execute(select(func.pg_notify(CHANNEL, layer_changed(name, version))))
    return version
