"""Rendering of tiles: from a tile set and a place in the grid to bytes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from layers.access import Viewer, access_class
from layers.feature_query import BBox
from layers.sql import compile_for_asyncpg
from tiles.format import TileCut, TileFormat
from tiles.grids import buffered_degrees, tile_box
from tiles.tileset import TileSet


class TileReader(Protocol):
    """What rendering needs of the reading side (``layers.reading.CityReader`` has it)."""

    async def tile_text(self, sql: str, values: list[Any]) -> bytes:
        """Run a statement of one row and one column of bytes."""
        ...


@dataclass(frozen=True)
class _Prepared:
    """A compiled statement; ``slots`` says which values belong to the tile, by position."""

    sql: str
    values: tuple[Any, ...]
    slots: tuple[tuple[int, int], ...]

    def filled(self, parts: tuple[Any, ...]) -> list[Any]:
        values = list(self.values)
        for position, part in self.slots:
            values[position] = parts[part]
        return values


class TileRenderer:
    """Cuts tiles in one format; statements are composed once for each zoom and access class."""

    def __init__(self, reader: TileReader, tile_format: TileFormat) -> None:
        self._reader = reader
        self._format = tile_format
        self._prepared: dict[tuple[object, ...], _Prepared] = {}

    async def render(
        self,
        tileset: TileSet,
        place: tuple[int, int, int],
        viewer: Viewer,
        at: datetime | None = None,
        as_of: datetime | None = None,
    ) -> bytes:
        """Return the tile at ``place`` (zoom, column, row); empty where there is nothing.

        Raises:
            TileOutOfRange: If the grid or the tile set has no such tile.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        box = tile_box(*place)
        layers = tileset.layers_at(place[0])
        if not layers:
            return b""
        access = tuple(access_class(layer, viewer) for layer in layers)
        key = (tileset.name, place[0], access, at is None, as_of is None)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepare(tileset, place[0], viewer, at is not None, as_of is not None)
            self._prepared[key] = prepared
        parts = (*box, *buffered_degrees(box), at, as_of)
        return await self._reader.tile_text(prepared.sql, prepared.filled(parts))

    def _prepare(
        self, tileset: TileSet, z: int, viewer: Viewer, has_time: bool, has_record_time: bool
    ) -> _Prepared:
        # Objects of their own, found again by identity among the compiled statement's values.
        box = _distinct_box()
        degrees = _distinct_box()
        at = datetime(1, 1, 1, tzinfo=UTC) if has_time else None
        as_of = datetime(1, 1, 1, tzinfo=UTC) if has_record_time else None
        cut = TileCut(tileset.layers_at(z), z, box, degrees, viewer, at, as_of)
        sql, values = compile_for_asyncpg(self._format.statement(cut))
        marks = (*box, *degrees, at, as_of)
        part_of = {id(mark): part for part, mark in enumerate(marks) if mark is not None}
        slots = tuple(
            (position, part_of[id(value)])
            for position, value in enumerate(values)
            if id(value) in part_of
        )
        return _Prepared(sql, tuple(values), slots)


def _distinct_box() -> BBox:
    """Return a box whose numbers are objects that no other value shares."""
    west, south, east, north = (float(text) for text in ("-1.5", "-0.5", "1.5", "0.5"))
    return (west, south, east, north)
