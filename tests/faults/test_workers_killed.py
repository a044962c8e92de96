"""One of two workers is killed, with or without its load's process: the other does the load.

One worker alone that is killed, and the process of a load, are in ``tests/cli/test_worker.py``.
"""

import shutil
import time
from pathlib import Path

import pytest

from layers.catalogue import Catalogue
from layers.load_locks import WRITING
from tests.cli.worker_process import until
from tests.database import copied_database
from tests.faults.conftest import Templates, Undisturbed
from tests.faults.paths import SETTINGS, close, tools_of
from tests.faults.points import BY_ID
from tests.faults.queue_process import ended, hand_in, troubled_worker
from tests.faults.state import as_read, checksum, held_locks, meant

#: Seconds that starting the load's process and a look at the queue may take.
_START_S = 10.0


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["process", "parent", "both"])
@pytest.mark.parametrize(
    "where", ["first-copying", "wide-indexing", "again-opened", "packed-staging"]
)
def test_another_worker_takes_over(
    where: str,
    victim: str,
    cluster: str,
    templates: Templates,
    undisturbed: Undisturbed,
    catalogue: Catalogue,
    surveys: Path,
    temporary: Path,
    tmp_path: Path,
) -> None:
    point = BY_ID[where]
    work = Path(shutil.copytree(surveys, tmp_path / "work"))
    with copied_database(cluster, templates.before(point.path)) as url:
        before = checksum(url), as_read(url, catalogue)
        tools = tools_of(url)
        with (
            troubled_worker(point, victim, url, work, tmp_path / "a") as one,
            troubled_worker(point, victim, url, work, tmp_path / "b") as other,
        ):
            load_id = hand_in(point, tools, work)
            until((work / "reached").exists, lambda: (one.events(), other.events()))
            killed = time.monotonic()
            writing = f"'{WRITING}', 'ShareLock'"
            until(lambda: writing not in str(held_locks(url)), lambda: held_locks(url))
            assert (checksum(url), as_read(url, catalogue)) == before
            (work / "go on").touch()
            record = ended(tools, load_id)
            taken = time.monotonic() - killed
            alive = [worker.process.poll() is None for worker in (one, other)]
        close(tools)
        assert (record.status, record.attempts) == ("done", 2), record.failure
        assert taken < 1.5 * SETTINGS.heartbeat_s + _START_S
        assert sorted(alive) == ([True, True] if victim == "process" else [False, True])
        assert meant(url) == undisturbed(point.path)
    assert list(temporary.iterdir()) == []
