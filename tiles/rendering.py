"""Rendering of tiles: from a tile set and a place in the grid to bytes."""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, DateTime, Double, bindparam

from layers.access import Viewer, access_class
from layers.queries import envelope
from layers.sql import Template, compile_template
from layers.tile_queries import layer_versions
from tiles.format import TileCut, TileFormat
from tiles.grids import buffered_degrees, tile_box
from tiles.request import RenderedTile, TileRequest
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

    async def row_text(self, sql: str, values: list[Any]) -> Sequence[Any]:
        """Run a compiled statement of one row."""
        ...


class TileRenderer:
    """Cuts tiles in one format; statements are composed once for each zoom and access class."""

    def __init__(self, reader: TileReader, tile_format: TileFormat) -> None:
        self._reader = reader
        self._format = tile_format
        self._templates: dict[tuple[object, ...], Template] = {}

    async def render(self, request: TileRequest) -> RenderedTile:
        """Return the tile; empty where there is nothing.

        Raises:
            TileOutOfRange: If the grid or the tile set has no such tile.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        box = tile_box(*request.place)
        zoom = request.place[0]
        layers = request.tileset.layers_at(zoom)
        if not layers:
            return RenderedTile(b"", ())
        access = tuple(access_class(layer, request.viewer) for layer in layers)
        times = (request.at is not None, request.as_of is not None)
        key = (request.tileset.path, zoom, access, *times)
        template = self._templates.get(key)
        if template is None:
            template = self._compile(request.tileset, zoom, request.viewer, *times)
            self._templates[key] = template
        values = {
            **dict(zip(_METRES, box, strict=True)),
            **dict(zip(_DEGREES, buffered_degrees(box), strict=True)),
            "at": request.at,
            "as_of": request.as_of,
        }
        data, versions = await self._reader.row_text(template.sql, template.values(values))
        return RenderedTile(bytes(data or b""), tuple(versions))

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
        versions = layer_versions([layer.name for layer in cut.layers]).label("versions")
        return compile_template(self._format.statement(cut).add_columns(versions))
