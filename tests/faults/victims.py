"""What is done at a point: who dies, and which disk is filled."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import text

from layers.load_locks import WRITING
from tests.database import connected

_WRITERS = text(
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = :kind AND objsubid = 2"
)


def kill_parent(_: Path) -> None:
    """Kill the worker that started this process, and wait for what comes of it."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def kill_both(_: Path) -> None:
    """Kill the worker that started this process, and this process."""
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def kill_backend(folder: Path) -> None:
    """Kill the process of the database that serves the load; the server then ends all others."""
    with connected(os.environ["ONEMAP_DATABASE_URL"], autocommit=True) as connection:
        for pid in connection.execute(_WRITERS, {"kind": WRITING}).scalars().all():
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    (folder / "backend is dead").touch()


def kill_server(folder: Path) -> None:
    """Kill the whole server at once, as a failure of power would."""
    server = int((folder / "postmaster").read_text(encoding="ascii"))
    # Stopped, it makes no child that would be overlooked.
    os.kill(server, signal.SIGSTOP)
    children = [pid for pid in _processes() if _parent(pid) == server]
    for pid in (*children, server):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while any(_lives(pid) for pid in (server, *children)):
        time.sleep(0.02)
    (folder / "server is dead").touch()
    time.sleep(0.5)


def fill(folder: Path) -> None:
    """Fill the database's disk to the last byte."""
    disk = Path((folder / "disk").read_text(encoding="utf-8"))
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        for size in (1 << 16, 1 << 12):
            with suppress(OSError):
                while filler.write(b"\0" * size):
                    pass


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _lives(pid: int) -> bool:
    with suppress(OSError):
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return told.rpartition(")")[2].split()[0] not in "ZX"
    return False


def _parent(pid: int) -> int:
    with suppress(OSError):
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return int(told.rpartition(")")[2].split()[1])
    return 0
