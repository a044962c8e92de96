"""The whole sample city, loaded through the real ETL, behind a live server."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api.settings import ApiSettings
from cli.samples import load_samples
from etl.settings import EtlSettings
from layers.catalogue import Catalogue, load_catalogue
from layers.store import Store
from tests.api.town import serving, wait_until_ready
from tests.database import copied_database

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class City:
    """A served city: its address, its database and what it is made of."""

    url: str
    database: str
    catalogue: Catalogue


@pytest.fixture(scope="session")
def city(cluster: str, postgis_template: str) -> Iterator[City]:
    catalogue = load_catalogue()
    with copied_database(cluster, postgis_template) as database:
        store = Store(database, catalogue)
        store.migrate()
        load_samples(ROOT / "data" / "samples", store, catalogue, EtlSettings(), lambda _: None)
        store.close()
        settings = ApiSettings(web_root=ROOT / "web" / "dist")
        with serving(settings, database, catalogue) as address:
            with httpx.Client(base_url=address) as client:
                wait_until_ready(client)
            yield City(address, database, catalogue)


@pytest.fixture(scope="session")
def client(city: City) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=city.url, timeout=60) as session:
        yield session
