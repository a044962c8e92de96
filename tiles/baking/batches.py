"""Rendering many tiles of a zoom in one statement.

Each tile is what rendering it alone gives, byte for byte: the same query, whose numbers come from
the rows of a table instead of being bound. So a statement is planned once for all of them, and
what does not depend on the tile is found out once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Double,
    Select,
    bindparam,
    column,
    func,
    or_,
    select,
)

from layers.definition import LayerDefinition
from layers.queries import envelope
from layers.sql import Template, compile_lasting_template
from layers.tables import TILE_SRID
from layers.tile_queries import layer_versions, tile_rows
from tiles.format import Numbers, TileCut, TileFormat
from tiles.grids import buffered, buffered_degrees, tile_box
from tiles.meta_layer import read_number
from tiles.rendering import TileReader, TileRenderer
from tiles.request import RenderedTile, TileRequest
from tiles.tileset import TileSet

_NAMES = ("box_west", "box_south", "box_east", "box_north",
          "m_west", "m_south", "m_east", "m_north",
          "d_west", "d_south", "d_east", "d_north")  # fmt: skip
_BOX, _METRES, _DEGREES = _NAMES[:4], _NAMES[4:8], _NAMES[8:]


class RowsReader(TileReader, Protocol):
    """What baking needs of the reading side (``layers.reading.CityReader`` has it)."""

    async def rows_text(self, sql: str, values: list[Any]) -> Sequence[Sequence[Any]]:
        """Run a compiled statement that comes again with other values."""
        ...


class BatchRenderer:
    """Renders tiles of one tile set, as anybody may see them, at one time."""

    def __init__(
        self,
        reader: RowsReader,
        tile_format: TileFormat,
        tileset: TileSet,
        at: datetime | None = None,
        as_of: datetime | None = None,
    ) -> None:
        self._reader = reader
        self._format = tile_format
        self._tileset = tileset
        self._times: dict[str, Any] = {"at": at, "as_of": as_of}
        self._single = TileRenderer(reader, tile_format)
        self._templates: dict[tuple[str, int], Template] = {}

    async def render(self, z: int, places: Sequence[tuple[int, int]]) -> list[RenderedTile]:
        """Return the tiles of zoom ``z`` at some columns and rows, in their order.

        Raises:
            TileOutOfRange: If the grid or the tile set has no such tile.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        layers = self._tileset.layers_at(z)
        if not layers or not places:
            return [RenderedTile(b"", ())] * len(places)
        template = self._templates.get(("tiles", z))
        if template is None:
            template = compile_lasting_template(self._statement(z, layers))
            self._templates["tiles", z] = template
        rows = await self._reader.rows_text(template.sql, template.values(self._values(z, places)))
        limits = self._tileset.limits
        rendered: list[RenderedTile] = []
        for (x, y), (parts, versions) in zip(places, rows, strict=True):
            features = sum(read_number(shown) for _, shown, _ in parts)
            data = b"".join(part for part, _, _ in parts if part)
            if features > limits.features or len(data) > limits.bytes:
                request = TileRequest(self._tileset, (z, x, y), **self._times)
                rendered.append(await self._single.render(request))
            else:
                rendered.append(RenderedTile(data, tuple(versions)))
        return rendered

    async def occupied(
        self, z: int, around: int, places: Sequence[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Return those tiles of zoom ``around`` in which tiles of zoom ``z`` may show something.

        Raises:
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        layers = self._tileset.layers_at(z)
        if not layers or not places:
            return []
        template = self._templates.get(("occupied", z))
        if template is None:
            template = compile_lasting_template(self._occupied(z, layers))
            self._templates["occupied", z] = template
        rows = await self._reader.rows_text(
            template.sql, template.values(self._values(around, places))
        )
        return [place for place, (is_occupied,) in zip(places, rows, strict=True) if is_occupied]

    def _values(self, z: int, places: Sequence[tuple[int, int]]) -> dict[str, Any]:
        rows = []
        for x, y in places:
            box = tile_box(z, x, y)
            rows.append((*box, *buffered(box), *buffered_degrees(box)))
        columns = dict(zip(_NAMES, map(list, zip(*rows, strict=True)), strict=True))
        return columns | self._times

    def _statement(self, z: int, layers: tuple[LayerDefinition, ...]) -> Select[Any]:
        cut = TileCut(
            layers,
            z,
            _columns(_BOX),
            envelope(_columns(_DEGREES)),
            func.ST_MakeEnvelope(*_columns(_METRES), TILE_SRID),
            at=self._bound("at"),
            as_of=self._bound("as_of"),
            ceiling=self._tileset.limits.features + 1,
        )
        versions = layer_versions([layer.name for layer in layers]).label("versions")
        return _for_each_tile(self._format.statement(cut).add_columns(versions))

    def _occupied(self, z: int, layers: tuple[LayerDefinition, ...]) -> Select[Any]:
        """Return whether there are rows for each tile, by the same choice that tiles are cut by."""
        degrees = envelope(_columns(_DEGREES))
        metres = func.ST_MakeEnvelope(*_columns(_METRES), TILE_SRID)
        at, as_of = self._bound("at"), self._bound("as_of")
        found = [
            tile_rows(layer, at=at, as_of=as_of, bbox=degrees, z=z, area=metres).exists()
            for layer in layers
        ]
        return _for_each_tile(select(or_(*found).label("occupied")))

    def _bound(self, name: str) -> ColumnElement[Any] | None:
        if self._times[name] is None:
            return None
        return bindparam(name, None, DateTime(timezone=True))


def _columns(names: tuple[str, ...]) -> Numbers:
    # Of no table, as far as the composer knows: else each inner query would list it again.
    west, south, east, north = (column(name, Double) for name in names)
    return (west, south, east, north)


def _for_each_tile(statement: Select[Any]) -> Select[Any]:
    arrays = (bindparam(name, None, ARRAY(Double)) for name in _NAMES)
    wanted = (
        func.unnest(*arrays)
        .table_valued(*(column(name, Double) for name in _NAMES), with_ordinality="place")
        .render_derived(name="wanted")
    )
    return statement.select_from(wanted).order_by(column("place"))
