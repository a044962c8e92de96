"""What the abstract tests are run against: any server's landing page, or the test town's.

``pytest tests/conformance --iut http://127.0.0.1:8000/api`` tests a server that runs already.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api.settings import ApiSettings
from layers.store import Store
from tests.api.town import HERE, fill, read_catalogue, serving, wait_until_ready
from tests.database import copied_database

Document = dict[str, Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--iut", help="address of the landing page of the server to be tested")


@dataclass(frozen=True)
class Subject:
    """The implementation under test."""

    #: Address of its landing page, without a slash at the end.
    root: str
    client: httpx.Client

    def get(self, address: str, accept: str = "application/json", **query: str) -> httpx.Response:
        """Return an answer; ``address`` is absolute, or relative to the landing page."""
        whole = address if "://" in address else f"{self.root}{address}"
        parameters = {name.replace("_", "-"): value for name, value in query.items()}
        return self.client.get(whole, params=parameters or None, headers={"accept": accept})

    def document(self, address: str, accept: str = "application/json", **query: str) -> Document:
        """Return a JSON document that must be there."""
        answer = self.get(address, accept, **query)
        assert answer.status_code == 200, f"{address} {query}: {answer.text}"
        found: Document = answer.json()
        return found


@pytest.fixture(scope="session")
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    given = request.config.getoption("--iut", default=None)
    if given is not None:
        yield given.rstrip("/")
        return
    server = request.getfixturevalue("cluster")
    template = request.getfixturevalue("postgis_template")
    catalogue = read_catalogue()
    with copied_database(server, template) as database:
        store = Store(database, catalogue)
        store.migrate()
        fill(store, catalogue)
        store.close()
        settings = ApiSettings(default_map="town", web_root=HERE / "no-such-folder")
        with serving(settings, database, catalogue) as base:
            with httpx.Client(base_url=base) as client:
                wait_until_ready(client)
            yield f"{base}/api"


@pytest.fixture(scope="session")
def subject(address: str) -> Iterator[Subject]:
    with httpx.Client(timeout=60) as client:
        yield Subject(address, client)


@pytest.fixture(scope="session")
def collections(subject: Subject) -> list[Document]:
    """The collections of features; there may be others, of records."""
    listed: list[Document] = subject.document("/collections")["collections"]
    found = [entry for entry in listed if entry.get("itemType", "feature") == "feature"]
    assert found
    return found


@pytest.fixture(scope="session")
def definition(subject: Subject) -> Document:
    """The API definition, as the landing page's link for OpenAPI 3.0 gives it."""
    links = subject.document("/")["links"]
    kind = "application/vnd.oai.openapi+json;version=3.0"
    (found,) = [entry for entry in links if (entry["rel"], entry["type"]) == ("service-desc", kind)]
    return subject.document(found["href"], kind)


def linked(links: list[Document], rel: str, media_type: str | None = None) -> list[Document]:
    """Return the links of a relation, and of a media type."""
    return [
        entry
        for entry in links
        if entry["rel"] == rel and (media_type is None or entry["type"] == media_type)
    ]
