"""Rendering of tiles: from a tile set and a place in the grid to bytes."""

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, DateTime, Double, bindparam

from layers.access import Viewer, access_class
from layers.queries import envelope
from layers.sql import Template, compile_template
from tiles.format import TileCut, TileFormat
from tiles.grids import buffered_degrees, tile_box
from tiles.tileset import TileSet

_METRES = ("west_m", "south_m", "east_m", "north_m")
_DEGREES = ("west", "south", "east", "north")


def _numbers(names: tuple[str, str, str, str]) -> tuple[ColumnElement[float], ...]:
    return tuple(bindparam(name, type_=Double()) for name in names)


_BOX = _numbers(_METRES)
_AREA = envelope(_numbers(_DEGREES))
_AT = bindparam("at", type_=DateTime(timezone=True))
_AS_OF = bindparam("as_of", type_=DateTime(timezone=True))


class TileReader(Protocol):
    """What rendering needs of the reading side (``layers.reading.CityReader`` has it)."""

    async def tile_text(self, sql: str, values: list[Any]) -> bytes:
        """Run a statement of one row and one column of bytes."""
        ...


class TileRenderer:
    """Cuts tiles in one format; statements are composed once for each zoom and access class."""

    def __init__(self, reader: TileReader, tile_format: TileFormat) -> None:
        self._reader = reader
        self._format = tile_format
        self._templates: dict[tuple[object, ...], Template] = {}

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
        template = self._templates.get(key)
        if template is None:
            template = self._compile(tileset, place[0], viewer, at is not None, as_of is not None)
            self._templates[key] = template
        values = {
            **dict(zip(_METRES, box, strict=True)),
            **dict(zip(_DEGREES, buffered_degrees(box), strict=True)),
            "at": at,
            "as_of": as_of,
        }
        return await self._reader.tile_text(template.sql, template.values(values))

    def _compile(
        self, tileset: TileSet, z: int, viewer: Viewer, has_time: bool, has_record_time: bool
    ) -> Template:
        west, south, east, north = _BOX
        cut = TileCut(
            tileset.layers_at(z),
            z,
            (west, south, east, north),
            _AREA,
            viewer,
            _AT if has_time else None,
            _AS_OF if has_record_time else None,
        )
        return compile_template(self._format.statement(cut))
