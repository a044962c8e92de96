"""Writing an archive, at once and in order: header, directories, metadata, tiles."""

import os
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from isal import igzip

from layers.feature_query import BBox
from tiles.archives.directories import write_directories
from tiles.archives.facts import ArchiveFacts
from tiles.archives.header import HEADER_BYTES, ROOT_END, Header, Section
from tiles.archives.index import TileIndex, laid_out

#: Tiles are copied in pieces of so many bytes.
_PIECE = 8 * 1024 * 1024


def directories_digest(root: bytes, leaves: bytes) -> str:
    """Return the checksum of an archive's directories."""
    return blake2b(root + leaves, digest_size=16).hexdigest()


def write_archive(
    target: Path,
    index: TileIndex,
    sources: Sequence[memoryview],
    facts: ArchiveFacts,
    metadata: dict[str, Any],
    center: tuple[int, float, float],
) -> int:
    """Write an archive aside, and put it in the place of what is there once it is whole.

    Args:
        target: The archive's file.
        index: Its tiles, without empty ones.
        sources: The files that the index is of.
        facts: What it says of itself; the checksum is put in.
        metadata: What else its metadata say.
        center: Zoom, longitude and latitude of a first view.

    Returns:
        The archive's bytes.

    Raises:
        OSError: If it cannot be written; then what was there is still there.
    """
    entries, different, size = laid_out(index)
    root, leaves = write_directories(entries, ROOT_END - HEADER_BYTES)
    facts = facts.model_copy(update={"directories": directories_digest(root, leaves)})
    document = metadata | {"onemap": facts.model_dump(mode="json")}
    told = bytes(igzip.compress(orjson.dumps(document), 3, mtime=0))
    parts = _sections(len(root), len(told), len(leaves), size)
    low, high = facts.scope.zooms
    header = Header(
        *parts,
        addressed=len(index),
        entries=len(entries.ids),
        contents=len(different),
        min_zoom=low,
        max_zoom=high,
        bounds=_bounds(facts.scope.bbox),
        center=center,
    )
    made = target.with_name(f"{target.name}.new")
    with made.open("wb") as file:
        for piece in (header.write(), root, told, leaves):
            file.write(piece)
        for view in _pieces(different, sources):
            file.write(view)
        file.flush()
        os.fsync(file.fileno())
    made.replace(target)
    _keep_name(target.parent)
    return parts[3].end


def _sections(*lengths: int) -> tuple[Section, Section, Section, Section]:
    place, parts = HEADER_BYTES, []
    for length in lengths:
        parts.append(Section(place, length))
        place += length
    return (parts[0], parts[1], parts[2], parts[3])


def _bounds(bbox: BBox) -> BBox:
    west, south, east, north = bbox
    return (max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0))


def _pieces(index: TileIndex, sources: Sequence[memoryview]) -> Iterator[memoryview]:
    """Yield the bytes of tiles in their order; such as follow each other in a file together."""
    ends = index.offsets + index.lengths
    breaks = np.ones(len(index), bool)
    breaks[1:] = (index.offsets[1:] != ends[:-1]) | (index.sources[1:] != index.sources[:-1])
    starts = np.flatnonzero(breaks)
    lasts = np.append(starts[1:], len(index)) - 1
    for first, last in zip(starts.tolist(), lasts.tolist(), strict=True):
        source = sources[index.sources[first]]
        begin, end = int(index.offsets[first]), int(ends[last])
        for place in range(begin, end, _PIECE):
            yield source[place : min(end, place + _PIECE)]


def _keep_name(folder: Path) -> None:
    """See to it that a file's new name outlives a failure of the machine."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
