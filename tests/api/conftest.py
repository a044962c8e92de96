"""The test town in a database of its own, and a live server over it."""

from collections.abc import Iterator

import httpx
import pytest

from api.settings import ApiSettings
from layers.catalogue import Catalogue
from tests.api.editor import Editor, tokens_file
from tests.api.scene_town import serving_scenes
from tests.api.town import HERE, read_catalogue, serving, town_of_ones_own, wait_until_ready
from tests.database import copied_database


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return read_catalogue()


@pytest.fixture(scope="session")
def town_database(cluster: str, postgis_template: str, catalogue: Catalogue) -> Iterator[str]:
    """The test town, surveyed in 2012 and, where plots changed, in 2019."""
    with town_of_ones_own(cluster, postgis_template, catalogue) as (_, url):
        yield url


@pytest.fixture(scope="session")
def town(town_database: str, catalogue: Catalogue) -> Iterator[str]:
    """The address of a live server over the test town."""
    settings = ApiSettings(default_map="town", web_root=HERE / "no-such-folder")
    with serving(settings, town_database, catalogue) as address:
        with httpx.Client(base_url=address) as client:
            wait_until_ready(client)
        yield address


@pytest.fixture(scope="session")
def client(town: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=town, timeout=30) as session:
        yield session


@pytest.fixture(scope="session")
def scene_service(cluster: str, postgis_template: str) -> Iterator[httpx.Client]:
    """A client of a live server over the test town with imagery scenes and divisions."""
    with (
        copied_database(cluster, postgis_template) as url,
        serving_scenes(url) as address,
        httpx.Client(base_url=address, timeout=30) as session,
    ):
        wait_until_ready(session)
        yield session


@pytest.fixture(scope="session")
def edited_database(cluster: str, postgis_template: str, catalogue: Catalogue) -> Iterator[str]:
    """The test town in a database that tests edit."""
    with town_of_ones_own(cluster, postgis_template, catalogue) as (_, url):
        yield url


@pytest.fixture(scope="session")
def edited_town(
    edited_database: str, catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a live server over that town, where some may edit."""
    settings = ApiSettings(
        default_map="town",
        web_root=HERE / "no-such-folder",
        edit_tokens=tokens_file(tmp_path_factory.mktemp("editors")),
        edit_max_bytes=100_000,
        edit_max_features=50,
    )
    with serving(settings, edited_database, catalogue) as address:
        with httpx.Client(base_url=address) as client:
            wait_until_ready(client)
        yield address


@pytest.fixture(scope="session")
def editor(edited_town: str) -> Iterator[Editor]:
    """Somebody who may edit every layer of that town."""
    with Editor(edited_town) as found:
        yield found
