"""An edit in progress: a small load by somebody at a map, in one short transaction.

It is recorded as a load of kind ``transaction``, whose record is written in that same transaction:
an edit that is refused, or whose process dies, leaves nothing at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.errors import LockNotAvailable
from sqlalchemy import Connection, and_, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError

from gis.times import Interval
from layers.access import AccessClass
from layers.definition import LayerDefinition
from layers.disk_room import room_needed
from layers.errors import LayerBusy
from layers.load_locks import LAYER
from layers.load_session import LoadHeader, LoadOutcome, LoadSession
from layers.load_view import full_access
from layers.queries import held_rows
from layers.store import Store, record_time, refuse_future, refuse_view
from layers.system_tables import layer_table, load_table
from layers.version_tags import version_tag

#: The kind of load that an edit is.
TRANSACTION = "transaction"
#: How long an edit waits for another to end; a load takes longer.
_PATIENCE = "2s"
#: How long any statement of an edit may take.
_STATEMENT = "60s"


@dataclass(frozen=True)
class EditHeader:
    """What is known of an edit before its first feature."""

    #: SHA-256 of what was sent, in hexadecimal.
    checksum: str
    #: Reference system of what was sent.
    crs: str
    operator: str
    reason: str
    #: From when on it is so; ``None`` is the moment the edit is recorded.
    valid_from: datetime | None = None


@dataclass(frozen=True)
class HeldFeature:
    """A feature as the map holds it to be when the edit begins to hold."""

    feature_id: int
    version: int
    recorded_from: datetime
    fields: Mapping[str, Any]
    #: EPSG:4490.
    wkb: bytes

    @property
    def tag(self) -> str:
        """Names this recorded version."""
        return version_tag(self.feature_id, self.version, self.recorded_from)


class _NothingChanged(Exception):
    """Takes back an edit that changes nothing."""


class EditSession:
    """The writing side of one edit. Made by ``open_edit``."""

    def __init__(
        self,
        connection: Connection,
        layer: LayerDefinition,
        load: LoadSession,
        valid_from: datetime,
    ) -> None:
        #: Takes rows, shows them to checks, and applies them.
        self.load = load
        #: From when on the edit says how things are.
        self.valid_from = valid_from
        self._connection = connection
        self._layer = layer
        self._access = full_access(layer)
        #: What names features, for statements that need no more.
        self._keys = AccessClass(layer.name, layer.key, None)
        self.outcome: LoadOutcome | None = None
        #: The layer's tile version after the edit.
        self.tile_version = 0

    @property
    def load_id(self) -> int | None:
        """The edit's load; ``None`` where nothing changed, and nothing was recorded."""
        changed = self.outcome is not None and _changes(self.outcome)
        return self.load.load_id if changed else None

    def held(self, feature_ids: Sequence[int]) -> dict[int, HeldFeature]:
        """Return features, by id, as they are when the edit begins to hold."""
        rows = held_rows(self._layer, self._access, self.valid_from)
        statement = select(
            rows.c.feature_id,
            rows.c.version,
            rows.c.recorded_from,
            func.ST_AsBinary(rows.c.geom).label("wkb"),
            *(rows.c[name] for name in self._layer.field_names),
        ).where(rows.c.feature_id.in_(list(feature_ids)))
        return {
            row.feature_id: HeldFeature(
                row.feature_id,
                row.version,
                row.recorded_from,
                {name: row._mapping[name] for name in self._layer.field_names},
                bytes(row.wkb),
            )
            for row in self._connection.execute(statement)
        }

    def taken_keys(self, keys: Sequence[Mapping[str, Any]]) -> dict[int, int]:
        """Return which keys somebody has when the edit begins to hold, or later.

        Returns:
            The place in ``keys`` to the feature that has the key.
        """
        if not keys:
            return {}
        rows = held_rows(self._layer, self._keys, Interval(self.valid_from, None))
        same = [and_(*(rows.c[name] == key[name] for name in self._layer.key)) for key in keys]
        found: dict[tuple[Any, ...], int] = {}
        columns = [rows.c[name] for name in self._layer.key]
        for row in self._connection.execute(select(rows.c.feature_id, *columns).where(or_(*same))):
            found[tuple(row[1:])] = int(row[0])
        places = enumerate(tuple(key[name] for name in self._layer.key) for key in keys)
        return {place: found[key] for place, key in places if key in found}

    def known_later(self, feature_ids: Sequence[int]) -> list[int]:
        """Return which features have versions that begin after the edit does."""
        rows = held_rows(self._layer, self._keys, Interval(self.valid_from, None))
        statement = (
            select(rows.c.feature_id)
            .where(rows.c.feature_id.in_(list(feature_ids)), rows.c.valid_from > self.valid_from)
            .distinct()
        )
        return sorted(self._connection.execute(statement).scalars())

    def apply(self) -> None:
        """Change the layer's history."""
        self.outcome = self.load.apply()
        version = select(layer_table.c.tile_version).where(layer_table.c.name == self._layer.name)
        self.tile_version = int(self._connection.execute(version).scalar_one())

    def written(self) -> dict[int, tuple[int, str]]:
        """Return what became of the rows that were staged: their feature's id and version tag."""
        rows, stage = held_rows(self._layer, self._keys, self.valid_from), self.load.surveyed
        same = and_(*(stage.c[name] == rows.c[name] for name in self._layer.key))
        statement = select(
            stage.c.source_row, rows.c.feature_id, rows.c.version, rows.c.recorded_from
        ).select_from(stage.join(rows, same))
        return {
            row.source_row: (
                row.feature_id,
                version_tag(row.feature_id, row.version, row.recorded_from),
            )
            for row in self._connection.execute(statement)
        }


@contextmanager
def open_edit(store: Store, layer: LayerDefinition, header: EditHeader) -> Iterator[EditSession]:
    """Open an edit: everything in the ``with`` block happens, or nothing.

    An edit that changes nothing is not recorded either.

    Raises:
        LayerBusy: If a load is writing the layer, or many edits are.
        LoadRefused: If the date lies in the future, or the layer takes no data.
        DatabaseUnavailable: If the database cannot be reached.
    """
    refuse_view(layer)
    if header.valid_from is not None:
        refuse_future(header.valid_from)
    with suppress(_NothingChanged), room_needed(), store.writing() as connection:
        _take_turn(connection, layer)
        recorded_at = record_time(connection, layer)
        valid_from = header.valid_from or recorded_at
        load_id = _record(connection, layer, header, valid_from, recorded_at)
        load_header = LoadHeader(
            source=TRANSACTION,
            checksum=header.checksum,
            crs=header.crs,
            valid_from=valid_from,
            operator=header.operator,
            mapping={},
            kind=TRANSACTION,
        )
        with closing(LoadSession(connection, layer, load_header, load_id, recorded_at)) as load:
            session = EditSession(connection, layer, load, valid_from)
            yield session
            if session.outcome is None or not _changes(session.outcome):
                raise _NothingChanged
            connection.execute(
                update(load_table)
                .where(load_table.c.load_id == load_id)
                .values(finished_at=func.clock_timestamp(), **load.record())
            )


def _changes(outcome: LoadOutcome) -> int:
    return outcome.added + outcome.changed + outcome.closed


def _take_turn(connection: Connection, layer: LayerDefinition) -> None:
    connection.execute(
        select(
            func.set_config("lock_timeout", _PATIENCE, True),
            func.set_config("statement_timeout", _STATEMENT, True),
        )
    )
    try:
        connection.execute(select(func.pg_advisory_xact_lock(LAYER, func.hashtext(layer.name))))
    except DBAPIError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise LayerBusy(
                f"a load is writing the layer '{layer.name}': try again later"
            ) from error
        raise
    connection.execute(select(func.set_config("lock_timeout", "0", True)))


def _record(
    connection: Connection,
    layer: LayerDefinition,
    header: EditHeader,
    valid_from: datetime,
    recorded_at: datetime,
) -> int:
    made = connection.execute(
        insert(load_table)
        .values(
            layer=layer.name,
            kind=TRANSACTION,
            source=TRANSACTION,
            request={"reason": header.reason},
            checksum=header.checksum,
            crs=header.crs,
            mapping={},
            operator=header.operator,
            valid_from=valid_from,
            full_survey=False,
            status="done",
            attempts=1,
            started_at=func.clock_timestamp(),
            recorded_at=recorded_at,
        )
        .returning(load_table.c.load_id)
    )
    return int(made.scalar_one())
