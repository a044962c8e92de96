"""The table that a first load builds beside a layer's own: its indexes, and what is left of it.

Where several sessions build it, they commit it before the load ends. Nobody reads it, and while
its load lives the layer's lock is held; so one that is found with that lock free was left behind
by a process that died, and is dropped by whoever comes first: the next load, a worker, ``migrate``.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, Index, PrimaryKeyConstraint, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.schema import CreateTable, SetTableComment, Table

from layers.definition import LayerDefinition
from layers.errors import LayerBusy
from layers.load_locks import LAYER
from layers.sql import drop_table_statement, plain_storage_statement
from layers.tables import CITY_SCHEMA, GEOMETRIES, aside_name, table_indexes

#: By this comment, not by its name alone, a table is known to be one that may be dropped.
_MARK = "onemap: a load builds this table; it is to take the place of its layer's own"
_SUFFIX = aside_name("")
#: How long a session of a process that died may hold a table: it looks for its client every 2 s.
_PATIENCE = {"load": "15s", "others": "1s"}

_LEFT = text(
    """
    SELECT mine.relname FROM pg_class AS mine JOIN pg_namespace AS space
        ON space.oid = mine.relnamespace
    WHERE space.nspname = :schema AND mine.relkind = 'r'
        AND right(mine.relname, :width) = :suffix
        AND obj_description(mine.oid, 'pg_class') = :mark
    ORDER BY mine.relname
    """
)


def make_aside(connection: Connection, table: Table) -> None:
    """Make the table, empty and without indexes."""
    connection.execute(CreateTable(table))
    connection.execute(text(plain_storage_statement(CITY_SCHEMA, table.name, GEOMETRIES)))
    table.comment = _MARK
    connection.execute(SetTableComment(table))


def aside_indexes(layer: LayerDefinition) -> list[Index]:
    """Return the indexes of the table, those that take longest first.

    The primary key is an index only, which becomes a constraint when the table takes its place:
    adding it as one would take the table from the other session.
    """
    entries = [_plain(entry) for entry in table_indexes(layer, aside=True)]
    return sorted(entries, key=lambda entry: (not is_of_boxes(entry), bool(entry.unique)))


def _plain(entry: Index | PrimaryKeyConstraint) -> Index:
    if isinstance(entry, Index):
        return entry
    return Index(str(entry.name), *entry.columns, unique=True)


def is_of_boxes(entry: Index) -> bool:
    """Tell whether an index is one of geometry."""
    return bool(entry.dialect_options["postgresql"]["using"] == "gist")


def leftovers(connection: Connection) -> list[str]:
    """Return the layers that have a table aside, of a load that lives or has died."""
    given = {"schema": CITY_SCHEMA, "width": len(_SUFFIX), "suffix": _SUFFIX, "mark": _MARK}
    return [str(row[0]).removesuffix(_SUFFIX) for row in connection.execute(_LEFT, given)]


def drop_before_load(engine: Engine, connection: Connection, layer: str) -> None:
    """Drop what a dead load left of a layer, in a transaction of its own.

    Args:
        engine: Where the transaction is to come from.
        connection: The load's own, which holds the layer's lock.
        layer: The layer's name.

    Raises:
        LayerBusy: If a session of the dead load does not end.
    """
    if layer not in leftovers(connection):
        return
    try:
        with engine.begin() as beside:
            _drop(beside, layer, _PATIENCE["load"])
    except OperationalError as error:
        raise LayerBusy(
            f"an interrupted load of the layer '{layer}' has not ended yet: try again later"
        ) from error


def drop_leftovers(engine: Engine) -> Sequence[str]:
    """Drop all tables aside whose loads have died; return their layers' names.

    What cannot be dropped now is left for the next who comes.
    """
    dropped = []
    with engine.connect() as connection:
        found = leftovers(connection)
    for layer in found:
        try:
            with engine.begin() as connection:
                lock = func.pg_try_advisory_xact_lock(LAYER, func.hashtext(layer))
                if connection.execute(select(lock)).scalar_one():
                    _drop(connection, layer, _PATIENCE["others"])
                    dropped.append(layer)
        except DBAPIError:
            continue
    return dropped


def _drop(connection: Connection, layer: str, patience: str) -> None:
    connection.execute(select(func.set_config("lock_timeout", patience, True)))
    connection.execute(text(drop_table_statement(CITY_SCHEMA, aside_name(layer))))
