"""A process that does what a path says, and stops at a point as it is told.

    python -m tests.faults.driver POINT ACTION FOLDER            in the foreground
    python -m tests.faults.driver POINT ACTION FOLDER LOAD JOB   one load, for a worker

The database is that of ONEMAP_DATABASE_URL. A worker's later attempts are left alone: the first
leaves a file ``reached`` in the folder, and they wait there for a file ``go on``.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from etl.jobs import run_job
from etl.worker import answer_line, die_with_parent
from layers.errors import OneMapError
from tests.faults.arming import arm
from tests.faults.paths import PATHS, close, make_ready, tools_of
from tests.faults.points import BY_ID
from tests.faults.victims import fill, kill_backend, kill_both, kill_parent, kill_server

#: Exit status of a process that did not stop at its point.
NOT_REACHED = 3
ACTIONS: dict[str, Callable[[Path], None]] = {
    "process": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "parent": kill_parent,
    "both": kill_both,
    "backend": kill_backend,
    "server": kill_server,
    "disk": fill,
    "nothing": lambda _: None,
}


def main() -> None:
    """Do it."""
    point, action, folder = BY_ID[sys.argv[1]], ACTIONS[sys.argv[2]], Path(sys.argv[3])
    reached = folder / "reached"

    def act() -> None:
        if not reached.exists():
            reached.touch()
            action(folder)

    make_ready(point.path)
    arm(point.how, act)
    tools = tools_of(os.environ["ONEMAP_DATABASE_URL"])
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(close, tools)
        if len(sys.argv) > 4:
            die_with_parent()
            while reached.exists() and not (folder / "go on").exists():
                time.sleep(0.05)
            print(answer_line(run_job(int(sys.argv[4]), int(sys.argv[5]), tools)))
            return
        try:
            PATHS[point.path].act(tools, folder)
        except OneMapError as error:
            sys.exit(str(error))
    sys.exit(0 if reached.exists() else NOT_REACHED)


if __name__ == "__main__":
    main()
