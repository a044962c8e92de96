"""How many bytes a tile store holds, and making room in it."""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tiles.families import OTHER, PUBLIC
from tiles.store_folders import EMPTY, ENDING, remove

_COUNTER = struct.Struct("<q")
#: What a file takes beside its bytes: half a block on average, and its names.
_FILE_OVERHEAD = 2048 + 512
_BLOCK = 512
#: Share of the limit that is left after making room.
_LEFT = 0.9


class Usage:
    """A count of bytes that all processes add to.

    It is not exact: additions at the same moment may be lost, and removals are not told. So it is
    set right whenever it reaches the limit.
    """

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(file).st_size < _COUNTER.size:
                os.pwrite(file, b"\0" * _COUNTER.size, 0)
            self._map = mmap.mmap(file, _COUNTER.size)
        finally:
            os.close(file)

    def close(self) -> None:
        """Let go of the count."""
        self._map.close()

    @property
    def bytes(self) -> int:
        """How many bytes there are, more or less."""
        return int(_COUNTER.unpack_from(self._map)[0])

    def add(self, size: int) -> None:
        """Count a file of ``size`` bytes."""
        _COUNTER.pack_into(self._map, 0, self.bytes + size + _FILE_OVERHEAD)

    def set(self, total: int) -> None:
        """Set the count right."""
        _COUNTER.pack_into(self._map, 0, total)


def make_room(root: Path, usage: Usage, max_bytes: int) -> int:
    """Remove the least recently used tiles until nine tenths of the limit are left.

    Two walks, so that memory holds sixteen bytes a tile and no names. A tile's last use is the
    access time of its file, which Linux notes at each use of a file that is dated in the future.

    Args:
        root: The store's folder.
        usage: Its count, which is set right.
        max_bytes: The limit.

    Returns:
        How many tiles were removed.

    Raises:
        OSError: If the disk fails.
    """
    found = np.array(
        [(entry.st_atime_ns, _taken(entry)) for _, entry in _files(root)],
        dtype=np.int64,
    ).reshape(-1, 2)
    total = int(found[:, 1].sum())
    removed = 0
    if total > max_bytes:
        order = np.argsort(found[:, 0], kind="stable")
        gone = np.cumsum(found[order, 1])
        last = int(np.searchsorted(gone, total - _LEFT * max_bytes))
        limit = int(found[order[min(last, len(order) - 1)], 0])
        for path, entry in _files(root):
            if entry.st_atime_ns <= limit:
                remove(path)
                removed += 1
                total -= _taken(entry)
    usage.set(total)
    return removed


def _taken(entry: os.stat_result) -> int:
    return entry.st_blocks * _BLOCK + _FILE_OVERHEAD


def _files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for top in (PUBLIC, OTHER, EMPTY):
        for folder, _, names in os.walk(root / top):
            for name in names:
                if top == EMPTY or name.endswith(ENDING):
                    path = f"{folder}/{name}"
                    try:
                        yield path, os.stat(path)
                    except FileNotFoundError:
                        continue
