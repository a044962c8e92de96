"""The database is killed under a load: the map is as before, and the worker tries again by itself.

``backend``: the process that serves the load, upon which the server ends all sessions and recovers.
``server``: all of its processes at once, as by a failure of power.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from cli.private_cluster import PrivateCluster
from layers.catalogue import Catalogue
from tests.cli.worker_process import until
from tests.database import connected, copied_database
from tests.faults.conftest import Templates, Undisturbed
from tests.faults.paths import close, tools_of
from tests.faults.points import BY_ID
from tests.faults.queue_process import ended, hand_in, troubled_worker
from tests.faults.state import as_read, checksum, meant

pytestmark = pytest.mark.slow
KILLS = [
    ("first-copying", "backend"),
    ("first-dropped", "backend"),
    ("wide-made", "backend"),
    ("wide-copying", "backend"),
    ("wide-indexing", "backend"),
    ("again-staging", "backend"),
    ("again-closed", "backend"),
    ("again-before-commit", "backend"),
    ("first-index", "server"),
    ("first-renamed", "server"),
    ("wide-copying", "server"),
    ("wide-index", "server"),
    ("wide-renamed", "server"),
    ("again-opened", "server"),
]
Own = tuple[PrivateCluster, Templates]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, surveys: Path) -> Iterator[Own]:
    cluster = PrivateCluster(tmp_path_factory.mktemp("cluster") / "own")
    with Templates.on(cluster, surveys) as made:
        yield made


def _answers(url: str) -> bool:
    try:
        with connected(url) as connection:
            return bool(connection.execute(text("SELECT true")).scalar())
    except OperationalError:
        return False


def _number_of_server(url: str) -> str:
    with connected(url) as connection:
        folder = connection.execute(text("SHOW data_directory")).scalar_one()
    return (Path(folder) / "postmaster.pid").read_text(encoding="utf-8").split()[0]


@pytest.mark.parametrize(("where", "victim"), KILLS)
def test_a_killed_database(
    where: str,
    victim: str,
    own: Own,
    undisturbed: Undisturbed,
    catalogue: Catalogue,
    surveys: Path,
    temporary: Path,
    tmp_path: Path,
) -> None:
    point, (cluster, templates) = BY_ID[where], own
    work = Path(shutil.copytree(surveys, tmp_path / "work"))
    with copied_database(cluster.url("postgres"), templates.before(point.path)) as url:
        (work / "postmaster").write_text(_number_of_server(url), encoding="ascii")
        before = checksum(url), as_read(url, catalogue)
        tools = tools_of(url)
        with troubled_worker(point, victim, url, work, tmp_path / "log") as worker:
            load_id = hand_in(point, tools, work)
            until((work / "reached").exists, worker.events)
            if victim == "server":
                until((work / "server is dead").exists, worker.events)
                cluster.start()
                assert make_url(cluster.url("x")).port == make_url(url).port
            else:
                until((work / "backend is dead").exists, worker.events)
            until(lambda: _answers(url), worker.events)
            assert (checksum(url), as_read(url, catalogue)) == before
            record = tools.desk.record(load_id)
            assert not record.final, record.failure
            (work / "go on").touch()
            record = ended(tools, load_id)
        close(tools)
        assert (record.status, record.failure) == ("done", None)
        assert record.attempts == 2
        assert meant(url) == undisturbed(point.path)
    assert list(temporary.iterdir()) == []
