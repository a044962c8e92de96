"""Reading what pyramids are made from, place by place, on connections of their own.

Rows come as columns, in binary: a whole layer passes through here.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import asyncpg
import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    make_url,
    select,
    union_all,
)

from gis import mercator
from layers.copy_binary import ARROW_TYPES
from layers.definition import FieldType, LayerDefinition, PyramidBand
from layers.errors import DatabaseUnavailable
from layers.pyramid_tables import band_table
from layers.queries import envelope, meets
from layers.sql import Template, compile_template
from layers.tables import INFINITY, TILE_SRID, city_table, is_closed, is_current

#: Microseconds from 1970-01-01, Arrow's epoch, to 2000-01-01, PostgreSQL's.
_EPOCH_MICROSECONDS = 946_684_800_000_000
_BOX = ("west", "south", "east", "north")
_TIMES = ("valid_from", "valid_to", "recorded_from", "recorded_to")
_TIME = DateTime(timezone=True)
#: Added around boxes of degrees, which come from metres: a tenth of a millimetre.
_HAIR = 1e-9
_CONNECT_TIMEOUT_S = 10.0

Box = tuple[float, float, float, float]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Versions:
    """Features, or rows of a band, with the times they hold; one array a column."""

    #: shapely geometries, EPSG:3857.
    shapes: NDArray[np.object_]
    #: 0 where a row of a band is made of several features.
    feature_ids: Integers
    attributes: pa.Table
    rank: NDArray[np.float64]
    members: Integers
    #: (n, 4): valid from and to, recorded from and to, as ``layers.pyramid_times`` counts.
    times: Integers


@dataclass(frozen=True)
class HeldRows:
    """The rows of a cell that the pyramid holds to be so."""

    #: Where each row is in its table.
    places: list[str]
    tile_ids: list[int]
    #: 0 where the row is made of several features.
    feature_ids: list[int]
    members: list[int]
    rank: list[float]
    attributes: pa.Table
    #: WKB of the geometries.
    wkb: list[bytes]
    #: (n, 4), as in ``Versions``.
    times: Integers


class PyramidReader:
    """One connection for reading what pyramids are made from; for one thread."""

    def __init__(self, database_url: str) -> None:
        url = make_url(database_url).set(drivername="postgresql")
        self._address = url.render_as_string(hide_password=False)
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection | None = None

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.terminate()
        self._runner.close()

    def versions(
        self,
        layer: LayerDefinition,
        source: PyramidBand | None,
        fields: tuple[str, ...],
        box: Box,
        recorded: tuple[int, int],
        features: Sequence[int] | None = None,
    ) -> Versions:
        """Return all versions, of a time, whose box meets a box.

        Args:
            layer: The layer.
            source: The band whose rows are wanted; ``None`` is the layer itself.
            fields: The attributes wanted.
            box: West, south, east, north in metres (EPSG:3857).
            recorded: First and last moment of record time; versions that were held at none of
                them, nor closed at the first, are left out.
            features: Only versions of these, which are few.
        """
        template = _versions_statement(layer, source, fields, by_id=features is not None)
        wanted = _box_values(source, box) if features is None else {"features": list(features)}
        rows = self._fetch(template, wanted, recorded)
        columns = list(zip(*rows, strict=True)) or [()] * (8 + len(fields))
        shapes = np.array(shapely.from_wkb(list(columns[0])), dtype=object)
        whole = [np.array(columns[place], dtype=np.int64) for place in (1, 3)]
        near = _near(shapes, box)
        found = Versions(
            shapes,
            whole[0],
            _table(layer, fields, columns[8:]),
            np.array(columns[2], dtype=np.float64),
            whole[1],
            _times(columns[4:8]),
        )
        return found if near.all() else _chosen(found, near)

    def held(
        self,
        layer: LayerDefinition,
        band: PyramidBand,
        cell: int,
        features: Sequence[int] | None = None,
    ) -> HeldRows:
        """Return the rows of a cell that the pyramid holds, or those of ``features`` alone."""
        fields = _fields_of(layer, band)
        template = _held_statement(layer, band, by_id=features is not None)
        wanted: dict[str, Any] = {"cell": cell}
        if features is not None:
            wanted["features"] = list(features)
        rows = self._fetch(template, wanted, None)
        columns = list(zip(*rows, strict=True)) or [()] * (10 + len(fields))
        return HeldRows(
            places=list(columns[0]),
            tile_ids=list(columns[1]),
            feature_ids=list(columns[2]),
            members=list(columns[3]),
            rank=list(columns[4]),
            wkb=list(columns[5]),
            times=_times(columns[6:10]),
            attributes=_table(layer, fields, columns[10:]),
        )

    def _fetch(
        self, template: Template, values: dict[str, Any], recorded: tuple[int, int] | None
    ) -> Sequence[Sequence[Any]]:
        if recorded is not None:
            values = values | {"since": (recorded[0],), "until": (recorded[1],)}
        return self._runner.run(self._fetch_rows(template.sql, template.values(values)))

    async def _fetch_rows(self, sql: str, values: list[Any]) -> Sequence[Sequence[Any]]:
        try:
            if self._connection is None:
                self._connection = await _connect(self._address)
            rows: Sequence[Sequence[Any]] = await self._connection.fetch(sql, *values)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailable(
                f"the database failed while a pyramid was built: {type(error).__name__}"
            ) from error
        return rows


async def _connect(address: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(
        address,
        timeout=_CONNECT_TIMEOUT_S,
        server_settings={"application_name": "onemap pyramid", "jit": "off"},
    )
    # Times come and go as the counts that the database has, infinity among them.
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=lambda value: value,
        decoder=lambda value: value[0],
        format="tuple",
    )
    return connection


@cache
def _versions_statement(
    layer: LayerDefinition, source: PyramidBand | None, fields: tuple[str, ...], *, by_id: bool
) -> Template:
    table = city_table(layer) if source is None else band_table(layer, source)
    box: list[ColumnElement[float]] = [bindparam(name, type_=Double()) for name in _BOX]
    since, until = bindparam("since", type_=_TIME), bindparam("until", type_=_TIME)
    if source is None:
        columns = _city_columns(layer, table)
        place = meets(table.c.geom, envelope(box))
    else:
        columns = _band_columns(table)
        place = meets(table.c.geom, func.ST_MakeEnvelope(*box, TILE_SRID))
    if by_id:
        place = [_is_one_of(table)]
    wanted = select(
        *columns, *(table.c[name] for name in _TIMES), *(table.c[name] for name in fields)
    ).where(*place, table.c.recorded_from <= until)
    # Two branches, each over the partial index made for it.
    closed = wanted.where(is_closed(table), table.c.recorded_to >= since)
    return compile_template(union_all(wanted.where(is_current(table)), closed))


def _city_columns(layer: LayerDefinition, table: Table) -> list[ColumnElement[Any]]:
    rank: ColumnElement[Any] = literal_column("0.0", Double)
    if layer.tiles.importance is not None:
        rank = func.coalesce(cast(table.c[layer.tiles.importance], Double), 0.0)
    return [
        func.ST_AsBinary(table.c.tile_geom).label("wkb"),
        table.c.feature_id,
        rank.label("tile_rank"),
        literal_column("1", BigInteger).label("members"),
    ]


def _band_columns(table: Table) -> list[ColumnElement[Any]]:
    return [
        func.ST_AsBinary(table.c.geom).label("wkb"),
        func.coalesce(table.c.feature_id, 0).label("feature_id"),
        table.c.tile_rank,
        table.c.members,
    ]


@cache
def _held_statement(layer: LayerDefinition, band: PyramidBand, *, by_id: bool) -> Template:
    table = band_table(layer, band)
    statement: Select[Any] = select(
        cast(literal_column("ctid"), Text),
        table.c.tile_id,
        func.coalesce(table.c.feature_id, 0),
        table.c.members,
        table.c.tile_rank,
        func.ST_AsBinary(table.c.geom),
        *(table.c[name] for name in _TIMES),
        *(table.c[name] for name in _fields_of(layer, band)),
    ).where(
        table.c.cell == bindparam("cell", type_=BigInteger),
        table.c.recorded_to == INFINITY,
    )
    return compile_template(statement.where(_is_one_of(table)) if by_id else statement)


def _is_one_of(table: Table) -> ColumnElement[bool]:
    return table.c.feature_id == any_(bindparam("features", type_=ARRAY(BigInteger)))


def _fields_of(layer: LayerDefinition, band: PyramidBand) -> tuple[str, ...]:
    table = band_table(layer, band)
    return tuple(name for name in table.c.keys() if name in layer.field_names)


def _box_values(source: PyramidBand | None, box: Box) -> dict[str, float]:
    if source is not None:
        return dict(zip(_BOX, box, strict=True))
    lon, lat = mercator.inverse(np.array([box[0], box[2]]), np.array([box[1], box[3]]))
    degrees = (lon[0] - _HAIR, lat[0] - _HAIR, lon[1] + _HAIR, lat[1] + _HAIR)
    return {name: float(value) for name, value in zip(_BOX, degrees, strict=True)}


def _near(shapes: NDArray[np.object_], box: Box) -> NDArray[np.bool_]:
    """Tell which shapes are there and have a box that meets ``box``, exactly."""
    if len(shapes) == 0:
        return np.empty(0, bool)
    west, south, east, north = shapely.bounds(shapes).T
    with np.errstate(invalid="ignore"):
        near = (west <= box[2]) & (east >= box[0]) & (south <= box[3]) & (north >= box[1])
    return np.asarray(near)


def _chosen(found: Versions, keep: NDArray[np.bool_]) -> Versions:
    return Versions(
        found.shapes[keep],
        found.feature_ids[keep],
        found.attributes.filter(pa.array(keep)),
        found.rank[keep],
        found.members[keep],
        found.times[keep],
    )


def _times(columns: Sequence[Sequence[int]]) -> Integers:
    return np.column_stack([np.array(column, dtype=np.int64) for column in columns])


def _table(
    layer: LayerDefinition, fields: Sequence[str], columns: Sequence[Sequence[Any]]
) -> pa.Table:
    count = len(columns[0]) if columns else 0
    arrays = [
        _array(layer.field(name).type, column) for name, column in zip(fields, columns, strict=True)
    ]
    if not arrays:
        return pa.table({"_": pa.nulls(count)}).select([])
    return pa.table(dict(zip(fields, arrays, strict=True)))


def _array(kind: FieldType, values: Sequence[Any]) -> pa.Array:
    if kind is FieldType.DATETIME:
        counts = [None if value is None else value + _EPOCH_MICROSECONDS for value in values]
        return pa.array(counts, pa.int64()).cast(ARROW_TYPES[kind])
    return pa.array(values, ARROW_TYPES[kind])
