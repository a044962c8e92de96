"""Which tiles a change of the map touched, as those who keep tiles need to know it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ClauseElement, Select, column, func, select, table, true

from layers.system_tables import layer_table, tile_change_table

#: Runs a statement and gives its rows.
Fetch = Callable[[ClauseElement], Awaitable[Sequence[Any]]]
#: Bits of a tile's row in its code.
_ROW_BITS = 24
#: Deeper tiles differ where the tile of this zoom around them does.
_DEEPEST_TOLD = 18


def tile_code(x: int, y: int) -> int:
    """Return column and row of a tile as one number."""
    return x << _ROW_BITS | y


def tile_of_code(code: int) -> tuple[int, int]:
    """Return the column and the row that a code stands for."""
    return code >> _ROW_BITS, code & ((1 << _ROW_BITS) - 1)


@dataclass(frozen=True, slots=True)
class TileChange:
    """What of a layer's tiles may differ since one of its tile versions."""

    layer: str
    #: The tile version that the change led to.
    version: int
    #: The zoom whose tiles changed; ``None`` is every zoom.
    zoom: int | None = None
    #: From this valid time on; ``None`` is every valid time.
    valid_from: datetime | None = None
    #: Codes of the tiles (WebMercatorQuad); ``None`` is all of the zoom.
    tiles: frozenset[int] | None = None

    def concerns(self, zoom: int, code: int) -> bool:
        """Tell whether a tile may differ."""
        if self.zoom is None:
            return True
        deeper = max(0, zoom - _DEEPEST_TOLD)
        if self.zoom != zoom - deeper:
            return False
        if self.tiles is None:
            return True
        x, y = tile_of_code(code)
        return tile_code(x >> deeper, y >> deeper) in self.tiles

    def concerns_some(self, zoom: int) -> bool:
        """Tell whether any tile of a zoom may differ."""
        told = self.zoom in (None, min(zoom, _DEEPEST_TOLD))
        return told and (self.tiles is None or len(self.tiles) > 0)

    def concerns_time(self, at: datetime | None) -> bool:
        """Tell whether tiles of a valid time (``None`` is now) may differ."""
        return at is None or self.valid_from is None or at >= self.valid_from


@dataclass(frozen=True, slots=True)
class TileNews:
    """What was heard of the map's tiles."""

    #: Layer → tile version, for every layer.
    versions: Mapping[str, int]
    #: All changes since what was last heard.
    changes: tuple[TileChange, ...] = ()


def database_identity() -> Select[Any]:
    """Return the statement for a text that differs between databases whose tiles may differ.

    It names the cluster and its timeline (a cluster that was set back, or took over from another,
    has a new one), the database, and the versions of what encodes tiles.
    """
    system = func.pg_control_system().table_valued("system_identifier", name="system")
    checkpoint = func.pg_control_checkpoint().table_valued("timeline_id", name="checkpoint")
    database = table("pg_database", column("oid"), column("datname"))
    return (
        select(
            func.concat_ws(
                " ",
                system.c.system_identifier,
                checkpoint.c.timeline_id,
                database.c.oid,
                func.current_setting("server_version"),
                func.postgis_lib_version(),
            )
        )
        .select_from(system.join(checkpoint, true()).join(database, true()))
        .where(database.c.datname == func.current_database())
    )


async def read_tile_versions(fetch: Fetch) -> dict[str, int]:
    """Return layer → tile version."""
    rows = await fetch(select(layer_table.c.name, layer_table.c.tile_version))
    return {str(name): int(version) for name, version in rows}


async def read_tile_changes(fetch: Fetch, layer: str, since: int, upto: int) -> list[TileChange]:
    """Return what changed in a layer's tiles after version ``since``, up to version ``upto``.

    Where that is no longer known, because too much happened since or because the database is not
    the one it was, it is one change of everything.
    """
    if since == upto:
        return []
    everything = [TileChange(layer, upto)]
    if not 0 <= since < upto:
        return everything
    change = tile_change_table.c
    rows = await fetch(
        select(change.tile_version, change.zoom, change.valid_from, change.tiles)
        .where(change.layer == layer, change.tile_version > since, change.tile_version <= upto)
        .order_by(change.tile_version, change.zoom)
    )
    if {int(row[0]) for row in rows} != set(range(since + 1, upto + 1)):
        return everything
    return [
        TileChange(
            layer,
            int(version),
            int(zoom),
            valid_from,
            None if tiles is None else frozenset(tiles),
        )
        for version, zoom, valid_from, tiles in rows
    ]
