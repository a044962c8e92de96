"""Advisory locks by which everybody sees whether a load lives.

Whoever runs a load holds its first lock for as long as it attends to it, and the load's transaction
holds the second. PostgreSQL gives both back with the session, however that ends: a load that is
said to run and has neither does not run.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    cast,
    column,
    func,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import OID

#: Classes of the locks ("onea", "oneb", "onec"); their object is the load's id, or a layer's hash.
ATTENDED = 0x6F6E6561
WRITING = 0x6F6E6562
LINE = 0x6F6E6563
#: That of who writes a layer ("onem"); its object is the layer's hash.
LAYER = 0x6F6E656D
#: ``pg_locks.objsubid`` of a lock of two keys.
_TWO_KEYS = 2

_locks = table(
    "pg_locks",
    column("locktype"),
    column("database"),
    column("classid"),
    column("objid"),
    column("objsubid"),
    column("pid", Integer),
    schema="pg_catalog",
)
_databases = table("pg_database", column("oid"), column("datname"), schema="pg_catalog")


def lock_key(load_id: ColumnElement[int] | int) -> ColumnElement[int]:
    """Return the object of a load's locks."""
    return cast(load_id, Integer)


def is_alive(load_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return whether somebody attends to the load or its transaction is open."""
    held = select(cast(_locks.c.objid, BigInteger)).where(
        *_in_this_database(), or_(*(_of_class(kind) for kind in (ATTENDED, WRITING)))
    )
    return load_id.in_(held)


def cancel_statements(load_id: int) -> Select[Any]:
    """Return the query that ends the statements a load waits for, in all of its sessions."""
    return select(func.pg_cancel_backend(_locks.c.pid)).where(
        *_in_this_database(),
        _of_class(WRITING),
        _locks.c.objid == cast(load_id, OID),
    )


def _in_this_database() -> tuple[ColumnElement[bool], ...]:
    here = select(_databases.c.oid).where(_databases.c.datname == func.current_database())
    return (
        _locks.c.locktype == "advisory",
        _locks.c.objsubid == _TWO_KEYS,
        _locks.c.database == here.scalar_subquery(),
    )


def _of_class(kind: int) -> ColumnElement[bool]:
    return _locks.c.classid == cast(kind, OID)
