"""Fixtures shared by all tests: a real PostGIS, and databases of one's own on it.

With ``ONEMAP_DATABASE_URL`` set, that server is used: databases are made on it and dropped again,
and the database the address names is left alone. Otherwise a private cluster is made under
``.onemap/test-cluster``. A missing server is a failure, never a skip.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from cli.private_cluster import PrivateCluster
from layers.settings import LayersSettings
from tests.database import connected, copied_database

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
    with copied_database(cluster, "template0") as url:
        with connected(url) as connection:
            connection.execute(text("CREATE EXTENSION postgis"))
        yield make_url(url).database or ""


@pytest.fixture(scope="session")
def database_url(cluster: str, postgis_template: str) -> Iterator[str]:
    """The session's shared database, with PostGIS and nothing else at first."""
    with copied_database(cluster, postgis_template) as url:
        yield url


@pytest.fixture
def fresh_database(cluster: str, postgis_template: str) -> Iterator[str]:
    """An empty database with PostGIS, for one test alone."""
    with copied_database(cluster, postgis_template) as url:
        yield url
