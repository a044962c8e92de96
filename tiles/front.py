"""Lets a web server in front serve the store's public tiles, as long as they are kept in step.

The store's ``public`` is a link, which is there only while a server process hears of changes and
has cleared the store of them. Each such process puts it back whenever it is missing, and takes it
away when it hears no more. A process that is killed cannot: for it there is a guard, a process of
few lines that reads a pipe from it. When the pipe ends, or says nothing for some seconds, the
guard takes the link away.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tiles.families import PUBLIC

#: After so long without a sign of life the guard takes the link away, in seconds.
PATIENCE_S = 3.0
#: Alone with the standard library: no settings, no packages, nothing that could fail to start.
_GUARD = """
import os, select, sys
pipe, link, patience = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
while True:
    alive = select.select([pipe], [], [], patience)[0]
    if alive and os.read(pipe, 4096):
        continue
    try:
        os.unlink(link)
    except OSError:
        pass
    if alive:
        break
"""


class Front:
    """One process's part in the link."""

    def __init__(self, root: Path, generation: str) -> None:
        """Start the guard.

        Args:
            root: The folder of all generations of the store.
            generation: The name of the one that this process keeps in step.
        """
        self._link = root / PUBLIC
        self._target = f"{generation}/{PUBLIC}"
        self._guard, self._pipe = _start_guard(self._link)
        if self._link.is_symlink() and os.readlink(self._link) != self._target:
            self.withdraw()

    def renew(self) -> None:
        """Say that the store is in step.

        Raises:
            OSError: If the link cannot be made.
        """
        if self._guard.poll() is not None:
            self.withdraw()
            os.close(self._pipe)
            self._guard, self._pipe = _start_guard(self._link)
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._pipe, b".")
        if not os.path.lexists(self._link):
            made = self._link.with_name(f"{PUBLIC}.{os.getpid()}")
            made.unlink(missing_ok=True)
            made.symlink_to(self._target)
            made.rename(self._link)

    def withdraw(self) -> None:
        """Take the link away: changes are not heard, or the store is not cleared of them."""
        self._link.unlink(missing_ok=True)

    def close(self) -> None:
        """Take the link away and let the guard end."""
        self.withdraw()
        os.close(self._pipe)
        self._guard.wait(timeout=5)


def _start_guard(link: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """Return the guard, and the pipe that it reads."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        guard = subprocess.Popen(  # noqa: S603 -- this very Python, and fixed words
            [sys.executable, "-I", "-S", "-c", _GUARD, str(reading), str(link), str(PATIENCE_S)],
            pass_fds=(reading,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # What ends the server from a terminal does not end its guard.
            start_new_session=True,
        )
    finally:
        os.close(reading)
    return guard, writing
