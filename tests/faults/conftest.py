"""Databases in the state that something is done in, and the surveys that are loaded."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from cli.private_cluster import PrivateCluster
from layers.catalogue import Catalogue, load_catalogue
from tests.database import copied_database
from tests.faults.paths import PATHS, close, tools_of, write_surveys
from tests.faults.state import meant

#: What the map says in the end of a path that nothing disturbed.
Undisturbed = Callable[[str], dict[str, list[str]]]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("surveys")
    write_surveys(folder)
    return folder


class Templates:
    """Databases to copy from, made when they are first needed."""

    def __init__(self, server: str, empty: str, surveys: Path, kept: ExitStack) -> None:
        self._server, self._empty = server, empty
        self._surveys, self._kept = surveys, kept
        self._made: dict[object, str] = {}

    @classmethod
    @contextmanager
    def on(
        cls, private: PrivateCluster, surveys: Path
    ) -> Iterator[tuple[PrivateCluster, "Templates"]]:
        """Run a cluster of the caller's own, to be removed with all that is in it."""
        try:
            with private.running():
                private.ensure_database("empty")
                with ExitStack() as kept:
                    yield private, cls(private.url("postgres"), "empty", surveys, kept)
        finally:
            location = private.directory / "location"
            shutil.rmtree(location.read_text(encoding="utf-8").strip(), ignore_errors=True)

    def before(self, path: str) -> str:
        """The name of a database in which ``path`` may begin."""
        steps = PATHS[path].before
        if steps not in self._made:
            url = self._kept.enter_context(copied_database(self._server, self._empty))
            tools = tools_of(url)
            tools.store.migrate()
            for step in steps:
                step(tools, self._surveys)
            close(tools)
            self._made[steps] = str(make_url(url).database)
        return self._made[steps]


@pytest.fixture(scope="session")
def templates(cluster: str, postgis_template: str, surveys: Path) -> Iterator[Templates]:
    with ExitStack() as kept:
        yield Templates(cluster, postgis_template, surveys, kept)


@pytest.fixture(scope="session")
def undisturbed(cluster: str, templates: Templates, surveys: Path) -> Undisturbed:
    known: dict[str, dict[str, list[str]]] = {}

    def of(path: str) -> dict[str, list[str]]:
        if path not in known:
            with copied_database(cluster, templates.before(path)) as url:
                tools = tools_of(url)
                PATHS[path].act(tools, surveys)
                close(tools)
                known[path] = meant(url)
        return known[path]

    return of


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of temporary files of the test's own, for it and for the processes it starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder
