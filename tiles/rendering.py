"""Rendering of tiles: from a tile set and a place in the grid to bytes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import BigInteger, ColumnElement, DateTime, Double, bindparam

from layers.access import access_class
from layers.bound_boxes import bound_box, box_text
from layers.definition import LayerDefinition
from layers.queries import Moment
from layers.sql import Template, compile_lasting_template, compile_template
from layers.tables import STORAGE_SRID, TILE_SRID
from layers.tile_queries import layer_versions
from tiles.datum_shift import FINER, REACH_UNITS, ShiftedTile
from tiles.format import TileCut, TileFormat, scaling
from tiles.grids import BUFFER, EXTENT, buffered
from tiles.limits import MOST_TRIES, features_to_keep
from tiles.meta_layer import read_number
from tiles.request import RenderedTile, TileRequest
from tiles.tile_grids import tile_grid

_BOX = ("box_west", "box_south", "box_east", "box_north")
_SCALING = ("x_added", "y_added", "x_factor", "y_factor")
_FRAME, _DEGREES, _METRES = "frame", "degrees", "metres"


def _numbers(
    names: tuple[str, str, str, str],
) -> tuple[ColumnElement[float], ColumnElement[float], ColumnElement[float], ColumnElement[float]]:
    bound: list[ColumnElement[float]] = [bindparam(name, None, Double()) for name in names]
    return (bound[0], bound[1], bound[2], bound[3])


_AT = bindparam("at", None, DateTime(timezone=True))
_AS_OF = bindparam("as_of", None, DateTime(timezone=True))


class TileReader(Protocol):
    """What rendering needs of the reading side (``layers.reading.CityReader`` has it)."""

    async def tile_row(
        self, sql: str, values: list[Any], share: str, *, plan_once: bool = False
    ) -> Sequence[Any]:
        """Run a compiled statement of one row, in the line of ``share``."""
        ...


class TileRenderer:
    """Cuts tiles in one format; statements are composed once for each zoom and access class."""

    def __init__(self, reader: TileReader, tile_format: TileFormat) -> None:
        self._reader = reader
        self._format = tile_format
        self._templates: dict[tuple[object, ...], Template] = {}

    async def render(self, request: TileRequest) -> RenderedTile:
        """Return the tile; empty where there is nothing.

        Where the tile set's limits do not let the tile hold everything, it is rendered again with
        the most important features of the layers that have too many, and says so.

        Raises:
            TileOutOfRange: If the grid or the tile set has no such tile.
            InvalidValue: If the filter does not suit a layer that has its fields.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
        """
        grid = tile_grid(request.grid)
        box = grid.box(*request.place)
        layers = request.layers
        if not layers:
            return RenderedTile(b"", ())
        reach = buffered(box)
        shifted = None
        if request.datum is not None:
            shifted = ShiftedTile(box)
            box, reach = shifted.frame, shifted.reach
        values = {
            **dict(zip(_BOX, box, strict=True)),
            **dict(zip(_SCALING, scaling(box, _extent(request)), strict=True)),
            _FRAME: box_text(box, grid.srid),
            _DEGREES: box_text(grid.degrees(reach), STORAGE_SRID),
            _METRES: box_text(grid.metres(reach), TILE_SRID),
            "at": request.at,
            "as_of": request.as_of,
        }
        limits = request.tileset.limits
        part = await self._run(request, layers, values, kept=False)
        for attempt in range(MOST_TRIES):
            if sum(part.shown) <= limits.features and sum(part.sizes) <= limits.bytes:
                break
            keep = features_to_keep(part.shown, part.sizes, limits.features, limits.bytes, attempt)
            values |= {_keep_name(place): number for place, number in enumerate(keep)}
            part = await self._run(request, layers, values, kept=True)
        cuts = {
            layer.name: (shown, there)
            for layer, shown, there in zip(layers, part.shown, part.there, strict=True)
            if shown < there
        }
        data = b"".join(part.data)
        if shifted is not None:
            data = await asyncio.to_thread(shifted.shift, data)
        data += self._format.notes(cuts)
        return RenderedTile(data, part.versions, tuple(cuts))

    async def _run(
        self,
        request: TileRequest,
        layers: tuple[LayerDefinition, ...],
        values: dict[str, Any],
        *,
        kept: bool,
    ) -> "_Parts":
        template = self._template(request, layers, kept=kept)
        parts, versions = await self._reader.tile_row(
            template.sql,
            template.values(values),
            request.tileset.path,
            plan_once=not _is_unique(request),
        )
        return _Parts(
            [bytes(data or b"") for data, _, _ in parts],
            [read_number(shown) for _, shown, _ in parts],
            [read_number(there) for _, _, there in parts],
            tuple(versions),
        )

    def _template(
        self, request: TileRequest, layers: tuple[LayerDefinition, ...], *, kept: bool
    ) -> Template:
        if _is_unique(request):
            return self._compile(request, layers, kept=kept)
        access = tuple(access_class(layer, request.viewer) for layer in layers)
        times = (request.at is not None, request.as_of is not None)
        srid = tile_grid(request.grid).srid
        key = (request.tileset.path, request.zoom, srid, request.datum, access, *times, kept)
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = self._compile(request, layers, kept=kept)
        return template

    def _compile(
        self, request: TileRequest, layers: tuple[LayerDefinition, ...], *, kept: bool
    ) -> Template:
        keep = tuple(
            bindparam(_keep_name(place), None, BigInteger()) for place in range(len(layers))
        )
        cut = TileCut(
            layers,
            request.zoom,
            _numbers(_BOX),
            bound_box(_DEGREES),
            bound_box(_METRES),
            tile_grid(request.grid).srid,
            frame=bound_box(_FRAME),
            scaling=_numbers(_SCALING),
            extent=_extent(request),
            buffer=BUFFER if request.datum is None else REACH_UNITS * FINER,
            viewer=request.viewer,
            at=_moment(_AT, request.at, request.since),
            as_of=_moment(_AS_OF, request.as_of, request.since),
            filter=request.filter,
            properties=request.properties,
            since=request.since,
            # One more tells that there are more.
            ceiling=None if kept else request.tileset.limits.features + 1,
            keep=keep if kept else None,
        )
        versions = layer_versions([layer.name for layer in layers]).label("versions")
        compiled = compile_template if _is_unique(request) else compile_lasting_template
        return compiled(self._format.statement(cut).add_columns(versions))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What one statement gave, layer by layer."""

    data: list[bytes]
    shown: list[int]
    there: list[int]
    versions: tuple[int, ...]

    @property
    def sizes(self) -> list[int]:
        """The layers' bytes."""
        return [len(data) for data in self.data]


def _is_unique(request: TileRequest) -> bool:
    """Whether the statement is one of too many to keep."""
    return not (request.filter is None and request.properties is None and request.since is None)


def _extent(request: TileRequest) -> int:
    """Return the units that an edge has as the database cuts the tile."""
    return EXTENT if request.datum is None else EXTENT * FINER


def _moment(
    bound: ColumnElement[Any], moment: datetime | None, since: datetime | None
) -> Moment | None:
    """Return a time as one bound later; as a value in a statement that is composed each time."""
    return moment if moment is None or since is not None else bound


def _keep_name(place: int) -> str:
    return f"keep_{place}"
