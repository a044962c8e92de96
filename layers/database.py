"""Connections of the writing side: SQLAlchemy with psycopg2, and its errors in domain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.event import listen
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from layers.errors import DatabaseUnavailable, LoadRefused

_CONNECT_TIMEOUT_S = 10


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
    url = engine.url
    place = f"{url.host or 'the local socket'}:{url.port or 5432}/{url.database or ''}"
    try:
        yield
    except OperationalError as error:
        raise DatabaseUnavailable(f"the database at {place} failed: {_reason(error)}") from error
    except DBAPIError as error:
        raise LoadRefused(f"the database refused the data: {_reason(error)}") from error
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailable(f"the database at {place} failed: {error}".strip()) from error
    except psycopg2.Error as error:
        raise LoadRefused(f"the database refused the data: {_primary(error)}") from error


def _reason(error: DBAPIError) -> str:
    cause = error.orig
    if isinstance(cause, psycopg2.Error):
        return _primary(cause)
    return type(cause).__name__


def _primary(error: psycopg2.Error) -> str:
    """Return the first line of what the database says: never the statement."""
    return error.diag.message_primary or str(error).strip().split("\n")[0] or "no reason given"
