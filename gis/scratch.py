"""Folders for temporary files, of which everybody sees whether they are still in use.

A process that is killed cannot remove its folder. Each has a file that its process keeps locked;
the system gives the lock back when the process dies, however that is, and then anyone may remove
the folder.
"""

import fcntl
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

_PREFIX = "onemap-"
_IN_USE = ".in-use"


class ScratchFolder:
    """A folder for temporary files, removed by ``close``, at the latest with its object."""

    def __init__(self) -> None:
        whole, lock = _locked()
        self._remove = weakref.finalize(self, _remove, whole, lock)
        #: Where the files go.
        self.path = whole / "files"
        self.path.mkdir()

    def close(self) -> None:
        """Remove it and all that is in it."""
        self._remove()

    def __enter__(self) -> Path:
        """Return where the files go."""
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove it."""
        self.close()


def sweep_scratch() -> list[Path]:
    """Remove what dead processes left in the system's folder of temporary files.

    Returns:
        The folders that were removed.
    """
    removed = []
    for marker in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_IN_USE}"):
        # One that lives has it locked; another user's cannot be opened.
        with suppress(OSError), marker.open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(marker.parent)
            removed.append(marker.parent)
    return removed


def _locked() -> tuple[Path, IO[bytes]]:
    while True:
        whole = Path(tempfile.mkdtemp(prefix=_PREFIX))
        marker = whole / _IN_USE
        lock = marker.open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Between those two somebody may have held it for one left behind.
        if marker.exists():
            return whole, lock
        lock.close()


def _remove(whole: Path, lock: IO[bytes]) -> None:
    shutil.rmtree(whole, ignore_errors=True)
    lock.close()
