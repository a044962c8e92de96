"""Taking a load back: what the map held before it is held again, from now on.

Nothing is deleted. In record time the rows that the load opened are closed now, and what it closed
is opened anew, as new versions; what the map believed in between stays answerable. A row is known
by its feature, its valid time and the row of the file it came from, so that a load whose effect is
back (a later one changed it and was itself taken back) can be taken back too.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Integer,
    MetaData,
    Select,
    Table,
    and_,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)

from layers.definition import LayerDefinition
from layers.detail_tiles import Changed, changed_rows
from layers.errors import LoadNotFound, LoadStateConflict
from layers.quarantine_rows import publish
from layers.sql import analyze_statement
from layers.system_tables import ancestry_table, load_table, quarantine_table
from layers.tables import INFINITY, city_table, content_names
from layers.versioning import PERIOD_COLUMNS

_TIME = DateTime(timezone=True)
#: What makes a row the same row, whenever it was recorded.
_SAME = ("feature_id", "valid_from", "valid_to", "load_id", "source_row")


@dataclass(frozen=True)
class LoadToRevert:
    """A load that is done, as its record has it."""

    load_id: int
    layer: str
    kind: str
    source: str
    valid_from: datetime
    #: Record time of all it did.
    recorded_at: datetime
    #: The load that it took back, if it did.
    reverts: int | None


@dataclass(frozen=True)
class RevertCounts:
    """What taking a load back did, in features."""

    #: There again.
    added: int
    #: As they were before.
    changed: int
    #: Not there any more.
    closed: int
    #: By how many the current features grew.
    growth: int


def load_to_revert(connection: Connection, load_id: int) -> LoadToRevert:
    """Return a load that may be taken back.

    Raises:
        LoadNotFound: If there is no such load.
        LoadStateConflict: If it is not done, or was taken back already.
    """
    row = connection.execute(select(load_table).where(load_table.c.load_id == load_id)).first()
    if row is None:
        raise LoadNotFound(f"there is no load {load_id}")
    if row.status != "done":
        raise LoadStateConflict(f"load {load_id} is {row.status}: there is nothing to take back")
    if row.reverted_by is not None:
        raise LoadStateConflict(f"load {load_id} was taken back already, by load {row.reverted_by}")
    return LoadToRevert(
        load_id, row.layer, row.kind, row.source, row.valid_from, row.recorded_at, row.reverts
    )


def mark_reverted(connection: Connection, load: LoadToRevert, by: int) -> None:
    """Write into the records that a load was taken back."""
    loads = load_table
    connection.execute(update(loads).values(reverted_by=by).where(loads.c.load_id == load.load_id))
    if load.reverts is not None:
        connection.execute(
            update(loads).values(reverted_by=None).where(loads.c.load_id == load.reverts)
        )


def _changes_table() -> Table:
    """Return the temporary table of what must be closed and what opened anew."""
    return Table(
        "onemap_revert",
        MetaData(),
        Column("feature_id", BigInteger, nullable=False),
        Column("version", Integer, nullable=False),
        Column("recorded_from", _TIME, nullable=False),
        Column("is_open", Integer, nullable=False),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def revert(
    connection: Connection, layer: LayerDefinition, load: LoadToRevert, now: datetime
) -> RevertCounts:
    """Take a load back, within a transaction that holds the layer's lock.

    Args:
        connection: The transaction.
        layer: The load's layer.
        load: The load.
        now: The record time of the change; later than any before in the layer.

    Raises:
        LoadStateConflict: If later loads changed the same features; the message names them.
    """
    _refuse_later_changes(connection, layer, load)
    changes = _changes_table()
    changes.create(connection)
    columns = [column.name for column in changes.columns]
    connection.execute(insert(changes).from_select(columns, _to_close(layer, load)))
    connection.execute(insert(changes).from_select(columns, _to_open(layer, load)))
    connection.execute(text(analyze_statement("pg_temp", changes.name)))
    counts = _count(connection, layer, changes)
    _close(connection, layer, changes, now)
    _open(connection, layer, changes, now)
    _mark_ancestry(connection, load, now)
    _mark_quarantine(connection, load)
    return counts


def reverted_changes(layer: LayerDefinition, recorded_at: datetime) -> Changed:
    """Return what makes the statement for the rows that ``revert`` opened or closed."""
    changes = _changes_table()
    features = select(changes.c.feature_id)
    return lambda fields: changed_rows(layer, fields, recorded_at, features)


def _affected(layer: LayerDefinition, load: LoadToRevert) -> Select[Any]:
    """Return the ids of the features that the load changed."""
    table = city_table(layer)
    at = literal(load.recorded_at, _TIME)
    return select(table.c.feature_id).where(
        or_(table.c.recorded_from == at, table.c.recorded_to == at)
    )


def _believed(table: Any, at: datetime | None, *, before: bool = False) -> ColumnElement[bool]:
    """Return the condition of rows held now, at a record time, or just before it."""
    if at is None:
        condition: ColumnElement[bool] = table.c.recorded_to == INFINITY
        return condition
    moment = literal(at, _TIME)
    if before:
        return and_(table.c.recorded_from < moment, table.c.recorded_to >= moment)
    return and_(table.c.recorded_from <= moment, table.c.recorded_to > moment)


def _without(
    layer: LayerDefinition,
    load: LoadToRevert,
    held: tuple[datetime | None, bool],
    unlike: tuple[datetime | None, bool],
) -> tuple[Any, list[ColumnElement[bool]]]:
    """Return the affected rows held at one time and not at another, and the conditions for it."""
    table = city_table(layer).alias("held")
    other = city_table(layer).alias("other")
    alike = and_(*(table.c[name] == other.c[name] for name in _SAME))
    conditions = [
        table.c.feature_id.in_(_affected(layer, load)),
        _believed(table, held[0], before=held[1]),
        ~exists().where(alike, _believed(other, unlike[0], before=unlike[1])),
    ]
    return table, conditions


def _refuse_later_changes(
    connection: Connection, layer: LayerDefinition, load: LoadToRevert
) -> None:
    now, then = (None, False), (load.recorded_at, False)
    for held, unlike in ((now, then), (then, now)):
        table, conditions = _without(layer, load, held, unlike)
        if connection.execute(select(literal(1)).select_from(table).where(*conditions)).first():
            raise LoadStateConflict(
                f"load {load.load_id} cannot be taken back by itself: later loads "
                f"({_later_loads(connection, layer, load)}) changed the same features; take them "
                "back first, the latest one first"
            )


def _later_loads(connection: Connection, layer: LayerDefinition, load: LoadToRevert) -> str:
    table = city_table(layer)
    later = table.c.recorded_from > literal(load.recorded_at, _TIME)
    touched = select(table.c.recorded_from).where(
        table.c.feature_id.in_(_affected(layer, load)), later
    )
    ended = select(table.c.recorded_to).where(
        table.c.feature_id.in_(_affected(layer, load)),
        table.c.recorded_to > literal(load.recorded_at, _TIME),
    )
    found = connection.execute(
        select(load_table.c.load_id)
        .where(
            load_table.c.layer == layer.name,
            load_table.c.kind != "revert",
            load_table.c.reverted_by.is_(None),
            or_(load_table.c.recorded_at.in_(touched), load_table.c.recorded_at.in_(ended)),
            load_table.c.load_id != load.load_id,
        )
        .order_by(load_table.c.recorded_at.desc())
    ).scalars()
    return ", ".join(str(number) for number in found) or "reverts"


def _to_close(layer: LayerDefinition, load: LoadToRevert) -> Select[Any]:
    table, conditions = _without(layer, load, (None, False), (load.recorded_at, True))
    identity = (table.c.feature_id, table.c.version, table.c.recorded_from)
    return select(*identity, literal(1)).where(*conditions)


def _to_open(layer: LayerDefinition, load: LoadToRevert) -> Select[Any]:
    table, conditions = _without(layer, load, (load.recorded_at, True), (None, False))
    identity = (table.c.feature_id, table.c.version, table.c.recorded_from)
    return select(*identity, literal(0)).where(*conditions)


def _is_row_of(table: Any, changes: Table) -> ColumnElement[bool]:
    return and_(
        table.c.feature_id == changes.c.feature_id,
        table.c.version == changes.c.version,
        table.c.recorded_from == changes.c.recorded_from,
    )


def _of_changes(table: Any, changes: Table, *, is_open: int) -> ColumnElement[bool]:
    return and_(_is_row_of(table, changes), changes.c.is_open == is_open)


def _count(connection: Connection, layer: LayerDefinition, changes: Table) -> RevertCounts:
    table = city_table(layer)
    closing = func.count().filter(changes.c.is_open == 1)
    opening = func.count().filter(changes.c.is_open == 0)
    feature = (
        select(closing.label("closing"), opening.label("opening"))
        .group_by(changes.c.feature_id)
        .subquery("feature")
    )
    added, changed, closed = connection.execute(
        select(
            func.count().filter(feature.c.closing == 0),
            func.count().filter(feature.c.closing > 0, feature.c.opening > 0),
            func.count().filter(feature.c.opening == 0),
        ).select_from(feature)
    ).one()
    sign = 1 - 2 * changes.c.is_open
    growth = connection.execute(
        select(func.coalesce(func.sum(sign), 0))
        .select_from(table)
        .join(changes, _is_row_of(table, changes))
        .where(table.c.valid_to == INFINITY)
    ).scalar_one()
    return RevertCounts(int(added), int(changed), int(closed), int(growth))


def _close(connection: Connection, layer: LayerDefinition, changes: Table, now: datetime) -> None:
    table = city_table(layer)
    connection.execute(
        update(table).values(recorded_to=now).where(_of_changes(table, changes, is_open=1))
    )


def _open(connection: Connection, layer: LayerDefinition, changes: Table, now: datetime) -> None:
    table = city_table(layer)
    past = city_table(layer).alias("past")
    last = (
        select(func.max(past.c.version))
        .where(past.c.feature_id == table.c.feature_id)
        .scalar_subquery()
    )
    place = func.row_number().over(partition_by=table.c.feature_id, order_by=table.c.valid_from)
    names = ["load_id", "source_row", *content_names(layer)]
    again = (
        select(
            table.c.feature_id,
            last + place,
            table.c.valid_from,
            table.c.valid_to,
            literal(now, _TIME),
            INFINITY,
            *(table.c[name] for name in names),
        )
        .join(changes, _of_changes(table, changes, is_open=0))
        .order_by(table.c.geom)
    )
    connection.execute(insert(table).from_select([*PERIOD_COLUMNS, *names], again))


def _mark_ancestry(connection: Connection, load: LoadToRevert, now: datetime) -> None:
    ancestry = ancestry_table
    mine = and_(ancestry.c.layer == load.layer, ancestry.c.recorded_to == INFINITY)
    connection.execute(
        update(ancestry).values(recorded_to=now).where(mine, ancestry.c.load_id == load.load_id)
    )
    if load.reverts is not None:
        # The load taken back by the one that is now taken back counts again.
        connection.execute(
            update(ancestry)
            .values(recorded_to=INFINITY)
            .where(ancestry.c.layer == load.layer, ancestry.c.load_id == load.reverts)
        )


def _mark_quarantine(connection: Connection, load: LoadToRevert) -> None:
    row = quarantine_table.c
    renewed = {"updated_at": func.clock_timestamp()}
    # Rows that a repair took in wait again; rows that the load itself refused are of no use now.
    waiting = connection.execute(
        update(quarantine_table)
        .values(state="fixed", resolved_by=None, resolved_at=INFINITY, **renewed)
        .where(row.resolved_by == load.load_id, row.state == "resolved")
    )
    given_up = connection.execute(
        update(quarantine_table)
        .values(
            state="discarded",
            resolved_at=func.clock_timestamp(),
            note=f"load {load.load_id} was taken back",
            **renewed,
        )
        .where(row.load_id == load.load_id, row.state.in_(("open", "fixed")))
    )
    if waiting.rowcount + given_up.rowcount:
        publish(connection)
