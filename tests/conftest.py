"""Fixtures shared by all tests: a real PostGIS, and databases of one's own on it.

With ``ONEMAP_DATABASE_URL`` set, that server is used: databases are made on it and dropped again,
and the database the address names is left alone. Otherwise a private cluster is made under
``.onemap/test-cluster``. A missing server is a failure, never a skip.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url, text

from cli.private_cluster import PrivateCluster
from layers.settings import LayersSettings
from tests.database import connected

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a database on a PostgreSQL server where tests may make databases."""
    given = LayersSettings().database_url
    if given is not None:
        yield given.get_secret_value()
        return
    private = PrivateCluster(ROOT / ".onemap" / "test-cluster", durable=False)
    with private.running():
        yield private.url("postgres")


@pytest.fixture(scope="session")
def postgis_template(cluster: str) -> Iterator[str]:
    """The name of an empty database with PostGIS, from which the others are copied."""
    with _database(cluster, template="template0") as url:
        with connected(url.render_as_string(hide_password=False)) as connection:
            connection.execute(text("CREATE EXTENSION postgis"))
        yield url.database or ""


@pytest.fixture(scope="session")
def database_url(cluster: str, postgis_template: str) -> Iterator[str]:
    """The session's shared database, with PostGIS and nothing else at first."""
    with _database(cluster, postgis_template) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def fresh_database(cluster: str, postgis_template: str) -> Iterator[str]:
    """An empty database with PostGIS, for one test alone."""
    with _database(cluster, postgis_template) as url:
        yield url.render_as_string(hide_password=False)


@contextmanager
def _database(server: str, template: str) -> Iterator[URL]:
    """Make a database from ``template``, and drop it at the end even if somebody is connected."""
    name = f"onemap_test_{secrets.token_hex(6)}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield make_url(server).set(database=name)
    finally:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(server: str, statement: str) -> None:
    with connected(server, autocommit=True) as connection:
        connection.execute(text(statement))
