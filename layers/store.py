"""The versioned store: surveys become versions, in one transaction a load."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    DateTime,
    Engine,
    Row,
    Select,
    case,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from layers.aside_tables import drop_before_load, drop_leftovers
from layers.catalogue import Catalogue
from layers.database import DRIVER_ERRORS, domain_error, translated_errors, writing_engine
from layers.definition import LayerDefinition
from layers.detail_tiles import changed_tiles
from layers.disk_room import room_needed
from layers.errors import LayerBusy, LoadCancelled, LoadRefused, OneMapError, SchemaConflict
from layers.load_locks import LAYER, WRITING, is_alive, lock_key
from layers.load_records import INTERRUPTED
from layers.load_session import LoadHeader, LoadOutcome, LoadSession
from layers.publishing import publish_layer
from layers.quarantine_rows import BadRow, json_ready
from layers.reverting import (
    LoadToRevert,
    load_to_revert,
    mark_reverted,
    revert,
    reverted_changes,
)
from layers.schema import migrate, shortcomings
from layers.system_tables import layer_table, load_table

__all__ = ["BadRow", "LoadHeader", "LoadOutcome", "LoadSession", "Store"]

#: Memory of a load's sorts and index builds: a survey is sorted along the Hilbert curve, and with
#: the server's defaults a million parcels would be sorted in pieces on disk.
_LOAD_MEMORY = {"work_mem": "256MB", "maintenance_work_mem": "512MB"}
#: What a load may be when it is opened.
_OPEN = ("queued", "running")
#: How far a survey's date may lie ahead of the database's clock: time zones, not plans.
_AHEAD = timedelta(days=1)


@dataclass
class _Run:
    """The transaction of a load."""

    connection: Connection
    #: The record time of everything it changes.
    recorded_at: datetime
    #: What the load's record is to say in the end.
    outcome: dict[str, Any] = field(default_factory=dict)


class Store:
    """The writing side of the city map. Thread-safe; one a process is enough."""

    def __init__(self, database_url: str, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._engine: Engine = writing_engine(database_url)

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    def migrate(self) -> list[str]:
        """Bring the database to the form that the catalogue needs.

        Returns:
            What was done, in words; empty when nothing was missing.

        Raises:
            DatabaseUnavailable: If the database cannot be reached or is unfit.
            SchemaConflict: If a table cannot be reconciled with its definition.
        """
        with translated_errors(self._engine):
            with self._engine.begin() as connection:
                done = migrate(connection, self._catalogue)
            left = drop_leftovers(self._engine)
        return done + [f"layer {name}: what an interrupted load left is dropped" for name in left]

    def last_version(self, layer: str) -> int:
        """Return a layer's data version; 0 before the first load."""
        with translated_errors(self._engine), self._engine.connect() as connection:
            version = connection.execute(
                select(layer_table.c.data_version).where(layer_table.c.name == layer)
            ).scalar()
        return int(version or 0)

    def fetch(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        """Run a query and return its rows.

        Raises:
            DatabaseUnavailable: If the database cannot be reached.
        """
        with translated_errors(self._engine), self._engine.connect() as connection:
            return connection.execute(statement).all()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Lend a connection whose one transaction is committed at the end, or rolled back."""
        with translated_errors(self._engine), self._engine.begin() as connection:
            yield connection

    def was_loaded(self, layer: str, checksum: str, valid_from: datetime) -> bool:
        """Tell whether a source with this checksum was applied for this date, and stands."""
        with translated_errors(self._engine), self._engine.connect() as connection:
            found = connection.execute(
                select(literal(1))
                .select_from(load_table)
                .where(
                    load_table.c.layer == layer,
                    load_table.c.checksum == checksum,
                    load_table.c.valid_from == valid_from,
                    load_table.c.status == "done",
                    load_table.c.kind == "survey",
                    load_table.c.reverted_by.is_(None),
                )
                .limit(1)
            ).first()
        return found is not None

    @contextmanager
    def open_load(
        self, layer: LayerDefinition, header: LoadHeader, load_id: int | None = None
    ) -> Iterator[LoadSession]:
        """Open a load: everything in the ``with`` block happens, or nothing.

        Args:
            layer: The layer to load into.
            header: What is known of the survey.
            load_id: The record of a load that was submitted before; without it one is made.

        An exception rolls the transaction back; the load stays in the records as failed, with
        the reason. A process that dies leaves it as running, and the next load marks it failed.

        Raises:
            LayerBusy: If another load is writing the layer.
            LoadRefused: If the survey's date lies in the future, or the data are refused.
            DatabaseUnavailable: If the database cannot be reached.
        """
        refuse_view(layer)
        refuse_future(header.valid_from)
        with translated_errors(self._engine):
            load_id = self._register(layer, header, load_id)
            with self._running(layer, load_id) as run:
                made = LoadSession(run.connection, layer, header, load_id, run.recorded_at)
                with closing(made) as session:
                    yield session
                session.settle_quarantine()
                run.outcome |= session.record()

    def revert(self, load_id: int, operator: str, reason: str | None = None) -> LoadOutcome:
        """Take a load back: what the map held before it, is held again from now on.

        Nothing is lost: the change is a load of its own (kind ``revert``), which can be taken back
        in turn.

        Args:
            load_id: The load.
            operator: Who answers for taking it back.
            reason: Why; kept with the record.

        Returns:
            The features that are there again, as they were before, and not there any more.

        Raises:
            LoadNotFound: If there is no such load.
            LoadStateConflict: If it is not done, was taken back already, or later loads changed
                the same features.
            LayerBusy: If a load is writing the layer.
        """
        with translated_errors(self._engine):
            with self._engine.connect() as connection:
                load = load_to_revert(connection, load_id)
            layer = self._catalogue.layer(load.layer)
            mine = self._register_revert(load, operator, reason)
            with self._running(layer, mine) as run:
                # Looked at again, now that nobody else writes the layer.
                load = load_to_revert(run.connection, load_id)
                counts = revert(run.connection, layer, load, run.recorded_at)
                version = publish_layer(
                    run.connection,
                    layer,
                    counts.growth,
                    run.recorded_at,
                    valid_from=load.valid_from,
                    tiles=changed_tiles(
                        run.connection,
                        layer,
                        counts.added + counts.changed + counts.closed,
                        reverted_changes(layer, run.recorded_at),
                    ),
                )
                outcome = LoadOutcome(counts.added, counts.changed, 0, counts.closed, version)
                mark_reverted(run.connection, load, mine)
                run.outcome |= asdict(outcome) | {"quarantined": 0}
        return outcome

    @contextmanager
    def _running(self, layer: LayerDefinition, load_id: int) -> Iterator["_Run"]:
        """Lend a transaction that writes a layer; how it ends is written into the load's record."""
        try:
            with room_needed(), self._engine.begin() as connection:
                self._take_lock(connection, layer, load_id)
                for setting, amount in _LOAD_MEMORY.items():
                    connection.execute(select(func.set_config(setting, amount, True)))
                run = _Run(connection, record_time(connection, layer))
                yield run
                connection.execute(
                    update(load_table)
                    .where(load_table.c.load_id == load_id)
                    .values(
                        status="done",
                        finished_at=func.clock_timestamp(),
                        recorded_at=run.recorded_at,
                        **run.outcome,
                    )
                )
        except BaseException as error:
            with suppress(DBAPIError):
                drop_leftovers(self._engine)
            self._record_failure(load_id, error)
            raise

    def _register_revert(self, load: LoadToRevert, operator: str, reason: str | None) -> int:
        with self._engine.begin() as connection:
            made = connection.execute(
                insert(load_table)
                .values(
                    layer=load.layer,
                    kind="revert",
                    source=load.source,
                    operator=operator,
                    valid_from=load.valid_from,
                    full_survey=False,
                    status="running",
                    attempts=1,
                    started_at=func.clock_timestamp(),
                    reverts=load.load_id,
                    request={"reason": reason},
                )
                .returning(load_table.c.load_id)
            )
            return int(made.scalar_one())

    def keep_report(self, load_id: int, report: dict[str, object]) -> None:
        """Keep the report of a load that failed, whose own transaction took everything back."""
        try:
            with self._engine.begin() as connection:
                connection.execute(
                    update(load_table)
                    .where(load_table.c.load_id == load_id, load_table.c.status != "done")
                    .values(report=json_ready(report))
                )
        except DBAPIError:
            # The database itself is gone, and with it the failure that there is to report on.
            return

    def _register(self, layer: LayerDefinition, header: LoadHeader, load_id: int | None) -> int:
        facts: dict[str, Any] = {
            "layer": layer.name,
            "kind": header.kind,
            "source": header.source,
            "checksum": header.checksum,
            "crs": header.crs,
            "mapping": header.mapping,
            "mapping_name": header.mapping_name,
            "operator": header.operator,
            "valid_from": header.valid_from,
            "full_survey": header.full,
            "repairs": header.repairs,
            "status": "running",
            "finished_at": None,
            "failure": None,
        }
        with self._engine.begin() as connection:
            missing = shortcomings(connection, self._catalogue)
            if missing:
                raise SchemaConflict("; ".join(missing))
            if load_id is None:
                fresh = insert(load_table).values(
                    facts | {"attempts": 1, "started_at": func.clock_timestamp()}
                )
                made = connection.execute(fresh.returning(load_table.c.load_id))
                return int(made.scalar_one())
            # Whoever attends to the load has counted the attempt already.
            waiting = load_table.c.status == "queued"
            mine = load_table.c.load_id == load_id
            begun = {
                "attempts": case((waiting, load_table.c.attempts + 1), else_=load_table.c.attempts),
                "started_at": case(
                    (waiting, func.clock_timestamp()), else_=load_table.c.started_at
                ),
            }
            open_one = update(load_table).where(mine, load_table.c.status.in_(_OPEN))
            if not connection.execute(open_one.values(facts | begun)).rowcount:
                raise LoadCancelled(f"load {load_id} is not to be run any more")
            return load_id

    def _take_lock(self, connection: Connection, layer: LayerDefinition, load_id: int) -> None:
        locked = connection.execute(
            select(func.pg_try_advisory_xact_lock(LAYER, func.hashtext(layer.name)))
        ).scalar_one()
        if not locked:
            raise LayerBusy(f"another load is writing the layer '{layer.name}': try again later")
        connection.execute(select(func.pg_advisory_xact_lock_shared(WRITING, lock_key(load_id))))
        drop_before_load(self._engine, connection, layer.name)
        # A load of this layer that says it runs, and whose process does not live, does not.
        connection.execute(
            update(load_table)
            .where(
                load_table.c.layer == layer.name,
                load_table.c.status == "running",
                load_table.c.load_id != load_id,
                ~is_alive(load_table.c.load_id),
            )
            .values(status="failed", failure=INTERRUPTED, finished_at=func.clock_timestamp())
        )

    def _record_failure(self, load_id: int, error: BaseException) -> None:
        if isinstance(error, DRIVER_ERRORS):
            error = domain_error(error, self._engine)
        reason = str(error) if isinstance(error, OneMapError) else type(error).__name__
        try:
            with self._engine.begin() as connection:
                connection.execute(
                    update(load_table)
                    .where(load_table.c.load_id == load_id, load_table.c.status != "done")
                    .values(status="failed", finished_at=func.clock_timestamp(), failure=reason)
                )
        except DBAPIError:
            # The database itself is gone; the next load of the layer marks this one failed.
            return


def refuse_view(layer: LayerDefinition) -> None:
    """Refuse to write into a layer that only shows what the system keeps."""
    if layer.view is not None:
        raise LoadRefused(
            f"the layer '{layer.name}' shows rows that the system keeps: "
            "nothing can be loaded into it"
        )


def refuse_future(valid_from: datetime) -> None:
    """Refuse a date that has not come yet."""
    if valid_from.tzinfo is None:
        raise LoadRefused("the survey's date has no time zone")
    if valid_from > datetime.now(UTC) + _AHEAD:
        raise LoadRefused(
            f"the survey's date {valid_from.date()} lies in the future: "
            "load it when it has come into force"
        )


def record_time(connection: Connection, layer: LayerDefinition) -> datetime:
    """Return now, but later than every record time the layer has, whatever clocks do."""
    last = func.max(load_table.c.recorded_at)
    latest = select(
        func.greatest(
            func.clock_timestamp(type_=DateTime(timezone=True)),
            last + func.make_interval(0, 0, 0, 0, 0, 0, 0.000001),
        )
    ).where(load_table.c.layer == layer.name)
    moment = connection.execute(latest).scalar_one()
    assert isinstance(moment, datetime)  # noqa: S101 -- narrows the type
    return moment
