"""Locks between processes that the kernel takes back when a process dies."""

import asyncio
import fcntl
import os
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import blake2b
from pathlib import Path

#: struct flock of Linux: type, whence, start, length, process.
_FLOCK = "hhqqi4x"
#: Pauses between looks at a lock that another process holds, in seconds.
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.004


class KeyLocks:
    """One lock for each key, all on one file: a byte of it stands for a key (2**62 of them).

    They are locks of the open file, so they hold between processes only: within one, somebody
    else must see that a key is asked for once.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def close(self) -> None:
        """Close the file, which gives all locks back."""
        os.close(self._file)

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[bool]:
        """Hold the lock of ``key``; yields whether another process had it before."""
        digest = blake2b(key.encode(), digest_size=8).digest()
        place = int.from_bytes(digest) >> 2
        waited = False
        pause = _FIRST_PAUSE_S
        while not self._try(place, fcntl.F_WRLCK):
            waited = True
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)
        try:
            yield waited
        finally:
            self._try(place, fcntl.F_UNLCK)

    def _try(self, place: int, kind: int) -> bool:
        try:
            fcntl.fcntl(
                self._file, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, place, 1, 0)
            )
        except BlockingIOError:
            return False
        return True


@contextmanager
def file_lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a whole file's lock, waiting for it; for a thread that may wait.

    Raises:
        OSError: If the file cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def try_file_lock(path: Path) -> int | None:
    """Take a whole file's lock for good, if nobody has it; returns the open file."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file
