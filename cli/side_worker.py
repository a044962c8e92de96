"""A worker beside the server of ``onemap demo``."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.settings import environment_with

#: Seconds that its loads get to end when the demonstration does.
_GRACE_S = 3
_PATIENCE_S = 20.0


@contextmanager
def side_worker(url: str, folder: Path) -> Iterator[None]:
    """Run a worker over the database at ``url`` while the block lasts.

    Args:
        url: The address of the database.
        folder: Where ``worker.log`` takes the worker's records; nowhere if there is none.
    """
    log = folder / "worker.log" if folder.is_dir() else Path(os.devnull)
    environment = environment_with(
        ONEMAP_DATABASE_URL=url, ONEMAP_ETL_CONCURRENCY="1", ONEMAP_ETL_GRACE_S=str(_GRACE_S)
    )
    with log.open("wb") as records:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "worker", "--with-parent"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=records,
            stderr=records,
            # A Ctrl-C is for the demonstration; it ends its worker itself.
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
