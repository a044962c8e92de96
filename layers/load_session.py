"""One load in progress: rows are staged, refused rows kept, and then all of it applied at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from sqlalchemy import (
    Connection,
    FromClause,
    Row,
    Select,
    delete,
    func,
    insert,
    literal,
    select,
    text,
)

from layers.ancestry import find_parents, record_ancestry
from layers.copy_binary import ARROW_TYPES
from layers.definition import LayerDefinition
from layers.errors import LoadRefused
from layers.geometry_column import GeometryColumn
from layers.key_hashes import Hashes, key_hashes
from layers.publishing import publish_layer
from layers.quarantine_rows import (
    BadRow,
    insert_refused,
    json_ready,
    publish,
    refuse_again,
    resolve,
)
from layers.row_writers import AsideWriter, RowWriter, StageWriter, can_be_replaced
from layers.sql import analyze_statement
from layers.survey_tiles import SurveyTiles
from layers.system_tables import layer_table
from layers.tables import CITY_SCHEMA, aside_name, city_table
from layers.versioning import (
    Survey,
    bad_key_table,
    close_held,
    count_differences,
    difference_table,
    find_differences,
    find_ended,
    find_missing,
    keep_before,
    open_surveyed,
    repeated_keys,
)

#: The planner's statistics are renewed within a load that changes at least so many features, and
#: this share of the layer's; what smaller ones change is autovacuum's to notice.
_ANALYZE_FROM = 1_000
_ANALYZE_SHARE = 0.1
#: Of so many times 300 rows, and in so many steps: a fifth of the time that 100 take, which is
#: PostgreSQL's default, and the layer has to wait for it.
_TARGET = 30


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
    #: ``survey``, ``repair``, ``revert`` or ``transaction`` (edits by somebody at a map).
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
        #: Is told what the database is doing when that takes long: ``writing``, ``indexing``.
        self.told: Callable[[str], None] = lambda _: None
        self._connection = connection
        self._layer = layer
        self._header = header
        self._survey = Survey(layer, load_id, header.valid_from, recorded_at)
        self._staged = 0
        self._quarantined = 0
        self._complete = False
        self._outcome: LoadOutcome | None = None
        self._report: object = None
        self._tiles: SurveyTiles | None = None
        self._hashes: list[Hashes] = []
        self._ended: list[int] = []
        self._writer: RowWriter = self._choose_writer()
        difference_table().create(connection)
        if header.full:
            bad_key_table(layer).create(connection)

    def _choose_writer(self) -> RowWriter:
        connection, layer = self._connection, self._layer
        first = self._header.kind != "transaction" and self._layer_is_empty()
        if first and can_be_replaced(connection, layer):
            return AsideWriter(connection, self._survey, lambda stage: self.told(stage))
        return StageWriter(connection, layer)

    def stage(
        self,
        batch: pa.Table,
        geometry: GeometryColumn | None = None,
        hashes: Hashes | None = None,
    ) -> None:
        """Send good rows to the database.

        Args:
            batch: ``source_row`` (int64) and fields of the layer by name in the Arrow type of
                ``copy_binary.ARROW_TYPES``. A field without a column is NULL.
            geometry: The rows' geometries; without it the batch has a column ``geometry``: WKB in
                EPSG:4490, longitude first, already of the layer's geometry type.
            hashes: What ``key_hashes`` gives for the rows' business keys, where that is known.

        Raises:
            LoadRefused: If the database refuses the data, or there is no room for them.
        """
        if batch.num_rows == 0:
            return
        if geometry is None:
            shapes = shapely.from_wkb(batch["geometry"].to_numpy())
            geometry = GeometryColumn.of(shapes, self._layer.geometry)
        present = [field for field in self._layer.fields if field.name in batch.column_names]
        columns = [_flat(batch["source_row"], pa.int64())]
        columns += [_flat(batch[field.name], ARROW_TYPES[field.type]) for field in present]
        self._writer.add(["source_row", *(field.name for field in present)], columns, geometry)
        if hashes is None:
            hashes = key_hashes([_flat(batch[name], None) for name in self._layer.key])
        self._hashes.append(hashes)
        self._staged += batch.num_rows

    def complete(self) -> None:
        """See to it that all staged rows are in the database, for checks over all of them."""
        if not self._complete:
            self._writer.complete()
            self._complete = True

    def settle(self) -> None:
        """Wait until nothing is done to the staged rows beside what this session does."""
        self.complete()
        self._writer.settle()

    def index_surveyed(self) -> None:
        """See to it that the surveyed rows have an index of boxes, for joins by place."""
        self.complete()
        self._writer.index()

    @property
    def surveyed(self) -> FromClause:
        """The staged rows once complete: ``source_row``, the fields, ``geom``, ``tile_geom``."""
        return self._writer.surveyed

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
        """Run a query within the load's transaction; after ``complete`` it sees ``surveyed``."""
        return self._connection.execute(statement).all()

    def stream(self, statement: Select[Any], rows: int) -> Iterator[Sequence[Any]]:
        """Run a query as ``fetch`` does, but take its rows a few at a time.

        Args:
            statement: The query.
            rows: How many rows to hold at once.
        """
        result = self._connection.execute(statement, execution_options={"yield_per": rows})
        yield from result.partitions()

    def staged_rows(self, source_rows: Sequence[int]) -> dict[int, BadRow]:
        """Return staged rows by their number in the file, as a refusal would keep them.

        ``rule`` and ``message`` are empty; ``values`` are the layer's fields.
        """
        self.complete()
        rows = self.surveyed
        columns = [rows.c[name] for name in self._layer.field_names]
        statement = select(rows.c.source_row, func.ST_AsBinary(rows.c.geom), *columns).where(
            rows.c.source_row.in_(list(source_rows))
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
        self.settle()
        numbers = sorted({row.source_row for row in rows})
        staged = self._writer.table
        gone = self._connection.execute(
            delete(staged).where(staged.c.source_row.in_(numbers)).returning(staged.c.source_row)
        )
        found = {row[0] for row in gone}
        self._staged -= len(found)
        self.quarantine([row for row in rows if row.source_row in found])

    def end(self, feature_ids: Sequence[int]) -> None:
        """Have features end at the survey's date that is about to be applied."""
        self._ended.extend(feature_ids)

    def apply(self) -> LoadOutcome:
        """Compare the staged survey with the layer and change the layer's history.

        Returns:
            The counts of features added, changed, unchanged and closed.

        Raises:
            LoadRefused: If the survey holds a business key twice.
        """
        self.settle()
        self._refuse_repeated_keys()
        if isinstance(self._writer, AsideWriter):
            self._renew_statistics(self._staged, aside_name(self._layer.name))
            self._writer.take_place()
            counts, growth = (self._staged, 0, 0, 0), self._staged
        else:
            counts, growth = self._apply_differences()
        version = self._publish(counts, growth)
        self._outcome = LoadOutcome(*counts, data_version=version)
        return self._outcome

    def leave_as_it_is(self, unchanged: int) -> LoadOutcome:
        """End a load that has nothing to do, instead of ``apply``.

        Args:
            unchanged: How many features the survey says nothing new of.
        """
        self._outcome = LoadOutcome(0, 0, unchanged, 0, self._publish((0, 0, unchanged, 0), 0))
        return self._outcome

    def finish(self, report: dict[str, object]) -> None:
        """Keep the load's report with the load."""
        self._report = json_ready(report)

    def settle_quarantine(self) -> None:
        """Mark repaired rows as taken in, and show the change on the map; last in the load."""
        if self._header.repairs is not None:
            resolve(self._connection, self._header.repairs, self.load_id, self._taken())
        if self._quarantined or self._header.repairs is not None:
            publish(self._connection)

    def _taken(self) -> Select[tuple[int]]:
        """Return the numbers of the rows that this load took in."""
        if isinstance(self._writer, AsideWriter):
            table = city_table(self._layer)
            mine = table.c.load_id == self.load_id
            return select(table.c.source_row).where(mine).distinct()
        return select(self.surveyed.c.source_row)

    def close(self) -> None:
        """Give back what the load holds beside the database."""
        self._writer.close()

    def record(self) -> dict[str, object]:
        """Return what the load's record is to say in the end."""
        outcome = self._outcome
        counts = {} if outcome is None else asdict(outcome)
        return counts | {"quarantined": self._quarantined, "report": self._report}

    def _apply_differences(self) -> tuple[tuple[int, int, int, int], int]:
        self._connection.execute(find_differences(self._survey))
        if self._header.full:
            self._connection.execute(find_missing(self._survey))
        if self._ended:
            self._connection.execute(find_ended(self._survey, self._ended))
        difference = difference_table().name
        self._connection.execute(text(analyze_statement("pg_temp", difference)))
        counts = self._connection.execute(count_differences()).one()
        added, changed, closed, growth = (int(count) for count in counts)
        if added + changed + closed:
            features = added + changed + closed
            self._tiles = SurveyTiles.begin(self._connection, self._survey, features)
            # One feature alone came from no other.
            related = features > 1 and (added or changed) and (changed or closed)
            has_parents = related and find_parents(self._connection, self._survey)
            self._connection.execute(keep_before(self._survey))
            self._connection.execute(close_held(self._survey))
            self._connection.execute(open_surveyed(self._survey))
            if has_parents:
                record_ancestry(self._connection, self._survey)
            self._renew_statistics(features, self._layer.name)
        return (added, changed, self._staged - added - changed, closed), growth

    def _refuse_repeated_keys(self) -> None:
        hashes = np.sort(np.concatenate(self._hashes)) if self._hashes else np.empty(0)
        # Equal keys have equal hashes: only then is the database asked, which takes longer.
        if not (hashes[1:] == hashes[:-1]).any():
            return
        repeated = self._connection.execute(repeated_keys(self.surveyed, self._layer.key)).first()
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

    def _renew_statistics(self, changed: int, table: str) -> None:
        current = select(layer_table.c.current_count).where(layer_table.c.name == self._layer.name)
        known = int(self._connection.execute(current).scalar_one())
        if changed >= max(_ANALYZE_FROM, _ANALYZE_SHARE * known):
            target = func.set_config("default_statistics_target", str(_TARGET), True)
            self._connection.execute(select(target))
            self._connection.execute(text(analyze_statement(CITY_SCHEMA, table)))

    def _publish(self, counts: tuple[int, int, int, int], growth: int) -> int:
        added, changed, _, closed = counts
        name = self._layer.name
        if not added + changed + closed:
            current = select(layer_table.c.data_version).where(layer_table.c.name == name)
            return int(self._connection.execute(current).scalar_one())
        bounds = None
        # A first load changes all tiles.
        tiles = None if self._tiles is None else self._tiles.result()
        if self._writer.boxes:
            west, south, east, north = np.array(self._writer.boxes).T
            bounds = float(west.min()), float(south.min()), float(east.max()), float(north.max())
        return publish_layer(
            self._connection,
            self._layer,
            growth,
            self._survey.recorded_at,
            valid_from=self._header.valid_from,
            bounds=bounds,
            tiles=tiles,
        )

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


def _flat(column: pa.ChunkedArray | pa.Array, kind: pa.DataType | None) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    return whole if kind is None or whole.type == kind else whole.cast(kind)
