"""Reading archives: a directory is read once, and a tile found in it by bisection.

The directories of an archive in a file are all read when it is opened; 37 bytes a tile.
"""

import mmap
import os
import weakref
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tiles.archives.directories import GZIP_BITS, Entries, read_directory
from tiles.archives.errors import BadArchive
from tiles.archives.facts import ArchiveFacts, read_facts
from tiles.archives.header import HEADER_BYTES, ROOT_END, Header
from tiles.archives.index import TileIndex
from tiles.archives.tile_ids import Ids, first_id, tile_id
from tiles.grids import tiles_over
from tiles.packing import DamagedTile, PackedTile, digest_of, repacked

#: Reads bytes of an archive: offset and length.
Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Directory:
    """A directory in which tiles are looked up."""

    ids: list[int]
    runs: list[int]
    lengths: list[int]
    offsets: list[int]

    @classmethod
    def of(cls, entries: Entries) -> "Directory":
        """Return the directory of some entries."""
        parts = (entries.ids, entries.runs, entries.lengths, entries.offsets)
        return cls(*(part.tolist() for part in parts))

    def find(self, tile: int) -> tuple[int, int, bool] | None:
        """Return offset and length of what holds a tile, and whether it is a further directory."""
        place = bisect_right(self.ids, tile) - 1
        if place < 0:
            return None
        run = self.runs[place]
        if run and tile >= self.ids[place] + run:
            return None
        return self.offsets[place], self.lengths[place], run == 0


@dataclass(frozen=True)
class Contents:
    """What an archive is and holds."""

    header: Header
    facts: ArchiveFacts
    metadata: dict[str, Any]

    def covers(self, z: int, x: int, y: int) -> bool:
        """Tell whether the archive knows a tile; one that it knows and does not have is empty."""
        low, high = self.facts.scope.zooms
        if not low <= z <= high:
            return False
        left, top, right, bottom = tiles_over(self.facts.scope.bbox, z)
        return left <= x <= right and top <= y <= bottom


def file_identity(found: os.stat_result) -> tuple[int, int, int, int]:
    """Return what tells a file from another one, or from what it was before."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def read_contents(begin: bytes, size: int, read: Read) -> tuple[Contents, Entries]:
    """Read and check everything of an archive but its tiles.

    Args:
        begin: Its first ``ROOT_END`` bytes, or all.
        size: Bytes of the whole archive.
        read: Reads other parts.

    Returns:
        What it says of itself, and all its entries.

    Raises:
        BadArchive: If it is damaged, cut short, or not of this program.
    """
    header = Header.read(begin)
    place = HEADER_BYTES
    for part in (header.root, header.metadata, header.leaves, header.tiles):
        if part.offset != place:
            raise BadArchive("its parts are not where onemap bake puts them")
        place = part.end
    if place != size or header.root.end > ROOT_END:
        raise BadArchive(f"it has {size} bytes instead of {place}")
    packed_root = begin[header.root.offset : header.root.end]
    told = read(header.metadata.offset, header.metadata.length)
    try:
        metadata = orjson.loads(zlib.decompress(told, GZIP_BITS))
    except (ValueError, zlib.error) as error:
        raise BadArchive("its metadata cannot be read") from error
    facts = read_facts(metadata)
    leaves = read(header.leaves.offset, header.leaves.length) if header.leaves.length else b""
    if blake2b(packed_root + leaves, digest_size=16).hexdigest() != facts.directories:
        raise BadArchive("its directories are damaged")
    root = read_directory(packed_root)
    return Contents(header, facts, metadata), _all_entries(root, leaves)


def _all_entries(root: Entries, leaves: bytes) -> Entries:
    if not leaves:
        return root
    read = [
        read_directory(leaves[offset : offset + length])
        for offset, length in zip(root.offsets.tolist(), root.lengths.tolist(), strict=True)
    ]
    return Entries(
        np.concatenate([part.ids for part in read]),
        np.concatenate([part.runs for part in read]),
        np.concatenate([part.lengths for part in read]),
        np.concatenate([part.offsets for part in read]),
    )


def open_archive(path: Path) -> "ArchiveFile":
    """Open an archive that somebody named.

    Raises:
        BadArchive: If it is damaged, cut short, not of this program, or cannot be read.
    """
    try:
        return ArchiveFile(path)
    except OSError as error:
        raise BadArchive(f"{path} cannot be read: {error.strerror}") from error


class ArchiveFile:
    """An archive in a file, which stays the same while it is open even if it is replaced.

    It is read, not mapped: a file that is cut short in its place must not end the process.
    """

    def __init__(self, path: Path) -> None:
        """Open an archive.

        Raises:
            BadArchive: If it is damaged, cut short, or not of this program.
            OSError: If it cannot be read.
        """
        self.path = path
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        # Who lets go of an archive need not know who still reads it.
        self._end = weakref.finalize(self, os.close, self._file)
        try:
            self.size = os.fstat(self._file).st_size
            self.identity = file_identity(os.fstat(self._file))
            self.contents, self._entries = read_contents(
                self._read(0, ROOT_END), self.size, self._read
            )
        except BadArchive as error:
            self._end()
            raise BadArchive(f"the archive {path} cannot be used: {error}") from error
        except OSError:
            self._end()
            raise
        self._directory = Directory.of(self._entries)

    def _read(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, length, offset)

    def close(self) -> None:
        """Close the file, unless it is closed."""
        self._end()

    @property
    def is_as_opened(self) -> bool:
        """Whether nobody wrote to the file since it was opened."""
        return file_identity(os.fstat(self._file)) == self.identity

    def read(self, offset: int, length: int) -> bytes:
        """Return some of the file's bytes.

        Raises:
            OSError: If the disk fails.
        """
        return self._read(offset, length)

    @contextmanager
    def mapped(self) -> Iterator[memoryview]:
        """Lend the file's bytes."""
        with (
            mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as seen,
        ):
            yield seen

    def packed(self, z: int, x: int, y: int) -> bytes:
        """Return a tile as it lies in the archive; nothing where it is empty."""
        found = self._directory.find(tile_id(z, x, y))
        if found is None:
            return b""
        start = self.contents.header.tiles.offset + found[0]
        return self._read(start, found[1])

    def tile(self, z: int, x: int, y: int, place: str) -> PackedTile:
        """Return a tile as it is kept under ``place`` (``tiles.packing``).

        Raises:
            DamagedTile: If its bytes are not those that were baked.
            OSError: If the disk fails.
        """
        return repacked(self.packed(z, x, y), place)

    def ids_at(self, zoom: int) -> Ids:
        """Return the numbers of the tiles of a zoom that are not empty, ascending."""
        ids = self._ids()
        begin, end = np.searchsorted(ids, [first_id(zoom), first_id(zoom + 1)])
        return ids[begin:end]

    def _ids(self) -> Ids:
        entries = self._entries
        first = np.repeat(np.cumsum(entries.runs) - entries.runs, entries.runs)
        ids: Ids = np.repeat(entries.ids, entries.runs) - first
        return ids + np.arange(len(ids))

    def index(self, source: int) -> TileIndex:
        """Return all tiles of the archive, to write them to another.

        Args:
            source: The place of this file among the files of the index.

        Raises:
            BadArchive: If a tile is damaged.
        """
        entries = self._entries
        ids = self._ids()
        offsets = np.repeat(entries.offsets, entries.runs) + self.contents.header.tiles.offset
        lengths = np.repeat(entries.lengths, entries.runs)
        digests = np.repeat(self._digests(), entries.runs, axis=0)
        sources = np.full(len(ids), source, np.uint8)
        return TileIndex(ids, sources, offsets, lengths, digests)

    def _digests(self) -> "np.ndarray[Any, np.dtype[np.uint64]]":
        start = self.contents.header.tiles.offset
        found = np.empty((len(self._entries.ids), 2), np.uint64)
        places = zip(self._entries.offsets.tolist(), self._entries.lengths.tolist(), strict=True)
        for number, (offset, length) in enumerate(places):
            packed = self._read(start + offset, length)
            try:
                found[number] = np.frombuffer(digest_of(packed), np.uint64)
            except DamagedTile as error:
                raise BadArchive("a tile of the archive is damaged: bake it anew") from error
        return found
