"""Checksums of sources, computed beside what else is done before a load's first row."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from etl.formats import is_address
from layers.errors import LoadRefused

_BLOCK = 1 << 20
_PATIENCE_S = 2.0


class _Stopped(Exception):
    """Nobody wants the checksum any more."""


class SourceChecksum:
    """The checksum of a source, which a thread computes from now on."""

    def __init__(self, source: Path | str) -> None:
        self._source = source
        self._stop = Event()
        self._found: Future[str] = Future()
        self._thread = Thread(target=self._work, name="checksum", daemon=True)
        self._thread.start()

    def value(self) -> str:
        """Return it, once it is there.

        Raises:
            LoadRefused: If there is no such file or it cannot be read.
        """
        return self._found.result()

    def stop(self) -> None:
        """End the thread, whether it has come to its end or not."""
        self._stop.set()
        # It may hang in a file of a server that is gone; it does no harm then.
        self._thread.join(_PATIENCE_S)

    def _work(self) -> None:
        try:
            self._found.set_result(source_checksum(self._source, self._stop))
        except BaseException as error:  # noqa: BLE001 -- for whoever asks
            self._found.set_exception(error)


@contextmanager
def checksum_beside(source: Path | str) -> Iterator[SourceChecksum]:
    """Begin to compute a source's checksum; the thread ends with the ``with`` block."""
    checksum = SourceChecksum(source)
    try:
        yield checksum
    finally:
        checksum.stop()


def source_checksum(source: Path | str, stop: Event | None = None) -> str:
    """Return the SHA-256 of a file, or of all files of a data set, in hexadecimal.

    Args:
        source: A file, or a folder; a Shapefile counts with the files beside it. Of an address
            only the address itself counts: what is behind it may change at any time.
        stop: Ends the work when it is set.

    Raises:
        LoadRefused: If there is no such file or it cannot be read.
    """
    digest = hashlib.sha256()
    if is_address(source):
        digest.update(str(source).encode())
        return digest.hexdigest()
    path = Path(source)
    files = [path]
    if path.is_dir():
        files = sorted(entry for entry in path.rglob("*") if entry.is_file())
    elif path.suffix.lower() == ".shp":
        files = sorted(entry for entry in path.parent.iterdir() if entry.stem == path.stem)
    try:
        for file in files:
            # A pipe or a device would be waited for without end.
            if file.exists() and not file.is_file():
                raise LoadRefused(f"{file}: is no regular file")
            with file.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    if stop is not None and stop.is_set():
                        raise _Stopped
    except OSError as error:
        raise LoadRefused(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
