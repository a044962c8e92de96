"""Plain connections for tests that look at the database themselves."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, make_url, text


@contextmanager
def connected(url: str, *, autocommit: bool = False) -> Iterator[Connection]:
    """A connection to the database that ``url`` names, committed at the end."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        isolation_level="AUTOCOMMIT" if autocommit else "READ COMMITTED",
    )
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def copied_database(server: str, template: str) -> Iterator[str]:
    """Make a database from ``template`` (much faster than migrating one) and yield its address.

    It is dropped at the end, even if somebody is connected.
    """
    name = f"onemap_test_{secrets.token_hex(6)}"
    with connected(server, autocommit=True) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with connected(server, autocommit=True) as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
