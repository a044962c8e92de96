"""What a bake has made so far, in a file beside its target: it outlives the process.

The file grows at its end only. Chunks carry checksums, so whatever a killed process or a failed
machine left of the last ones is known, and made again.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from layers.errors import OneMapError
from tiles.archives.facts import BakeScope
from tiles.baking.chunks import DamagedChunk, MadeChunk, read_chunk


class BakeBusy(OneMapError):
    """Another process bakes the same file."""


class JournalHead(BaseModel):
    """What is being made; a journal of something else is of no use."""

    model_config = ConfigDict(frozen=True)

    scope: BakeScope
    generation: str
    #: Layer → tile version: every tile of the journal shows at least these.
    tile_versions: dict[str, int]
    #: Checksum of the archive whose unchanged tiles are kept; empty without one.
    base: str = ""

    def is_of(self, other: "JournalHead") -> bool:
        """Tell whether what was made for ``other`` is of use here."""
        return self.model_copy(update={"tile_versions": other.tile_versions}) == other and all(
            version <= self.tile_versions.get(layer, 0)
            for layer, version in other.tile_versions.items()
        )


class Journal:
    """An open journal, which no other process can open."""

    def __init__(self, path: Path, head: JournalHead) -> None:
        """Open a journal; one of something else is begun anew.

        Raises:
            BakeBusy: If another process has it open.
            OSError: If it cannot be written.
        """
        self.path = path
        self.made: list[MadeChunk] = []
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise BakeBusy(f"{path} is in use: another process bakes the same file") from error
        self.head = self._begin(head)
        self._end = os.lseek(self._file, 0, os.SEEK_END)

    def _begin(self, head: JournalHead) -> JournalHead:
        found, end = self._read_head()
        if found is not None and head.is_of(found):
            os.ftruncate(self._file, self._scan(end))
            return found
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, head.model_dump_json().encode() + b"\n", 0)
        return head

    def _read_head(self) -> tuple[JournalHead | None, int]:
        line, newline, _ = os.pread(self._file, 1 << 20, 0).partition(b"\n")
        try:
            return JournalHead.model_validate(orjson.loads(line)), len(line) + len(newline)
        except (ValueError, ValidationError):
            return None, 0

    def _scan(self, place: int) -> int:
        """Read all whole chunks from a place on; return where they end."""
        with self.mapped() as view:
            while place < len(view):
                try:
                    made = read_chunk(view, place)
                except DamagedChunk:
                    break
                self.made.append(made)
                place = made.end
        return place

    @contextmanager
    def mapped(self) -> Iterator[memoryview]:
        """Lend the bytes of the file as it is now."""
        with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as whole:
            with memoryview(whole) as seen:
                yield seen

    def append(self, chunk: bytes) -> MadeChunk:
        """Keep what was made of a chunk (``write_chunk``).

        Raises:
            DamagedChunk: If it came damaged from where it was made.
            OSError: If it cannot be written.
        """
        made = read_chunk(memoryview(chunk)).moved(self._end)
        left = memoryview(chunk)
        place = self._end
        while left:
            written = os.pwrite(self._file, left, place)
            left, place = left[written:], place + written
        self._end = place
        self.made.append(made)
        return made

    def close(self) -> None:
        """Close the journal; what is in it stays."""
        os.close(self._file)

    def remove(self) -> None:
        """Remove the journal: what was made of it is in its place."""
        self.path.unlink(missing_ok=True)
