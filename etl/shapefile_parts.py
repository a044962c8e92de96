"""The files that make up a Shapefile, checked against each other before GDAL reads them.

Formats: ESRI Shapefile Technical Description (1998); dBASE III. GDAL reads on over a lost end or
an index that does not fit, and rows vanish without a word.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from etl.encodings import sibling
from gis.scratch import ScratchFolder
from layers.errors import LoadRefused

#: "9994", big endian.
MAGIC = b"\x00\x00\x27\x0a"
_HEADER = 100
#: Lengths in a Shapefile count words of two bytes.
_WORD = 2
#: Bytes after the end that are taken for carelessness.
_SURPLUS = 1 << 16


@dataclass(frozen=True)
class Table:
    """What the header of a dBASE table says."""

    path: Path
    records: int
    start: int
    width: int

    def deleted(self) -> int:
        """Count the records that are marked as deleted, which readers skip."""
        if not self.records:
            return 0
        shape = (self.records, self.width)
        rows = np.memmap(self.path, np.uint8, "r", offset=self.start, shape=shape)
        return int((rows[:, 0] == ord("*")).sum())


def check_geometry_file(path: Path) -> None:
    """Check the header of a ``.shp`` file.

    Raises:
        LoadRefused: If it is not one, or its end is missing.
    """
    with path.open("rb") as stream:
        header = stream.read(_HEADER)
    if len(header) < _HEADER or not header.startswith(MAGIC):
        raise LoadRefused(f"{path}: its header is not that of a Shapefile")
    declared = int(struct.unpack_from(">i", header, 24)[0]) * _WORD
    size = path.stat().st_size
    if size < declared:
        raise LoadRefused(f"{path}: is truncated: it has {size:,} of {declared:,} bytes")
    if size > declared + _SURPLUS:
        raise LoadRefused(f"{path}: has {size:,} bytes, but its header says {declared:,}")


def read_table(path: Path) -> Table:
    """Read the header of a ``.dbf`` file and check that its records are there.

    Raises:
        LoadRefused: If it is not one, or its end is missing.
    """
    with path.open("rb") as stream:
        header = stream.read(32)
    if len(header) < 32:
        raise LoadRefused(f"{path}: its header is not that of a dBASE table")
    records, start, width = struct.unpack_from("<IHH", header, 4)
    size = path.stat().st_size
    if start < 33 or width < 1:
        raise LoadRefused(f"{path}: its header is not that of a dBASE table")
    if size < start + records * width:
        there = max(size - start, 0) // width
        raise LoadRefused(f"{path}: is truncated: it has {there:,} of {records:,} records")
    return Table(path, records, start, width)


def check_index(path: Path, index: Path, table: Table) -> None:
    """Check that a ``.shx`` index has an entry a record of the table, and each lies in the file.

    Raises:
        LoadRefused: If it does not.
    """
    entries = max(index.stat().st_size - _HEADER, 0) // 8
    if entries != table.records:
        raise LoadRefused(
            f"{path}: its parts do not fit: {entries:,} geometries, {table.records:,} records"
        )
    if not entries:
        return
    pairs = np.memmap(index, ">i4", "r", offset=_HEADER, shape=(entries, 2))
    ends = (pairs[:, 0].astype(np.int64) + pairs[:, 1] + 4) * _WORD
    if int(pairs[:, 0].min()) * _WORD < _HEADER or int(ends.max()) > path.stat().st_size:
        raise LoadRefused(f"{path}: its index points outside the file")


@contextmanager
def with_restored_index(path: Path, table: Table) -> Iterator[Path]:
    """Give a Shapefile without ``.shx`` one, in a temporary folder beside links to its files.

    Only where nothing can be lost by it: the geometries follow one another without gaps, are
    numbered 1, 2, 3 and so on, and are as many as the records of the table.

    Raises:
        LoadRefused: If that is not so.
    """
    index = _index_of(path, table)
    with ScratchFolder() as folder:
        for part in path.parent.iterdir():
            if part.stem.lower() == path.stem.lower():
                os.symlink(part.resolve(), folder / (path.stem + part.suffix.lower()))
        restored = folder / f"{path.stem}.shp"
        restored.with_suffix(".shx").write_bytes(index)
        yield restored


def companion(path: Path, suffix: str) -> Path:
    """Return the file beside ``path`` with that suffix.

    Raises:
        LoadRefused: If there is none.
    """
    found = sibling(path, suffix)
    if found is None:
        raise LoadRefused(f"{path}: its {suffix} file is missing")
    return found


def _index_of(path: Path, table: Table) -> bytes:
    """Return the content of the index of a ``.shp`` file, by walking through it."""
    entries = bytearray()
    with path.open("rb") as stream:
        header = bytearray(stream.read(_HEADER))
        end = int(struct.unpack_from(">i", header, 24)[0]) * _WORD
        place, number = _HEADER, 0
        while place + 8 <= end:
            stream.seek(place)
            record, words = struct.unpack(">ii", stream.read(8))
            number += 1
            if record != number or words < 2 or place + 8 + words * _WORD > end:
                raise _cannot_be_restored(path, f"geometry {number} is out of order")
            entries += struct.pack(">ii", place // _WORD, words)
            place += 8 + words * _WORD
    if place != end:
        raise _cannot_be_restored(path, "there are bytes between the geometries")
    if number != table.records:
        raise _cannot_be_restored(path, f"{number:,} geometries, {table.records:,} records")
    struct.pack_into(">i", header, 24, (_HEADER + len(entries)) // _WORD)
    return bytes(header) + bytes(entries)


def _cannot_be_restored(path: Path, reason: str) -> LoadRefused:
    return LoadRefused(f"{path}: its .shx file is missing and cannot be restored: {reason}")
