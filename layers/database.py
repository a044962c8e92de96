"""Connections of the writing side: SQLAlchemy with psycopg2, and its errors in domain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.errors import ConfigurationLimitExceeded
from psycopg2.errors import DiskFull as DatabaseDiskFull
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.event import listen
from sqlalchemy.exc import ArgumentError, DBAPIError

from layers.errors import DatabaseUnavailable, DiskFull, LoadRefused, OneMapError

#: What the driver raises, as it is and as SQLAlchemy wraps it.
DRIVER_ERRORS = (DBAPIError, psycopg2.Error)
_CONNECT_TIMEOUT_S = 10
#: How the system says that a file may not become larger (``EFBIG``).
_TOO_LARGE = "File too large"


def writing_engine(database_url: str) -> Engine:
    """Return an engine for loads and migrations.

    Raises:
        DatabaseUnavailable: If the address is not one of PostgreSQL.
    """
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError) as error:
        # A port that is no number comes as a plain ValueError.
        raise DatabaseUnavailable(
            "ONEMAP_DATABASE_URL is not an address such as "
            "postgresql://user:password@host:5432/database"
        ) from error
    if not url.drivername.startswith("postgres"):
        raise DatabaseUnavailable(f"the database must be PostgreSQL, not {url.drivername}")
    engine = create_engine(
        url.set(drivername="postgresql+psycopg2"),
        pool_size=2,
        # A connection kept from before the database was started anew is not used.
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_S, "application_name": "onemap"},
    )
    listen(engine, "connect", _look_for_client)
    return engine


def _look_for_client(connection: Any, _record: object) -> None:
    """Have the database end a statement soon after the process that waits for it has died."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET client_connection_check_interval = '2s'")
        connection.commit()
    except psycopg2.Error:
        # Not every system can look; there a statement runs to its end.
        connection.rollback()


@contextmanager
def translated_errors(engine: Engine) -> Iterator[None]:
    """Turn the driver's errors into domain errors that say nothing of SQL."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise domain_error(error, engine) from error


def domain_error(error: DBAPIError | psycopg2.Error, engine: Engine) -> OneMapError:
    """Return a driver's error in domain words that say nothing of SQL."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg2.Error):
        full = _want_of_room(cause)
        if full is not None:
            return full
        reason = _primary(cause)
    else:
        reason = type(cause).__name__
    # A connection found to be closed, as after a failed COPY, is an error of its interface.
    if isinstance(cause, psycopg2.OperationalError | psycopg2.InterfaceError):
        url = engine.url
        place = f"{url.host or 'the local socket'}:{url.port or 5432}/{url.database or ''}"
        return DatabaseUnavailable(f"the database at {place} failed: {reason}")
    return LoadRefused(f"the database refused the data: {reason}")


def _want_of_room(error: psycopg2.Error) -> DiskFull | None:
    """Return that the database has no room left, if that is what the error says."""
    if isinstance(error, DatabaseDiskFull) or _TOO_LARGE in _primary(error):
        return DiskFull(
            "the database has no room left on its disk; nothing was changed: make some there, "
            "then try again"
        )
    if isinstance(error, ConfigurationLimitExceeded):
        return DiskFull(
            "the database may not write as many temporary files as this takes; nothing was "
            "changed: raise its setting temp_file_limit, then try again"
        )
    return None


def _primary(error: psycopg2.Error) -> str:
    """Return the first line of what the database says: never the statement."""
    return error.diag.message_primary or str(error).strip().split("\n")[0] or "no reason given"
