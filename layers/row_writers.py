"""Where the good rows of a survey go in the database before they count.

* Into a *stage*, a temporary table that is then compared with the layer; or
* where the layer holds nothing yet, into a table *aside*, in Hilbert order and with its indexes,
  which takes the empty table's place at the end. Nobody has to wait for it meanwhile.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, FromClause, Index, PrimaryKeyConstraint, Table, select, text
from sqlalchemy.schema import CreateIndex, DropTable, DropTableComment

from gis.hilbert import hilbert_keys
from layers.aside_tables import aside_indexes, make_aside
from layers.copy_stream import CopyStream, PackedRows, pack, rows_of
from layers.definition import LayerDefinition
from layers.geometry_column import GeometryColumn
from layers.prefetch import prefetch
from layers.row_sorter import RowSorter
from layers.side_sessions import SideSessions, Task
from layers.sql import (
    analyze_statement,
    copy_statement,
    lock_statement,
    no_default_statement,
    primary_key_statement,
    rename_statement,
)
from layers.tables import (
    CITY_SCHEMA,
    GEOMETRIES,
    aside_name,
    aside_table,
    city_table,
    feature_id_sequence,
    is_current,
    table_indexes,
)
from layers.versioning import Survey, new_stage_table, shared_values, stage_table

#: A batch of more estimated bytes is packed in halves: Arrow's binary arrays end at 2 GB.
_PACK_BYTES = 256 << 20
_COPY_BUFFER = 1 << 20
#: Batches that may wait to be sorted.
_WAITING = 2
#: Sessions that build a table aside, from so many rows on; fewer are done before these are open.
_SESSIONS = 2
SEVERAL_FROM = 50_000

Item = TypeVar("Item")
#: West, south, east, north in degrees.
Box = NDArray[np.float64]


class RowWriter(Protocol):
    """Takes the good rows of a survey."""

    @property
    def surveyed(self) -> FromClause:
        """The survey's rows, once complete: ``source_row``, the fields, ``geom``, ``tile_geom``."""

    @property
    def table(self) -> Table:
        """The table that holds the rows, for taking some back."""

    @property
    def boxes(self) -> Sequence[Box]:
        """Boxes around the batches taken, once complete."""

    def add(
        self, names: Sequence[str], columns: Sequence[pa.Array], geometry: GeometryColumn
    ) -> None:
        """Take a batch: the columns named (``source_row`` first) and the geometries."""

    def complete(self) -> None:
        """See to it that all rows are in the database."""

    def index(self) -> None:
        """See to it that the rows, once complete, have an index of boxes."""

    def settle(self) -> None:
        """Wait for what goes on in the background, such as building indexes."""

    def close(self) -> None:
        """Give back whatever it holds outside the database."""


class StageWriter:
    """Rows go to a temporary table as they come."""

    def __init__(self, connection: Connection, layer: LayerDefinition) -> None:
        self._connection = connection
        self._layer = layer
        self._stage: Table = stage_table(layer)
        self._key = layer.key
        self._stage.create(connection)
        self._is_indexed = False
        self.boxes: list[Box] = []

    @property
    def surveyed(self) -> FromClause:
        """See :class:`RowWriter`."""
        return self._stage

    @property
    def table(self) -> Table:
        """See :class:`RowWriter`."""
        return self._stage

    def add(
        self, names: Sequence[str], columns: Sequence[pa.Array], geometry: GeometryColumn
    ) -> None:
        """See :class:`RowWriter`."""
        width = len(names) + len(GEOMETRIES)
        self.boxes.append(_box_around(geometry.bounds()))
        pieces = (
            rows_of(packed, part.definition, width) for packed, part in _packed(columns, geometry)
        )
        _copy(self._connection, "pg_temp", self._stage.name, [*names, *GEOMETRIES], pieces)

    def complete(self) -> None:
        """See :class:`RowWriter`."""
        # Of the key alone: statistics of geometry take longer than the comparison they serve.
        known = analyze_statement("pg_temp", self._stage.name, ["source_row", *self._key])
        self._connection.execute(text(known))

    def index(self) -> None:
        """See :class:`RowWriter`."""
        if self._is_indexed:
            return
        columns = new_stage_table(self._layer).c
        place = Index(f"{self._stage.name}_geom", columns.geom, postgresql_using="gist")
        self._connection.execute(CreateIndex(place))
        whole = analyze_statement("pg_temp", self._stage.name)
        self._connection.execute(text(whole))
        self._is_indexed = True

    def settle(self) -> None:
        """See :class:`RowWriter`; nothing goes on."""

    def close(self) -> None:
        """See :class:`RowWriter`."""


class AsideWriter:
    """Rows are sorted on this side, and go in order into a table that nobody sees yet.

    Many rows are copied and indexed by two sessions beside the load's own. They have to commit the
    table before the load ends: what then becomes of it is told in ``aside_tables``. Until
    ``take_place`` the layer's own table is not touched; afterwards readers wait only until the
    transaction ends.
    """

    def __init__(
        self,
        connection: Connection,
        survey: Survey,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._survey = survey
        self._layer = survey.layer
        self._told = told
        self._sorter = RowSorter()
        # Packing and sorting go on beside the checks of the next batch; at most two batches wait.
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="sort-rows")
        self._waiting: deque[Future[None]] = deque()
        self._names: tuple[str, ...] = ()
        self.boxes: list[Box] = []
        self._defaults = shared_values(survey)
        self._table = aside_table(self._layer, self._defaults)
        self._side: SideSessions | None = None
        # The index of boxes holds current rows, and answers only those who ask for such.
        self._rows_aside = select(self._table).where(is_current(self._table)).subquery("aside")
        self._is_analysed = False

    @property
    def surveyed(self) -> FromClause:
        """See :class:`RowWriter`."""
        return self._rows_aside

    @property
    def table(self) -> Table:
        """See :class:`RowWriter`."""
        return self._table

    def add(
        self, names: Sequence[str], columns: Sequence[pa.Array], geometry: GeometryColumn
    ) -> None:
        """See :class:`RowWriter`; the names must be the same each time."""
        if self._names and self._names != tuple(names):
            raise ValueError(f"columns changed from {self._names} to {tuple(names)}")
        self._names = tuple(names)
        self._waiting.append(self._beside.submit(self._sort, list(columns), geometry))
        while len(self._waiting) > _WAITING:
            self._waiting.popleft().result()

    def _sort(self, columns: list[pa.Array], geometry: GeometryColumn) -> None:
        boxes = geometry.bounds()
        self.boxes.append(_box_around(boxes))
        keys = hilbert_keys((boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)
        begin = 0
        for packed, part in _packed(columns, geometry):
            self._sorter.add(packed, keys[begin : begin + len(part)])
            begin += len(part)

    def complete(self) -> None:
        """See :class:`RowWriter`; where several sessions do it, indexes are still being built."""
        while self._waiting:
            self._waiting.popleft().result()
        if len(self._sorter) >= SEVERAL_FROM:
            self._side = SideSessions.open(self._connection.engine, self._survey.load_id, _SESSIONS)
        entries = aside_indexes(self._layer)
        # An index over the rows that are closed stays empty: no need to read all rows for it.
        early = [entry for entry in entries if _is_of_closed_rows(entry)]
        self._do([partial(self._make, early)])
        if len(self._sorter):
            self._told("writing")
            first = self._reserve_ids(len(self._sorter))
            with closing(prefetch(self._numbered(first), depth=2)) as pieces:
                shared = _Shared(pieces)
                self._do([partial(self._copy_rows, shared)] * self._sessions)
        self._sorter.close()
        self._told("indexing")
        rest = [partial(_create, entry) for entry in entries if entry not in early]
        if self._side is None:
            self._do(rest)
        else:
            self._side.start(rest)

    def settle(self) -> None:
        """See :class:`RowWriter`."""
        if self._side is not None:
            self._side.wait()

    def index(self) -> None:
        """See :class:`RowWriter`; the index is there already, but not what the planner asks for."""
        self.settle()
        if not self._is_analysed:
            whole = analyze_statement(CITY_SCHEMA, self._table.name)
            self._connection.execute(text(whole))
            self._is_analysed = True

    def close(self) -> None:
        """See :class:`RowWriter`."""
        if self._side is not None:
            self._side.close()
        self._beside.shutdown(wait=True, cancel_futures=True)
        self._sorter.close()

    @property
    def _sessions(self) -> int:
        return 1 if self._side is None else len(self._side)

    def _do(self, tasks: Sequence[Task]) -> None:
        """Have tasks done: side by side, and committed, where there are sessions for that."""
        if self._side is not None:
            self._side.start(tasks)
            self._side.wait()
            return
        for task in tasks:
            task(self._connection)

    def _make(self, early: Sequence[Index], connection: Connection) -> None:
        make_aside(connection, self._table)
        for entry in early:
            connection.execute(CreateIndex(entry))

    def _copy_rows(self, pieces: Iterator[tuple[pa.Array, PackedRows]], on: Connection) -> None:
        columns = ["feature_id", *self._names, *GEOMETRIES]
        rows = (rows_of(piece, self._layer.geometry, len(columns), [ids]) for ids, piece in pieces)
        _copy(on, CITY_SCHEMA, self._table.name, columns, rows)

    def _numbered(self, first: int) -> Iterator[tuple[pa.Array, PackedRows]]:
        """Yield the sorted rows in pieces, with their feature ids from ``first`` on."""
        for piece in self._sorter.pieces():
            yield pa.array(np.arange(first, first + len(piece), dtype=np.int64)), piece
            first += len(piece)

    def _reserve_ids(self, count: int) -> int:
        """Take ``count`` feature ids that follow each other; return the first."""
        sequence = feature_id_sequence(self._layer)
        first = int(self._connection.execute(sequence.next_value().select()).scalar_one())
        statement = text("SELECT setval(CAST(:sequence AS regclass), :last)")
        name = f"{CITY_SCHEMA}.{sequence.name}"
        self._connection.execute(statement, {"sequence": name, "last": first + count - 1})
        return first

    def take_place(self) -> None:
        """Replace the layer's own, empty table."""
        name, other = self._layer.name, aside_name(self._layer.name)
        self._connection.execute(text(lock_statement(CITY_SCHEMA, name)))
        self._connection.execute(DropTable(city_table(self._layer)))
        self._connection.execute(text(rename_statement("TABLE", CITY_SCHEMA, other, name)))
        for entry in table_indexes(self._layer, aside=True):
            old = str(entry.name)
            new = f"{name}{old.removeprefix(other)}"
            self._connection.execute(text(rename_statement("INDEX", CITY_SCHEMA, old, new)))
            if isinstance(entry, PrimaryKeyConstraint):
                key = primary_key_statement(CITY_SCHEMA, name, new)
                self._connection.execute(text(key))
        gone = no_default_statement(CITY_SCHEMA, name, self._defaults)
        self._connection.execute(text(gone))
        self._connection.execute(DropTableComment(city_table(self._layer)))


class _Shared(Iterator[Item]):
    """An iterator that several threads take from."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._taking = Lock()

    def __next__(self) -> Item:
        with self._taking:
            return next(self._items)


def _box_around(boxes: NDArray[np.float64]) -> Box:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _create(entry: Index, connection: Connection) -> None:
    connection.execute(CreateIndex(entry))


_DEPENDENTS = text(
    """
    SELECT EXISTS (SELECT FROM pg_depend WHERE refobjid = mine.oid AND deptype = 'n')
        OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = mine.oid AND NOT tgisinternal)
        OR EXISTS (SELECT FROM pg_policy WHERE polrelid = mine.oid)
        OR EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = mine.oid)
        OR mine.relacl IS NOT NULL OR mine.reloptions IS NOT NULL
        OR mine.relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
    FROM pg_class AS mine WHERE mine.oid = to_regclass(:name)
    """
)


def can_be_replaced(connection: Connection, layer: LayerDefinition) -> bool:
    """Tell whether nothing hangs on a layer's table: no view, right, trigger or policy."""
    name = f"{CITY_SCHEMA}.{layer.name}"
    return connection.execute(_DEPENDENTS, {"name": name}).scalar_one_or_none() is False


def _is_of_closed_rows(entry: Index) -> bool:
    return str(entry.name).endswith("_closed_geom")


def _packed(
    columns: Sequence[pa.Array], geometry: GeometryColumn
) -> Iterator[tuple[PackedRows, GeometryColumn]]:
    """Pack a batch, in halves where it is large."""
    rows = len(geometry)
    if geometry.bytes_estimated > _PACK_BYTES and rows > 1:
        for part in (slice(0, rows // 2), slice(rows // 2, rows)):
            yield from _packed([column[part] for column in columns], geometry[part])
        return
    yield pack(columns, geometry), geometry


def _copy(
    connection: Connection,
    schema: str,
    table: str,
    columns: Sequence[str],
    pieces: Iterator[memoryview],
) -> None:
    cursor: Any = connection.connection.cursor()
    with closing(cursor):
        cursor.copy_expert(
            copy_statement(table, columns, schema), CopyStream(pieces), size=_COPY_BUFFER
        )
