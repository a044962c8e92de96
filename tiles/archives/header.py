"""The header of an archive: where its parts lie, and what it covers (PMTiles spec v3, §3)."""

import struct
from dataclasses import dataclass
from typing import Self

from layers.feature_query import BBox
from tiles.archives.errors import BadArchive

HEADER_BYTES = 127
#: Header and root directory lie in these first bytes.
ROOT_END = 16_384
_MAGIC = b"PMTiles\x03"
_FORM = struct.Struct("<8s11Q6B4iB2i")
_GZIP, _VECTOR = 2, 1
_DEGREE = 10_000_000


@dataclass(frozen=True)
class Section:
    """A part of the archive, in bytes."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """Where the next byte is."""
        return self.offset + self.length


@dataclass(frozen=True)
class Header:
    """What the first bytes of an archive of gzip vector tiles say."""

    root: Section
    metadata: Section
    leaves: Section
    tiles: Section
    #: Tiles that are not empty; entries of directories; different tiles.
    addressed: int
    entries: int
    contents: int
    min_zoom: int
    max_zoom: int
    #: Degrees, longitude first.
    bounds: BBox
    #: Zoom, longitude, latitude.
    center: tuple[int, float, float]

    def write(self) -> bytes:
        """Return the header's bytes."""
        sections = (self.root, self.metadata, self.leaves, self.tiles)
        zoom, lon, lat = self.center
        return _FORM.pack(
            _MAGIC,
            *(number for part in sections for number in (part.offset, part.length)),
            self.addressed,
            self.entries,
            self.contents,
            1,
            _GZIP,
            _GZIP,
            _VECTOR,
            self.min_zoom,
            self.max_zoom,
            *(round(degrees * _DEGREE) for degrees in self.bounds),
            zoom,
            round(lon * _DEGREE),
            round(lat * _DEGREE),
        )

    @classmethod
    def read(cls, octets: bytes) -> Self:
        """Return the header that an archive begins with.

        Raises:
            BadArchive: If it is no PMTiles 3 archive of vector tiles in gzip.
        """
        if len(octets) < HEADER_BYTES or not octets.startswith(_MAGIC):
            raise BadArchive("it is no PMTiles archive of version 3")
        read = _FORM.unpack_from(octets)
        numbers, kinds, degrees = read[1:12], read[12:18], (*read[18:22], *read[23:25])
        if kinds[1:4] != (_GZIP, _GZIP, _VECTOR):
            raise BadArchive("its tiles are no vector tiles in gzip")
        west, south, east, north, lon, lat = (number / _DEGREE for number in degrees)
        root, metadata, leaves, tiles = (
            Section(*numbers[place : place + 2]) for place in range(0, 8, 2)
        )
        return cls(
            root,
            metadata,
            leaves,
            tiles,
            numbers[8],
            numbers[9],
            numbers[10],
            kinds[4],
            kinds[5],
            (west, south, east, north),
            (read[22], lon, lat),
        )
