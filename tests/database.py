"""Plain connections for tests that look at the database themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, make_url


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
