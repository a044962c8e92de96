"""One load in progress: rows are staged, refused rows kept, and then all of it applied at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from sqlalchemy import (
    Connection,
    Index,
    Row,
    Select,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateIndex

from gis import mercator
from layers.copy_binary import ARROW_TYPES, HEADER, TRAILER, pack_rows
from layers.definition import LayerDefinition
from layers.errors import LoadRefused
from layers.notices import CHANNEL, layer_changed
from layers.quarantine_rows import (
    BadRow,
    insert_refused,
    json_ready,
    publish,
    refuse_again,
    resolve,
)
from layers.schema import create_indexes, drop_indexes
from layers.sql import analyze_statement, copy_statement
from layers.system_tables import layer_table, load_table
from layers.tables import CITY_SCHEMA, city_table
from layers.versioning import (
    Survey,
    bad_key_table,
    close_held,
    count_differences,
    difference_table,
    find_differences,
    find_missing,
    keep_before,
    open_all,
    open_surveyed,
    repeated_keys,
    stage_table,
)

#: From this many changed rows on the planner's statistics are renewed within the load.
_ANALYZE_FROM = 1_000


@dataclass(frozen=True)
class LoadHeader:
    """What is known of a load before its first row."""

    #: The name of the file or service the survey came from.
    source: str
    #: SHA-256 of the source in hexadecimal.
    checksum: str
    #: The survey's own reference system, such as ``EPSG:4526``.
    crs: str
    #: From when on the survey says how things are; aware.
    valid_from: datetime
    operator: str
    mapping: dict[str, object]
    #: Whether the survey covers the whole layer, so that what it misses has ended.
    full: bool = False
    #: ``survey``, ``repair`` or ``revert``.
    kind: str = "survey"
    mapping_name: str | None = None
    #: The load some of whose refused rows a repair takes in; they keep their row numbers.
    repairs: int | None = None


@dataclass(frozen=True)
class LoadOutcome:
    """What a load did to the layer, in features."""

    added: int
    changed: int
    unchanged: int
    #: Features that a full survey does not have any more.
    closed: int
    #: The layer's data version after the load; unchanged if nothing changed.
    data_version: int


class LoadSession:
    """The writing side of one load, inside one transaction. Made by ``Store.open_load``."""

    def __init__(
        self,
        connection: Connection,
        layer: LayerDefinition,
        header: LoadHeader,
        load_id: int,
        recorded_at: datetime,
    ) -> None:
        self.load_id = load_id
        self._connection = connection
        self._layer = layer
        self._header = header
        self._survey = Survey(layer, load_id, header.valid_from, recorded_at)
        self._stage = stage_table(layer)
        self._staged = 0
        self._stage_is_indexed = False
        self._quarantined = 0
        self._bounds: list[tuple[float, float, float, float]] = []
        for table in (self._stage, bad_key_table(layer), difference_table()):
            table.create(connection)

    def stage(self, batch: pa.Table) -> None:
        """Send good rows to the database.

        Args:
            batch: ``source_row`` (int64), fields of the layer by name in the Arrow type of
                ``copy_binary.ARROW_TYPES``, and ``geometry``: WKB in EPSG:4490, longitude first,
                already of the layer's geometry type. A field without a column is NULL.

        Raises:
            LoadRefused: If the database refuses the data.
        """
        if batch.num_rows == 0:
            return
        columns = [_flat(batch["source_row"], pa.int64())]
        for field in self._layer.fields:
            kind = ARROW_TYPES[field.type]
            if field.name in batch.column_names:
                columns.append(_flat(batch[field.name], kind))
            else:
                columns.append(pa.nulls(batch.num_rows, kind))
        geometry = _flat(batch["geometry"], pa.binary())
        columns += [geometry, self._tile_geometry(geometry)]
        rows = pack_rows(columns)
        names = [column.name for column in self._stage.columns]
        with self._raw_cursor() as cursor:
            cursor.copy_expert(
                copy_statement(self._stage.name, names),
                _Stream([memoryview(HEADER), memoryview(rows), memoryview(TRAILER)]),
                size=1 << 20,
            )
        self._staged += batch.num_rows

    def quarantine(self, rows: Sequence[BadRow]) -> None:
        """Keep refused rows for repair; they do not reach the layer."""
        if not rows:
            return
        if self._header.repairs is None:
            insert_refused(self._connection, self.load_id, self._layer.name, rows)
        else:
            refuse_again(self._connection, self._header.repairs, rows)
        keys = [key for row in rows if (key := self._key_of(row)) is not None]
        if keys and self._header.full:
            self._connection.execute(insert(bad_key_table(self._layer)), keys)
        self._quarantined += len(rows)

    def fetch(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        """Run a query within the load's transaction; it sees the staged rows.

        The stage is ``layers.versioning.stage_table(layer)``; ``renew_stage_statistics`` first
        makes joins with it quick.
        """
        return self._connection.execute(statement).all()

    def stream(self, statement: Select[Any], rows: int) -> Iterator[Sequence[Any]]:
        """Run a query as ``fetch`` does, but take its rows a few at a time.

        Args:
            statement: The query.
            rows: How many rows to hold at once.
        """
        result = self._connection.execute(statement, execution_options={"yield_per": rows})
        yield from result.partitions()

    def renew_stage_statistics(self) -> None:
        """Renew the planner's statistics of the staged rows."""
        self._connection.execute(text(analyze_statement("pg_temp", self._stage.name)))

    def index_stage(self) -> None:
        """Give the stage an index of boxes and fresh statistics, for joins by place; done once."""
        if self._stage_is_indexed:
            return
        place = Index(f"{self._stage.name}_geom", self._stage.c.geom, postgresql_using="gist")
        self._connection.execute(CreateIndex(place))
        self.renew_stage_statistics()
        self._stage_is_indexed = True

    def staged_rows(self, source_rows: Sequence[int]) -> dict[int, BadRow]:
        """Return staged rows by their number in the file, as a refusal would keep them.

        ``rule`` and ``message`` are empty; ``values`` are the layer's fields.
        """
        stage = self._stage
        columns = [stage.c[name] for name in self._layer.field_names]
        wkb = func.ST_AsBinary(stage.c.geom)
        statement = select(stage.c.source_row, wkb, *columns).where(
            stage.c.source_row.in_(list(source_rows))
        )
        return {
            row[0]: BadRow(
                source_row=row[0],
                values=dict(zip(self._layer.field_names, row[2:], strict=True)),
                rule="",
                message="",
                geometry_wkb=None if row[1] is None else bytes(row[1]),
            )
            for row in self._connection.execute(statement)
        }

    def reject(self, rows: Sequence[BadRow]) -> None:
        """Take staged rows back out of the survey and keep them in quarantine.

        For checks that need the whole survey and the layer. Rows that are not staged are ignored.
        """
        if not rows:
            return
        numbers = sorted({row.source_row for row in rows})
        stage = self._stage
        gone = self._connection.execute(
            delete(stage).where(stage.c.source_row.in_(numbers)).returning(stage.c.source_row)
        )
        staged = {row[0] for row in gone}
        self._staged -= len(staged)
        self.quarantine([row for row in rows if row.source_row in staged])

    def apply(self) -> LoadOutcome:
        """Compare the staged survey with the layer and change the layer's history.

        Returns:
            The counts of features added, changed, unchanged and closed.

        Raises:
            LoadRefused: If the survey holds a business key twice.
        """
        self._refuse_repeated_keys()
        if self._layer_is_empty():
            counts, growth = self._apply_first()
        else:
            counts, growth = self._apply_differences()
        version = self._publish(counts, growth)
        outcome = LoadOutcome(*counts, data_version=version)
        self._connection.execute(
            update(load_table)
            .where(load_table.c.load_id == self.load_id)
            .values(
                data_version=version,
                added=outcome.added,
                changed=outcome.changed,
                unchanged=outcome.unchanged,
                closed=outcome.closed,
                quarantined=self._quarantined,
            )
        )
        return outcome

    def finish(self, report: dict[str, object]) -> None:
        """Keep the load's report with the load."""
        self._connection.execute(
            update(load_table)
            .where(load_table.c.load_id == self.load_id)
            .values(report=json_ready(report), quarantined=self._quarantined)
        )

    def settle_quarantine(self) -> None:
        """Mark repaired rows as taken in, and show the change on the map; last in the load."""
        if self._header.repairs is not None:
            taken = select(self._stage.c.source_row)
            resolve(self._connection, self._header.repairs, self.load_id, taken)
        if self._quarantined or self._header.repairs is not None:
            publish(self._connection)

    def _apply_first(self) -> tuple[tuple[int, int, int, int], int]:
        # Building the indexes after the rows takes a fraction of keeping them up row by row;
        # nobody reads an empty layer, so the lock it takes harms nobody.
        drop_indexes(self._connection, self._layer)
        self._connection.execute(open_all(self._survey))
        create_indexes(self._connection, self._layer)
        self._renew_statistics(self._staged)
        return (self._staged, 0, 0, 0), self._staged

    def _apply_differences(self) -> tuple[tuple[int, int, int, int], int]:
        self._connection.execute(text(analyze_statement("pg_temp", self._stage.name)))
        for statement in find_differences(self._survey):
            self._connection.execute(statement)
        if self._header.full:
            self._connection.execute(find_missing(self._survey))
        difference = difference_table().name
        self._connection.execute(text(analyze_statement("pg_temp", difference)))
        counts = self._connection.execute(count_differences()).one()
        added, changed, closed, growth = (int(count) for count in counts)
        if added + changed + closed:
            self._connection.execute(close_held(self._survey))
            self._connection.execute(keep_before(self._survey))
            self._connection.execute(open_surveyed(self._survey))
            self._renew_statistics(added + changed + closed)
        return (added, changed, self._staged - added - changed, closed), growth

    def _refuse_repeated_keys(self) -> None:
        repeated = self._connection.execute(repeated_keys(self._layer)).first()
        if repeated is not None:
            names = self._layer.key
            key = ", ".join(
                f"{name} = {value}" for name, value in zip(names, repeated, strict=True)
            )
            raise LoadRefused(f"the survey holds the business key {key} more than once")

    def _layer_is_empty(self) -> bool:
        table = city_table(self._layer)
        return (
            self._connection.execute(select(literal(1)).select_from(table).limit(1)).first() is None
        )

    def _renew_statistics(self, changed: int) -> None:
        if changed >= _ANALYZE_FROM:
            self._connection.execute(text(analyze_statement(CITY_SCHEMA, self._layer.name)))

    def _publish(self, counts: tuple[int, int, int, int], growth: int) -> int:
        added, changed, _, closed = counts
        mine = layer_table.c.name == self._layer.name
        if not added + changed + closed:
            current = select(layer_table.c.data_version).where(mine)
            return int(self._connection.execute(current).scalar_one())
        values: dict[str, Any] = {
            "data_version": layer_table.c.data_version + 1,
            "current_count": layer_table.c.current_count + growth,
            "valid_from": func.least(layer_table.c.valid_from, self._header.valid_from),
            "updated_at": self._survey.recorded_at,
        }
        if self._bounds:
            west, south, east, north = np.array(self._bounds).T
            values |= {
                "west": func.least(layer_table.c.west, float(west.min())),
                "south": func.least(layer_table.c.south, float(south.min())),
                "east": func.greatest(layer_table.c.east, float(east.max())),
                "north": func.greatest(layer_table.c.north, float(north.max())),
            }
        version = int(
            self._connection.execute(
                update(layer_table).where(mine).values(values).returning(layer_table.c.data_version)
            ).scalar_one()
        )
        self._connection.execute(
            select(func.pg_notify(CHANNEL, layer_changed(self._layer.name, version)))
        )
        return version

    def _tile_geometry(self, wkb: pa.Array) -> pa.Array:
        """Return Web Mercator WKB of EPSG:4490 WKB, in two dimensions."""
        shapes = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
        points = shapely.get_coordinates(shapes)
        if len(points):
            x, y = points.T
            self._bounds.append((x.min(), y.min(), x.max(), y.max()))
            points[:, 0], points[:, 1] = mercator.forward(x, y)
        flat = shapely.force_2d(shapes) if self._layer.geometry.z else shapes
        shapely.set_coordinates(flat, points)
        return pa.array(shapely.to_wkb(flat), pa.binary())

    def _key_of(self, row: BadRow) -> dict[str, object] | None:
        """Return the business key of a refused row, if the row has all of it."""
        given = {name.casefold(): value for name, value in row.values.items()}
        key: dict[str, object] = {}
        for name in self._layer.key:
            for known in (name, *self._layer.field(name).aliases):
                if given.get(known.casefold()) is not None:
                    key[name] = given[known.casefold()]
                    break
            else:
                return None
        return key

    def _raw_cursor(self) -> Any:
        return self._connection.connection.cursor()


class _Stream:
    """A readable file over buffers, so that COPY takes them without another copy."""

    def __init__(self, buffers: list[memoryview]) -> None:
        self._buffers = buffers
        self._parts: Iterator[bytes] | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most ``size``; empty at the end."""
        if self._parts is None:
            self._parts = self._cut(size)
        return next(self._parts, b"")

    def _cut(self, size: int) -> Iterator[bytes]:
        for buffer in self._buffers:
            step = size if size > 0 else len(buffer)
            for start in range(0, len(buffer), max(step, 1)):
                yield bytes(buffer[start : start + step])


def _flat(column: pa.ChunkedArray | pa.Array, kind: pa.DataType) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole if whole.type == kind else whole.cast(kind)
