"""Tiles as they are kept: gzip files whose header says what is needed to trust them.

A packed tile is a plain gzip file (RFC 1952) that any server may send as it is. Its header has
one extra field (``OM``): the digest and the size of the tile before compression, the layers of
which it could not hold everything, and a checksum over all of this, the compressed bytes and the
place the tile is kept under. So a file that is damaged, cut short or out of place is known
without unpacking it. The same tile always gives the same file.
"""

import struct
from dataclasses import dataclass, replace
from hashlib import blake2b

from isal import igzip

#: isal's level 2 costs a fifth of zlib's level 1 at the same size.
_GZIP_LEVEL = 2
#: gzip, deflate, an extra field follows; no time; no flags; unknown system.
_GZIP_HEAD = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"
_PLAIN_HEAD = 10
_FIELD = b"OM"
_FORMAT = 1
#: Format, digest, size before compression, length of the list of layers.
_FACTS = struct.Struct("<B16sIH")
_CHECKSUM = 8
#: Times of files stand for the tile's digest: from 2106 on, and what 34 bits can say.
_FIRST_STAMP = 1 << 32
_STAMP_BITS = 33


class DamagedTile(ValueError):
    """What was read is no packed tile of that place."""


@dataclass(frozen=True, slots=True)
class PackedTile:
    """A tile as it is kept."""

    #: The gzip file; empty for an empty tile.
    packed: bytes
    #: A digest of the tile before compression, 16 bytes.
    digest: bytes
    #: Bytes before compression.
    size: int
    #: Names of the layers of which the tile could not hold everything.
    truncated: tuple[str, ...] = ()

    @property
    def stamp(self) -> int:
        """The modification time that the tile's file gets: seconds that stand for the digest.

        Web servers make entity tags of a file's time and length. With the time of its writing,
        two different tiles written within one second could have the same.
        """
        return _FIRST_STAMP + (int.from_bytes(self.digest[:8]) >> (64 - _STAMP_BITS))

    @property
    def tag(self) -> str:
        """The opaque part of the entity tag, in nginx's form for the tile's file."""
        return f"{self.stamp:x}-{len(self.packed):x}"

    def unpacked(self) -> bytes:
        """Return the tile before compression."""
        return bytes(igzip.decompress(self.packed)) if self.packed else b""


def pack(tile: bytes, place: str, truncated: tuple[str, ...] = ()) -> PackedTile:
    """Return ``tile`` as it is kept under ``place``."""
    digest = blake2b(tile, digest_size=16).digest()
    if not tile:
        return PackedTile(b"", digest, 0, truncated)
    deflated = igzip.compress(tile, _GZIP_LEVEL, mtime=0)[_PLAIN_HEAD:]
    names = ",".join(truncated).encode()
    facts = _FACTS.pack(_FORMAT, digest, len(tile), len(names)) + names
    field = facts + _checksum(place, facts, deflated)
    extra = _FIELD + struct.pack("<H", len(field)) + field
    packed = b"".join((_GZIP_HEAD, struct.pack("<H", len(extra)), extra, deflated))
    return PackedTile(packed, digest, len(tile), truncated)


def read_packed(packed: bytes, place: str) -> PackedTile:
    """Return the tile that is kept as ``packed`` under ``place``.

    Raises:
        DamagedTile: If the bytes are not those that ``pack`` made for this place.
    """
    head = len(_GZIP_HEAD)
    try:
        (length,) = struct.unpack_from("<H", packed, head)
        extra = packed[head + 2 : head + 2 + length]
        deflated = packed[head + 2 + length :]
        form, digest, size, named = _FACTS.unpack_from(extra, 4)
    except struct.error as error:
        raise DamagedTile(place) from error
    facts = extra[4:-_CHECKSUM]
    sound = (
        packed.startswith(_GZIP_HEAD)
        and extra.startswith(_FIELD + struct.pack("<H", length - 4))
        and form == _FORMAT
        and len(facts) == _FACTS.size + named
        and extra[-_CHECKSUM:] == _checksum(place, facts, deflated)
    )
    if not sound:
        raise DamagedTile(place)
    names = facts[_FACTS.size :].decode()
    return PackedTile(packed, digest, size, tuple(names.split(",")) if names else ())


def digest_of(packed: bytes) -> bytes:
    """Return the digest of a tile that is kept under no place, as in archives.

    Raises:
        DamagedTile: If the bytes are not those that ``pack`` made.
    """
    return read_packed(packed, "").digest


def repacked(packed: bytes, place: str) -> PackedTile:
    """Return a tile that is kept under no place as it is kept under ``place``.

    Args:
        packed: What ``pack`` made for the place ``""``; nothing is an empty tile.
        place: Where it is kept now.

    Raises:
        DamagedTile: If the bytes are not those that ``pack`` made.
    """
    if not packed:
        return pack(b"", place)
    tile = read_packed(packed, "")
    head = len(_GZIP_HEAD)
    (length,) = struct.unpack_from("<H", packed, head)
    end = head + 2 + length
    facts, deflated = packed[head + 6 : end - _CHECKSUM], packed[end:]
    check = _checksum(place, facts, deflated)
    return replace(tile, packed=packed[: end - _CHECKSUM] + check + deflated)


def _checksum(place: str, facts: bytes, deflated: bytes) -> bytes:
    check = blake2b(digest_size=_CHECKSUM)
    check.update(place.encode())
    check.update(b"\0")
    check.update(facts)
    check.update(deflated)
    return check.digest()
