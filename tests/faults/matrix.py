"""The kill points with what came of each, as a table."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cli.private_cluster import PrivateCluster
from layers.catalogue import load_catalogue
from tests.database import copied_database
from tests.faults.conftest import Templates
from tests.faults.paths import PATHS, close, tools_of, write_surveys
from tests.faults.points import KILL_POINTS, KillPoint
from tests.faults.state import meant
from tests.faults.trial import Outcome, kill

HEAD = ("kill point", "where", "map", "the load is seen as", "second try", "")


def tried(cluster: PrivateCluster, only: str) -> Iterator[tuple[KillPoint, Outcome, list[str]]]:
    """Kill at each point whose id holds ``only``; yield what came of it, and what is wrong."""
    catalogue, server = load_catalogue(), cluster.url("postgres")
    cluster.ensure_database("faults_empty")
    with ExitStack() as kept:
        surveys = Path(kept.enter_context(tempfile.TemporaryDirectory()))
        write_surveys(surveys)
        templates = Templates(server, "faults_empty", surveys, kept)
        undisturbed: dict[str, dict[str, list[str]]] = {}
        for point in KILL_POINTS:
            if only not in point.id:
                continue
            template = templates.before(point.path)
            if point.path not in undisturbed:
                with copied_database(server, template) as url:
                    tools = tools_of(url)
                    PATHS[point.path].act(tools, surveys)
                    close(tools)
                    undisturbed[point.path] = meant(url)
            with copied_database(server, template) as url, _temporary() as folder:
                outcome = kill(point, url, catalogue, surveys, folder)
            yield point, outcome, outcome.faults(point, undisturbed[point.path])


def row(point: KillPoint, outcome: Outcome, wrong: list[str]) -> tuple[str, ...]:
    """Return a line of the table."""
    record = outcome.record
    return (
        point.id,
        point.where,
        "as before" if outcome.unchanged else "changed",
        "nothing yet" if record is None else record.status,
        "none is needed" if point.done else "as undisturbed" if not wrong else "",
        "✓" if not wrong else "✗ " + "; ".join(wrong),
    )


@contextmanager
def _temporary() -> Iterator[Path]:
    """A folder to work in; in it one for temporary files, of this process and those it starts."""
    before, known = tempfile.tempdir, os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "temporary"
        inner.mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(inner)
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before
            del os.environ["TMPDIR"]
            if known is not None:
                os.environ["TMPDIR"] = known
