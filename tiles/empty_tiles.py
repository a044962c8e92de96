"""Which tiles are known to be empty: four bytes a tile in sparse files, one for 256 × 256 tiles.

The bytes are a checksum of the tile's own name, so that a damaged file names no tile as empty.
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from layers.tile_news import tile_of_code

_SIDE_BITS = 8
_NOTHING = b"\0\0\0\0"
_SIDE_MASK = (1 << _SIDE_BITS) - 1


def is_empty(root: Path, folder: str, zoom: int, code: int) -> bool:
    """Tell whether a tile is known to be empty.

    Args:
        root: The folder of all such files.
        folder: The family's.
        zoom: The tile's zoom.
        code: Its column and row (``layers.tile_news.tile_code``).
    """
    path, offset = _place(root, folder, zoom, code)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return os.pread(file, 4, offset) == _mark(folder, zoom, code)
    finally:
        os.close(file)


def remember(root: Path, folder: str, zoom: int, code: int) -> None:
    """Note that a tile is empty.

    Raises:
        OSError: If it cannot be written.
    """
    path, offset = _place(root, folder, zoom, code)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    try:
        file = os.open(path, flags, 0o644)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = os.open(path, flags, 0o644)
    try:
        os.pwrite(file, _mark(folder, zoom, code), offset)
    finally:
        os.close(file)


def forget(root: Path, folder: str, zoom: int, codes: Iterable[int]) -> None:
    """Forget that some tiles are empty."""
    squares: dict[tuple[int, int], list[int]] = {}
    for code in codes:
        x, y = tile_of_code(code)
        offset = 4 * ((x & _SIDE_MASK) << _SIDE_BITS | y & _SIDE_MASK)
        squares.setdefault((x >> _SIDE_BITS, y >> _SIDE_BITS), []).append(offset)
    for (x, y), offsets in squares.items():
        try:
            file = os.open(f"{root}/{folder}/{zoom}/{x}-{y}", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            held = os.pread(file, 4 << 2 * _SIDE_BITS, 0)
            for offset in offsets:
                # A hole needs no writing, which a full disk would refuse.
                if any(held[offset : offset + 4]):
                    os.pwrite(file, _NOTHING, offset)
        finally:
            os.close(file)


def _place(root: Path, folder: str, zoom: int, code: int) -> tuple[str, int]:
    x, y = tile_of_code(code)
    name = f"{root}/{folder}/{zoom}/{x >> _SIDE_BITS}-{y >> _SIDE_BITS}"
    return name, 4 * ((x & _SIDE_MASK) << _SIDE_BITS | y & _SIDE_MASK)


def _mark(folder: str, zoom: int, code: int) -> bytes:
    # Never four zero bytes, which are those of a hole.
    return struct.pack("<I", crc32(f"{folder}/{zoom}/{code}".encode()) or 1)
