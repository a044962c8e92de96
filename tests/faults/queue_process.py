"""Workers whose loads meet trouble at a point, and surveys handed in to them."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.jobs import Tools, queued_load
from layers.errors import DatabaseUnavailable
from layers.load_records import LoadRecord
from tests.cli.worker_process import WorkerProcess, settings_of, until
from tests.faults.paths import PATHS, request_of
from tests.faults.points import KillPoint


@contextmanager
def troubled_worker(
    point: KillPoint, action: str, url: str, work: Path, log: Path
) -> Iterator[WorkerProcess]:
    """A worker whose first load meets trouble, and whose later ones wait for a file ``go on``."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker_driver", point.id, action, str(work)],
            env=settings_of(url),
            stderr=stream,
        )
        made = WorkerProcess(process, log)
        try:
            made.wait_for("worker.alive")
            yield made
        finally:
            (work / "go on").touch()
            if process.poll() is None:
                made.stop()


def hand_in(point: KillPoint, tools: Tools, work: Path) -> int:
    """Put the survey of the point's path into the queue; return its load."""
    request = request_of(str(PATHS[point.path].survey), work)
    return tools.desk.submit(queued_load(request, tools.catalogue)).load_id


def ended(tools: Tools, load_id: int) -> LoadRecord:
    """The record of a load once it has ended, whether or not the database is always there."""

    def known() -> LoadRecord | None:
        try:
            return tools.desk.record(load_id)
        except DatabaseUnavailable:
            return None

    until(lambda: bool((record := known()) and record.final), known)
    return tools.desk.record(load_id)
