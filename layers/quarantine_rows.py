"""The writing side of quarantine, within the transaction of a load or of a repair."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import orjson
import shapely
from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    LargeBinary,
    Select,
    bindparam,
    func,
    insert,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from gis import mercator
from layers.publishing import raise_versions
from layers.quarantine_view import PLACE
from layers.system_tables import layer_table, quarantine_table
from layers.tables import INFINITY, STORAGE_SRID, TILE_SRID
from layers.tile_changes import BEGINNING, ZOOMS

#: Name of the layer that shows quarantine, where the catalogue has it.
QUARANTINE_LAYER = "quarantine"
#: States in which a row waits for repair.
WAITING = ("open", "fixed")
_TIME = DateTime(timezone=True)
_ROW = quarantine_table.c


@dataclass(frozen=True)
class BadRow:
    """A row that a check refused, as it came."""

    source_row: int
    values: dict[str, object]
    rule: str
    message: str
    #: WKB in EPSG:4490, where the row has a geometry that could be read.
    geometry_wkb: bytes | None = None
    #: The row's columns under the source's own names, as they came.
    original: dict[str, object] | None = None
    #: Everything wrong with the row: pairs of rule and message; at least ``rule`` itself.
    rules: tuple[tuple[str, str], ...] = ()


def insert_refused(
    connection: Connection, load_id: int, layer: str, rows: Sequence[BadRow]
) -> None:
    """Keep refused rows of a load."""
    connection.execute(
        insert(quarantine_table).values(
            geom=from_wkb(bindparam("wkb"), STORAGE_SRID),
            tile_geom=from_wkb(bindparam("tile_wkb"), TILE_SRID),
        ),
        [
            {
                "load_id": load_id,
                "layer": layer,
                "source_row": row.source_row,
                "values": json_ready(row.values),
                "wkb": row.geometry_wkb,
                "tile_wkb": tile_wkb(row.geometry_wkb),
                "original": json_ready(row.original),
                **_told(row),
            }
            for row in rows
        ],
    )


def refuse_again(connection: Connection, repaired_load: int, rows: Sequence[BadRow]) -> None:
    """Write down why rows that were tried again are still bad; their repair so far is kept."""
    connection.execute(
        update(quarantine_table)
        .where(
            _ROW.load_id == repaired_load,
            _ROW.source_row == bindparam("row"),
            # An IN would have to be expanded, which a statement over many rows cannot be.
            or_(*(_ROW.state == state for state in WAITING)),
        )
        .values(
            rule=bindparam("rule"),
            message=bindparam("message"),
            rules=bindparam("rules"),
            state="open",
            attempts=_ROW.attempts + 1,
            updated_at=func.clock_timestamp(),
        ),
        [{"row": row.source_row, **_told(row)} for row in rows],
    )


def resolve(connection: Connection, repaired_load: int, load_id: int, taken: Select[Any]) -> None:
    """Mark rows as taken in by a repair.

    Args:
        connection: The repair's transaction.
        repaired_load: The load that once refused them.
        load_id: The repair.
        taken: A query of the numbers of the rows taken in.
    """
    connection.execute(
        update(quarantine_table)
        .where(_ROW.load_id == repaired_load, _ROW.source_row.in_(taken), _ROW.state.in_(WAITING))
        .values(
            state="resolved",
            resolved_by=load_id,
            resolved_at=func.clock_timestamp(),
            updated_at=func.clock_timestamp(),
            attempts=_ROW.attempts + 1,
        )
    )


def publish(connection: Connection) -> None:
    """Raise the data version of the layer that shows quarantine, and announce it.

    Last in a transaction: from here on it keeps others from publishing.
    """
    figures = connection.execute(
        select(
            func.count(),
            func.min(_ROW.created_at),
            *(func.min(f(PLACE)) for f in (func.ST_XMin, func.ST_YMin)),
            *(func.max(f(PLACE)) for f in (func.ST_XMax, func.ST_YMax)),
        ).where(_ROW.resolved_at == INFINITY)
    ).one()
    count, first, west, south, east, north = figures
    layer = layer_table.c
    values = {
        "data_version": layer.data_version + 1,
        "current_count": count,
        "west": func.least(layer.west, west),
        "south": func.least(layer.south, south),
        "east": func.greatest(layer.east, east),
        "north": func.greatest(layer.north, north),
        "valid_from": func.least(layer.valid_from, literal(first, _TIME)),
        "updated_at": func.clock_timestamp(),
    }
    raise_versions(connection, QUARANTINE_LAYER, values, BEGINNING, dict.fromkeys(ZOOMS))


def from_wkb(wkb: ColumnElement[Any], srid: int) -> ColumnElement[Any]:
    """Return a geometry of WKB, null of null."""
    return func.ST_GeomFromWKB(type_coerce(wkb, LargeBinary), srid)


def tile_wkb(wkb: bytes | None) -> bytes | None:
    """Return WKB (EPSG:4490) as two-dimensional WKB in Web Mercator."""
    if wkb is None:
        return None
    shape = shapely.force_2d(shapely.from_wkb(wkb))
    points = shapely.get_coordinates(shape)
    x, y = mercator.forward(points[:, 0], points[:, 1])
    return bytes(shapely.to_wkb(shapely.set_coordinates(shape, np.column_stack([x, y]))))


def _told(row: BadRow) -> dict[str, object]:
    told = row.rules or ((row.rule, row.message),)
    return {
        "rule": row.rule,
        "message": row.message,
        "rules": [{"rule": rule, "message": message} for rule, message in told],
    }


def json_ready(value: object) -> Any:
    """Return ``value`` with everything that JSON has no form for as text."""
    return orjson.loads(orjson.dumps(value, default=_as_text, option=orjson.OPT_SERIALIZE_NUMPY))


def _as_text(value: object) -> str:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
