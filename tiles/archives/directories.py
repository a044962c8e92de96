"""Directories of an archive: which tiles lie where (PMTiles spec v3, §4)."""

import zlib
from dataclasses import dataclass

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from tiles.archives.errors import BadArchive

Numbers = NDArray[np.int64]
#: Directories are packed well: they are read often, and written once.
_GZIP_LEVEL = 3
#: What tells zlib that a gzip file comes.
GZIP_BITS = 31
_FIRST_LEAF = 4096
_LEAF_GROWTH = 1.2


@dataclass(frozen=True)
class Entries:
    """Entries of directories in the order of tiles, as arrays of shape (n)."""

    ids: Numbers
    #: Tiles from ``ids`` on that are alike; 0 stands for a directory of its own (a leaf).
    runs: Numbers
    lengths: Numbers
    offsets: Numbers

    def part(self, start: int, end: int) -> "Entries":
        """Return the entries from one place up to another."""
        return Entries(
            self.ids[start:end], self.runs[start:end], self.lengths[start:end],
            self.offsets[start:end],
        )  # fmt: skip


def write_directory(entries: Entries) -> bytes:
    """Return a directory as it stands in the archive."""
    follows = np.zeros(len(entries.ids), bool)
    follows[1:] = entries.offsets[1:] == entries.offsets[:-1] + entries.lengths[:-1]
    numbers = np.concatenate(
        [
            np.array([len(entries.ids)], np.int64),
            np.diff(entries.ids, prepend=0),
            entries.runs,
            entries.lengths,
            np.where(follows, 0, entries.offsets + 1),
        ]
    )
    return bytes(igzip.compress(_varints(numbers), _GZIP_LEVEL, mtime=0))


def read_directory(packed: bytes) -> Entries:
    """Return the entries of a directory.

    Raises:
        BadArchive: If it is none.
    """
    try:
        numbers = _numbers(zlib.decompress(packed, GZIP_BITS))
    except (ValueError, zlib.error) as error:
        raise BadArchive("a directory cannot be unpacked") from error
    count = int(numbers[0]) if len(numbers) else -1
    if len(numbers) != 1 + 4 * count:
        raise BadArchive("a directory has another length than it says")
    deltas, runs, lengths, offsets = numbers[1:].reshape(4, count)
    return Entries(np.cumsum(deltas), runs, lengths, _absolute(lengths, offsets))


def _absolute(lengths: Numbers, offsets: Numbers) -> Numbers:
    """Return offsets where 0 says that an entry follows the one before."""
    if len(offsets) == 0:
        return offsets
    if offsets[0] == 0:
        raise BadArchive("the first entry of a directory has no offset")
    ends = np.cumsum(lengths)
    starts = ends - lengths
    anchors = np.maximum.accumulate(np.where(offsets > 0, np.arange(len(offsets)), 0))
    placed: Numbers = offsets[anchors] - 1 + starts - starts[anchors]
    return placed


def write_directories(entries: Entries, root_room: int) -> tuple[bytes, bytes]:
    """Return the root directory and the leaf directories of an archive.

    Args:
        entries: All of the archive's.
        root_room: Bytes that the root may have.
    """
    root = write_directory(entries)
    if len(root) <= root_room:
        return root, b""
    size = float(_FIRST_LEAF)
    while True:
        root, leaves = _split(entries, int(size))
        if len(root) <= root_room:
            return root, leaves
        size *= _LEAF_GROWTH


def _split(entries: Entries, size: int) -> tuple[bytes, bytes]:
    starts = np.arange(0, len(entries.ids), size)
    leaves = [write_directory(entries.part(int(start), int(start) + size)) for start in starts]
    lengths = np.array([len(leaf) for leaf in leaves], np.int64)
    root = Entries(
        entries.ids[starts], np.zeros(len(starts), np.int64), lengths, np.cumsum(lengths) - lengths
    )
    return write_directory(root), b"".join(leaves)


def _varints(numbers: Numbers) -> bytes:
    """Return numbers as LEB128 variable-length integers."""
    left = numbers.astype(np.uint64)
    columns, wanted = [], []
    first = True
    while first or bool(left.any()):
        wanted.append(np.ones(left.shape, bool) if first else left > 0)
        columns.append((left & np.uint64(0x7F)).astype(np.uint8))
        left = left >> np.uint64(7)
        first = False
    octets, there = np.stack(columns, axis=1), np.stack(wanted, axis=1)
    octets[:, :-1] |= np.where(there[:, 1:], 0x80, 0).astype(np.uint8)
    return bytes(octets[there])


def _numbers(octets: bytes) -> Numbers:
    """Return the numbers of variable-length integers.

    Raises:
        ValueError: If one is too large, or the last one does not end.
    """
    read = np.frombuffer(octets, np.uint8)
    if len(read) == 0 or read[-1] & 0x80:
        raise ValueError("no whole integers")
    starts = np.concatenate([[0], np.flatnonzero(read < 0x80)[:-1] + 1])
    sizes = np.diff(np.append(starts, len(read)))
    if sizes.max() > 9:
        raise ValueError("an integer is too large")
    shifts = 7 * (np.arange(len(read)) - np.repeat(starts, sizes))
    bits = (read & 0x7F).astype(np.int64) << shifts
    numbers: Numbers = np.add.reduceat(bits, starts)
    return numbers
