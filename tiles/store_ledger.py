"""What a tile store knows of itself: which changes its tiles have seen.

One small file of two slots, each with a count and a checksum; a write goes to the older slot, in
place, so that it needs no room on a full disk and a torn write leaves the other slot.
"""

import os
import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import orjson

_SLOT = 64 * 1024
_HEAD = struct.Struct("<4sQI16s")
_MAGIC = b"OML1"
#: A count beyond this is no count.
_LARGEST = 1 << 62


@dataclass(frozen=True, slots=True)
class Ledger:
    """The state of a store."""

    #: Whether the store was begun; otherwise nothing is to be read or written.
    is_begun: bool = False
    #: Layer → tile version: what is written now must be as new as this.
    announced: dict[str, int] = field(default_factory=dict)
    #: Layer → tile version: every tile that is held has been cleared of older states.
    swept: dict[str, int] = field(default_factory=dict)


class LedgerFile:
    """The ledger on disk; who writes holds a lock of the store."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if os.fstat(self._file).st_size < 2 * _SLOT:
            os.pwrite(self._file, b"\0" * (2 * _SLOT), 0)
        self._known: tuple[bytes, bytes] = (b"", b"")
        self._ledger = Ledger()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def read(self) -> Ledger:
        """Return the ledger; an empty one where there is none that is whole."""
        heads = (os.pread(self._file, _HEAD.size, 0), os.pread(self._file, _HEAD.size, _SLOT))
        if heads != self._known:
            slots = [self._slot(number) for number in (0, 1)]
            payload = max(slots, key=lambda slot: slot[0])[1]
            self._ledger = Ledger(**orjson.loads(payload)) if payload else Ledger()
            self._known = heads
        return self._ledger

    def write(self, ledger: Ledger) -> None:
        """Replace the ledger.

        Raises:
            OSError: If it cannot be written; the former one still stands.
        """
        payload = orjson.dumps(
            {
                "is_begun": ledger.is_begun,
                "announced": ledger.announced,
                "swept": ledger.swept,
            }
        )
        counts = [self._slot(number)[0] for number in (0, 1)]
        older = counts.index(min(counts))
        # Beyond a torn slot's count, too: what others have read of it must differ from this.
        count = 1 + max(self._count(number) for number in (0, 1))
        head = _HEAD.pack(_MAGIC, count, len(payload), _digest(count, payload))
        os.pwrite(self._file, head + payload, older * _SLOT)

    def _count(self, number: int) -> int:
        """Return a slot's count, whether or not the slot is whole."""
        head = os.pread(self._file, _HEAD.size, number * _SLOT)
        count = int(_HEAD.unpack(head)[1]) if len(head) == _HEAD.size else 0
        return count if count < _LARGEST else self._slot(number)[0]

    def _slot(self, number: int) -> tuple[int, bytes]:
        """Return a slot's count and content; nothing where it is not whole."""
        raw = os.pread(self._file, _SLOT, number * _SLOT)
        if len(raw) < _HEAD.size:
            return 0, b""
        magic, count, length, digest = _HEAD.unpack_from(raw)
        payload = raw[_HEAD.size : _HEAD.size + length]
        if magic != _MAGIC or digest != _digest(count, payload):
            return 0, b""
        return count, payload


def _digest(count: int, payload: bytes) -> bytes:
    return blake2b(struct.pack("<Q", count) + payload, digest_size=16).digest()
