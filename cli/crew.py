"""Several server processes on one listening socket, started and kept by one that serves nothing."""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from cli.serving import GRACE_S, CannotServe

#: What a process says on its standard output once it answers.
READY = b"ready\n"
#: A process that dies sooner after its start than this is started again after a pause.
_TOO_SOON_S = 5.0
_PAUSE_S = 1.0
#: Beyond the time that requests under way get.
_PATIENCE_S = GRACE_S + 10.0
_log = structlog.get_logger(__name__)


class Crew:
    """The processes that serve."""

    def __init__(self, command: list[str], claimed: socket.socket, size: int) -> None:
        """Prepare.

        Args:
            command: The arguments of ``onemap`` for one process, to which the number of the
                socket's descriptor is added.
            claimed: The socket to listen on.
            size: How many processes there are.
        """
        self._command = [sys.executable, "-m", "cli", *command, str(claimed.fileno())]
        self._socket = claimed
        self._size = size
        self._selector = selectors.DefaultSelector()
        self._started: dict[subprocess.Popen[bytes], float] = {}

    def serve(self, announce: Callable[[], None]) -> None:
        """Serve until an exception, such as a signal's, ends it; then end all processes in order.

        A process that dies is replaced.

        Args:
            announce: Called once every process answers requests.

        Raises:
            CannotServe: If a process ends before all are ready for the first time.
        """
        # The queue of connections is there before the first process listens.
        self._socket.listen(2048)
        waiting = self._size
        try:
            for _ in range(self._size):
                self._start()
            while True:
                for key, _ in self._selector.select():
                    process: subprocess.Popen[bytes] = key.data
                    said = os.read(key.fd, 4096)
                    if not said:
                        self._replace(process, give_up=waiting > 0)
                    elif READY in said and waiting > 0:
                        waiting -= 1
                        if waiting == 0:
                            announce()
        finally:
            self._end()

    def _start(self) -> None:
        process = subprocess.Popen(  # noqa: S603 -- this program itself
            self._command,
            pass_fds=(self._socket.fileno(),),
            # Its end tells them that this process is gone.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A terminal's signals come to this process, which tells the others.
            start_new_session=True,
        )
        self._started[process] = time.monotonic()
        assert process.stdout is not None  # noqa: S101 -- asked for above
        self._selector.register(process.stdout.fileno(), selectors.EVENT_READ, process)

    def _replace(self, process: subprocess.Popen[bytes], *, give_up: bool) -> None:
        lived = time.monotonic() - self._forget(process)
        status = process.wait()
        if give_up:
            raise CannotServe("a server process did not start: the reason stands above")
        _log.error("serve.process_died", process=process.pid, status=status)
        if lived < _TOO_SOON_S:
            time.sleep(_PAUSE_S)
        self._start()

    def _forget(self, process: subprocess.Popen[bytes]) -> float:
        """Let go of a process's pipes; returns when it was started."""
        for pipe in (process.stdout, process.stdin):
            if pipe is not None:
                if pipe is process.stdout:
                    self._selector.unregister(pipe.fileno())
                with suppress(OSError):
                    pipe.close()
        return self._started.pop(process)

    def _end(self) -> None:
        for process in self._started:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE_S
        for process in list(self._started):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._forget(process)
        self._selector.close()
