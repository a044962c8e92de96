"""The writing side of pyramids: what is to be done, and the transaction that does it for a band."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Row,
    Select,
    Table,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from layers.copy_stream import CopyStream
from layers.database import DRIVER_ERRORS, translated_errors, writing_engine
from layers.definition import LayerDefinition, PyramidBand
from layers.detail_tiles import changed_rows
from layers.errors import LayerBusy
from layers.publishing import publish_tiles
from layers.pyramid_bands import band_digest, bands_of, finer_band
from layers.pyramid_tables import (
    PYRAMID_SCHEMA,
    band_indexes,
    band_table,
    band_table_name,
    row_columns,
)
from layers.pyramid_times import as_count, as_moment
from layers.row_places import Place, placed_table
from layers.sql import (
    analyze_statement,
    copy_statement,
    keep_still_statement,
    rename_statement,
)
from layers.system_tables import layer_table, load_table, pyramid_table
from layers.tables import city_table, is_closed
from layers.tile_changes import Tiles

#: Class of the advisory locks that let one process build a layer's pyramid ("oned").
_PYRAMID_LOCK_CLASS = 0x6F6E6564
_TIME = DateTime(timezone=True)
_MEMORY = {"work_mem": "64MB", "maintenance_work_mem": "256MB"}
_COPY_BUFFER = 1 << 20
#: Half the width of the web map's square, metres of EPSG:3857.
_HALF_WORLD = 20_037_508.342789244


@dataclass(frozen=True)
class Step:
    """A load that a band does not show yet."""

    load_id: int
    #: Its record time, and from when on it says how things are, as ``layers.pyramid_times`` counts.
    recorded_at: int
    valid_from: int


@dataclass(frozen=True)
class Plan:
    """What a band has to catch up with."""

    band: PyramidBand
    #: Whether it is made anew, from the first load on.
    anew: bool
    #: In the order of their record times.
    steps: tuple[Step, ...]
    #: The layer's data version with the last of them.
    data_version: int


@dataclass(frozen=True)
class BandState:
    """How far a band has come."""

    band: PyramidBand
    #: Whether tiles are cut from it.
    built: bool
    #: Loads that it does not show yet.
    behind: int
    rows: int
    built_at: datetime | None
    seconds: float


class PyramidStore:
    """What pyramids need of the database; one a process, for one thread."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self._engine: Engine = writing_engine(database_url)

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    @contextmanager
    def building(self, layer: LayerDefinition, wait_s: float) -> Iterator[None]:
        """Keep other processes from building a layer's pyramid.

        Raises:
            LayerBusy: If another one still does so after ``wait_s`` seconds.
        """
        key = (_PYRAMID_LOCK_CLASS, func.hashtext(layer.name))
        with translated_errors(self._engine), self._engine.connect() as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            alone.execute(select(func.set_config("lock_timeout", f"{int(wait_s * 1000)}", False)))
            try:
                alone.execute(select(func.pg_advisory_lock(*key)))
            except OperationalError as error:
                raise LayerBusy(
                    f"another process builds the pyramid of '{layer.name}': try again later"
                ) from error
            try:
                yield
            finally:
                # Closed rather than given back: with it the lock goes, whatever happened.
                connection.invalidate()

    def behind(self, layers: Iterable[LayerDefinition]) -> list[str]:
        """Return the layers whose pyramids do not show their last load."""
        loads, state = load_table.c, pyramid_table.c
        changed = loads.added + loads.changed + loads.closed
        last = (
            select(loads.layer, func.max(loads.recorded_at))
            .where(loads.status == "done", changed > 0)
            .group_by(loads.layer)
        )
        with translated_errors(self._engine), self._engine.begin() as connection:
            loaded = {row[0]: row[1] for row in connection.execute(last)}
            built = {
                (row.layer, row.band, row.digest): row.recorded_at
                for row in connection.execute(
                    select(state.layer, state.band, state.digest, state.recorded_at)
                )
            }
        return [
            layer.name
            for layer in layers
            if layer.name in loaded
            and any(
                built.get((layer.name, band.zooms[0], band_digest(layer, band)))
                != loaded[layer.name]
                for band in bands_of(layer)
            )
        ]

    def plan(self, layer: LayerDefinition, band: PyramidBand, *, anew: bool = False) -> Plan:
        """Return what a band has to catch up with.

        Args:
            layer: The layer.
            band: The band.
            anew: Make it from the first load on, whatever is there.
        """
        with translated_errors(self._engine), self._engine.begin() as connection:
            return _plan(connection, layer, band, anew=anew)

    def states(self, layer: LayerDefinition, bands: Iterable[PyramidBand]) -> list[BandState]:
        """Return how far a layer's bands have come."""
        found = []
        with translated_errors(self._engine), self._engine.begin() as connection:
            for band in bands:
                plan = _plan(connection, layer, band, anew=False)
                row = _state(connection, layer, band)
                found.append(
                    BandState(
                        band,
                        row is not None and row.digest == band_digest(layer, band),
                        len(plan.steps),
                        0 if row is None else int(row.row_count),
                        None if row is None else row.built_at,
                        0.0 if row is None else float(row.seconds),
                    )
                )
        return found

    def feature_count(self, layer: LayerDefinition) -> int:
        """Return how many current features a layer has."""
        with translated_errors(self._engine), self._engine.begin() as connection:
            count = connection.execute(
                select(layer_table.c.current_count).where(layer_table.c.name == layer.name)
            ).scalar()
        return int(count or 0)

    def ranges(
        self, layer: LayerDefinition, source: PyramidBand | None, zoom: int, margin: float
    ) -> NDArray[np.int64]:
        """Return the ranges of tiles at a zoom that the boxes of all versions meet.

        Args:
            layer: The layer.
            source: The band whose rows are meant; ``None`` is the layer itself.
            zoom: The zoom.
            margin: How far beyond a tile's edge a box still counts, in metres.

        Returns:
            (n, 5): first column, first row, last column, last row, and how many versions; each
            range once.
        """
        rows = city_table(layer) if source is None else band_table(layer, source)
        place = rows.c.tile_geom if source is None else rows.c.geom
        width = 2 * _HALF_WORLD / (1 << zoom)

        def tile(distance: ColumnElement[Any]) -> ColumnElement[Any]:
            return cast(func.floor(distance / width), Integer)

        columns = (
            tile(func.ST_XMin(place) - margin + _HALF_WORLD).label("west"),
            tile(_HALF_WORLD - func.ST_YMax(place) - margin).label("north"),
            tile(func.ST_XMax(place) + margin + _HALF_WORLD).label("east"),
            tile(_HALF_WORLD - func.ST_YMin(place) + margin).label("south"),
        )
        statement = select(*columns, func.count()).where(place.is_not(None)).group_by(*columns)
        with translated_errors(self._engine), self._engine.begin() as connection:
            ranges = connection.execute(statement).all()
        found = np.array([tuple(row) for row in ranges], dtype=np.int64).reshape(-1, 5)
        found[:, :4] = np.clip(found[:, :4], 0, (1 << zoom) - 1)
        return found

    def changed_rows(
        self, layer: LayerDefinition, fields: Sequence[str], step: Step, limit: int
    ) -> Sequence[Row[Any]] | None:
        """Return the rows that a load opened or closed.

        Args:
            layer: The layer.
            fields: The layer's fields wanted.
            step: The load.
            limit: At most so many.

        Returns:
            The rows as ``layers.detail_tiles.changed_rows`` has them; ``None`` if there are more.
        """
        moment = as_moment(step.recorded_at)
        statement = changed_rows(layer, fields, moment, _changed_features(layer, moment))
        return self._at_most(statement, limit)

    def changed_shapes(
        self, layer: LayerDefinition, band: PyramidBand, step: Step, limit: int
    ) -> list[bytes] | None:
        """Return the shapes of a band's rows that a load opened or closed, each once.

        Args:
            layer: The layer.
            band: The band.
            step: The load.
            limit: At most so many rows.

        Returns:
            WKB of shapes that are not empty, EPSG:3857; ``None`` if there are more rows.
        """
        held = band_table(layer, band)
        at = literal(as_moment(step.recorded_at), _TIME)
        statement = select(func.ST_AsBinary(held.c.geom)).where(
            or_(held.c.recorded_from == at, held.c.recorded_to == at),
            not_(func.ST_IsEmpty(held.c.geom)),
        )
        rows = self._at_most(statement, limit)
        return None if rows is None else list({bytes(row[0]) for row in rows})

    def _at_most(self, statement: Select[Any], limit: int) -> Sequence[Row[Any]] | None:
        with translated_errors(self._engine), self._engine.begin() as connection:
            rows = connection.execute(statement.limit(limit + 1)).all()
        return None if len(rows) > limit else rows

    @contextmanager
    def writing(self, layer: LayerDefinition, plan: Plan) -> Iterator["BandWriter"]:
        """Lend the transaction that writes a band; it counts from the end of the block on."""
        with translated_errors(self._engine), self._engine.begin() as connection:
            for setting, amount in _MEMORY.items():
                connection.execute(select(func.set_config(setting, amount, True)))
            writer = BandWriter(connection, layer, plan)
            writer.begin()
            yield writer


class BandWriter:
    """Writes the rows of one band, in one transaction."""

    def __init__(self, connection: Connection, layer: LayerDefinition, plan: Plan) -> None:
        self._connection = connection
        self._layer = layer
        self._plan = plan
        self._name = band_table_name(layer, plan.band, aside=plan.anew)

    def begin(self) -> None:
        """Make the table aside, or see to it that the rows held stay where they are."""
        if not self._plan.anew:
            self._connection.execute(text(keep_still_statement(PYRAMID_SCHEMA, self._name)))
            return
        aside = band_table(self._layer, self._plan.band, aside=True)
        self._connection.execute(DropTable(aside, if_exists=True))
        self._connection.execute(CreateTable(aside))

    def copy(self, pieces: Iterator[memoryview]) -> None:
        """Write rows: pieces of COPY BINARY with the columns of ``row_columns``.

        What goes wrong while the pieces are made is raised as it is.
        """
        columns = row_columns(self._layer, self._plan.band)
        failures: list[BaseException] = []
        cursor: Any = self._connection.connection.cursor()
        with closing(cursor):
            try:
                cursor.copy_expert(
                    copy_statement(self._name, columns, PYRAMID_SCHEMA),
                    CopyStream(_noting(pieces, failures)),
                    size=_COPY_BUFFER,
                )
            except DRIVER_ERRORS:
                # The database only knows that its file could not be read on.
                if failures:
                    raise failures[0] from None
                raise

    def close_rows(self, closings: Sequence[tuple[str, int]]) -> None:
        """End rows in record time.

        Args:
            closings: Where each row is, and the record time at which it ends.
        """
        if not closings:
            return
        ended = Table(
            "onemap_pyramid_ended",
            MetaData(),
            Column("place", Place(), nullable=False),
            Column("recorded_to", _TIME, nullable=False),
            prefixes=["TEMPORARY"],
            postgresql_on_commit="DROP",
        )
        ended.create(self._connection)
        rows = [{"place": place, "recorded_to": as_moment(moment)} for place, moment in closings]
        self._connection.execute(ended.insert(), rows)
        self._connection.execute(text(analyze_statement("pg_temp", ended.name)))
        held = placed_table(self._name, PYRAMID_SCHEMA, "recorded_to")
        self._connection.execute(
            update(held).values(recorded_to=ended.c.recorded_to).where(held.c.ctid == ended.c.place)
        )

    def finish(self, seconds: float, tiles: dict[int, Tiles], more: int) -> int:
        """Let the rows count: from the end of the transaction on tiles are cut from them.

        Args:
            seconds: How long it took.
            tiles: The tiles that changed, by zoom.
            more: How many more rows are current than before, made anew or not.

        Returns:
            The number of current rows.
        """
        layer, band = self._layer, self._plan.band
        if self._plan.anew:
            self._take_place()
        before = None if self._plan.anew else _state(self._connection, layer, band)
        # Counting them would read the whole band.
        count = more if before is None else int(before.row_count) + more
        values = {
            "digest": band_digest(layer, band),
            "recorded_at": as_moment(self._plan.steps[-1].recorded_at),
            "data_version": self._plan.data_version,
            "row_count": count,
            "built_at": func.clock_timestamp(),
            "seconds": seconds,
        }
        fresh = insert(pyramid_table).values(layer=layer.name, band=band.zooms[0], **values)
        self._connection.execute(
            fresh.on_conflict_do_update(index_elements=["layer", "band"], set_=values)
        )
        valid_from = as_moment(min(step.valid_from for step in self._plan.steps))
        publish_tiles(self._connection, layer.name, valid_from, tiles)
        return count

    def _take_place(self) -> None:
        layer, band = self._layer, self._plan.band
        for index in band_indexes(layer, band, aside=True).values():
            self._connection.execute(CreateIndex(index))
        self._connection.execute(text(analyze_statement(PYRAMID_SCHEMA, self._name)))
        self._connection.execute(DropTable(band_table(layer, band)))
        name = band_table_name(layer, band)
        self._connection.execute(text(rename_statement("TABLE", PYRAMID_SCHEMA, self._name, name)))
        for ending, index in band_indexes(layer, band).items():
            aside = f"{self._name}_{ending}"
            renamed = rename_statement("INDEX", PYRAMID_SCHEMA, aside, str(index.name))
            self._connection.execute(text(renamed))


def _noting(pieces: Iterator[memoryview], failures: list[BaseException]) -> Iterator[memoryview]:
    try:
        yield from pieces
    except BaseException as error:
        failures.append(error)
        raise


def _changed_features(layer: LayerDefinition, moment: datetime) -> Select[tuple[int]]:
    """Return the statement for the features whose rows a load opened or closed.

    Of the two branches one reads the primary key's index, the other the closed rows: with both in
    one condition PostgreSQL reads the whole layer.
    """
    held = city_table(layer).c
    at = literal(moment, _TIME)
    closed = is_closed(city_table(layer))
    opened = select(held.feature_id).where(held.recorded_from == at)
    ended = select(held.feature_id).where(closed, held.recorded_to == at)
    both = union_all(opened, ended).subquery("either")
    return select(both.c.feature_id)


def _state(connection: Connection, layer: LayerDefinition, band: PyramidBand) -> Row[Any] | None:
    state = pyramid_table.c
    return connection.execute(
        select(pyramid_table).where(state.layer == layer.name, state.band == band.zooms[0])
    ).first()


def _plan(connection: Connection, layer: LayerDefinition, band: PyramidBand, *, anew: bool) -> Plan:
    row = _state(connection, layer, band)
    anew = anew or row is None or row.digest != band_digest(layer, band)
    loads = load_table.c
    since = [] if anew or row is None else [loads.recorded_at > row.recorded_at]
    finer = finer_band(layer, band)
    if finer is not None:
        # What the finer band does not show yet cannot be made from it.
        shown = _state(connection, layer, finer)
        if shown is None or shown.digest != band_digest(layer, finer):
            return Plan(band, anew, (), 0)
        since.append(loads.recorded_at <= shown.recorded_at)
    changed = loads.added + loads.changed + loads.closed
    rows = connection.execute(
        select(loads.load_id, loads.recorded_at, loads.valid_from)
        .where(loads.layer == layer.name, loads.status == "done", changed > 0, *since)
        .order_by(loads.recorded_at)
    ).all()
    version = connection.execute(
        select(layer_table.c.data_version).where(layer_table.c.name == layer.name)
    ).scalar()
    steps = tuple(Step(row[0], as_count(row[1]), as_count(row[2])) for row in rows)
    return Plan(band, anew, steps, int(version or 0))
