"""Kill what a point says, look at what is left, and do it once more."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from etl.jobs import Tools, run_job
from layers.catalogue import Catalogue
from layers.load_records import INTERRUPTED, LoadRecord
from tests.cli.worker_process import settings_of, until
from tests.database import connected
from tests.faults.paths import PATHS, close, tools_of
from tests.faults.points import KillPoint
from tests.faults.state import as_read, checksum, held_locks, meant


@dataclass(frozen=True)
class Trouble:
    """What happens at a point, and how it ends."""

    action: str = "process"
    #: In front of the command of the process that has it.
    prefix: tuple[str, ...] = ()
    #: Is given the folder that the process works in.
    prepare: Callable[[Path], object] = lambda _: None
    #: Ends the trouble, before it is done again.
    end: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Outcome:
    """What came of a kill."""

    exit_status: int
    #: Whether every row of the map is as before, and what readers get.
    unchanged: bool
    #: The record of what was killed, as seen once its death can be known; ``None`` before it had
    #: one.
    record: LoadRecord | None
    #: What lay in the folder of temporary files after the kill, and after the second try.
    left: list[str]
    left_in_the_end: list[str]
    #: What the map says after the second try.
    meant: dict[str, list[str]]
    said: str

    def faults(
        self, point: KillPoint, undisturbed: dict[str, list[str]], says: str | None = None
    ) -> list[str]:
        """Return what is not as it should be, in words.

        Args:
            point: Where it happened.
            undisturbed: What the map says in the end if nothing happens.
            says: What the process is to say, and its record; without it, it was killed.
        """
        found = []
        if self.exit_status != (-signal.SIGKILL if says is None else 1):
            found.append(f"the process ended with {self.exit_status}: {self.said}")
        if says is not None and says not in self.said:
            found.append(f"it says: {self.said}")
        if self.unchanged is point.done:
            found.append("the map is as before" if point.done else "the map has changed")
        status = None if self.record is None else (self.record.status, self.record.failure)
        why = says if says is not None else INTERRUPTED
        if status not in ((("done", None),) if point.done else (("failed", why), None)):
            found.append(f"the load is seen as {status}")
        if self.left_in_the_end:
            found.append(f"temporary files are left: {self.left_in_the_end}")
        found += [
            f"{name} differ from those of an undisturbed load: "
            f"{sorted(set(rows) ^ set(self.meant[name]))}"
            for name, rows in undisturbed.items()
            if rows != self.meant[name]
        ]
        return found


def kill(
    point: KillPoint,
    url: str,
    catalogue: Catalogue,
    surveys: Path,
    folder: Path,
    trouble: Trouble = Trouble(),
) -> Outcome:
    """Have trouble at a point, look at what is left, and do it again without.

    The temporary folder (``tempfile.gettempdir()``) is to be the trial's own.
    """
    temporary = Path(tempfile.gettempdir())
    work = shutil.copytree(surveys, folder / "work")
    tools = tools_of(url)
    try:
        before, read = checksum(url), as_read(url, catalogue)
        known = {record.load_id for record in tools.desk.records()}
        trouble.prepare(work)
        process = run(point, trouble.action, url, work, trouble.prefix)
        until(lambda: not held_locks(url), lambda: held_locks(url))
        unchanged = (checksum(url), as_read(url, catalogue)) == (before, read)
        record = _seen(tools, known)
        left = sorted(entry.name for entry in temporary.iterdir())
        trouble.end()
        if not point.done:
            _again(point, record, tools, url, work)
        return Outcome(
            process.returncode,
            unchanged,
            record,
            left,
            [] if point.done else sorted(entry.name for entry in temporary.iterdir()),
            meant(url),
            process.stderr[-2000:],
        )
    finally:
        close(tools)


def run(
    point: KillPoint, action: str, url: str, work: Path, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the driver to its end."""
    arguments = [sys.executable, "-m", "tests.faults.driver", point.id, action, str(work)]
    return subprocess.run(
        [*prefix, *arguments],
        env=settings_of(url) | {"TMPDIR": os.environ.get("TMPDIR", tempfile.gettempdir())},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _seen(tools: Tools, known: set[int]) -> LoadRecord | None:
    fresh = [record for record in tools.desk.records() if record.load_id not in known]
    if not fresh:
        return None
    (number,) = (record.load_id for record in fresh)
    until(lambda: tools.desk.record(number).status != "running", lambda: tools.desk.record(number))
    return tools.desk.record(number)


def _again(point: KillPoint, record: LoadRecord | None, tools: Tools, url: str, work: Path) -> None:
    """Do it again: a survey under the number it had, as a worker would; else anew."""
    if record is None or PATHS[point.path].survey is None:
        PATHS[point.path].act(tools, work)
        return
    tools.desk.retry(record.load_id)
    with connected(url) as asked:
        statement = text("SELECT job_id FROM onemap.load WHERE load_id = :load")
        job = asked.execute(statement, {"load": record.load_id}).scalar_one()
    again = run_job(record.load_id, int(job), tools)
    assert again is None, again
    ended = tools.desk.record(record.load_id)
    assert (ended.status, ended.final) == ("done", True), ended.failure
