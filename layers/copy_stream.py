"""Rows as a stream of COPY BINARY: fields packed once, geometries added as they are sent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from layers.copy_binary import HEADER, TRAILER, pack_fields
from layers.definition import GeometryDefinition
from layers.geometry_column import GeometryColumn, headers, tile_vertices

#: A piece of the stream is at most about so large.
_PIECE = 1 << 20


@dataclass(frozen=True)
class PackedRows:
    """Rows whose fields are packed, and whose geometries wait."""

    #: Everything of a row between its own leading fields and its geometries, as COPY has it; for
    #: rows whose geometry is not plain, the packed geometries too.
    fields: pa.Array
    #: Vertices of a plain geometry, as doubles (degrees); empty for the others.
    vertices: pa.Array

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.fields)

    def take(self, places: np.ndarray) -> "PackedRows":
        """Return the rows at ``places``, in that order."""
        chosen = pa.array(places)
        return PackedRows(self.fields.take(chosen), self.vertices.take(chosen))


def pack(columns: Sequence[pa.Array], geometry: GeometryColumn) -> PackedRows:
    """Pack the fields of rows.

    Args:
        columns: The fields in the order of the COPY statement; types as ``copy_binary`` wants them.
        geometry: The rows' geometries.
    """
    pieces = pack_fields(columns)
    others = geometry.packed_others()
    if others:
        places = np.flatnonzero(geometry.counts == 0)
        extra = np.full(len(geometry), b"", dtype=object)
        extra[places] = np.array([*others, None], dtype=object)[:-1]
        pieces.append(pa.array(extra, pa.binary()))
    fields = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.binary()))
    return PackedRows(fields, geometry.vertices())


def rows_of(
    packed: PackedRows,
    definition: GeometryDefinition,
    width: int,
    leading: Sequence[pa.Array] = (),
) -> memoryview:
    """Return whole rows as COPY BINARY has them.

    Args:
        packed: The rows; their geometries are written twice, in degrees and in Web Mercator.
        definition: The layer's geometry.
        width: Number of fields of a row.
        leading: Fields in front of the packed ones.
    """
    count = len(packed)
    z = definition.z
    lengths = np.asarray(pc.binary_length(packed.vertices)).astype(np.int64)
    counts = lengths // (24 if z else 16)
    pieces = [
        _constant(width.to_bytes(2, "big"), count),
        *pack_fields(leading),
        packed.fields,
        headers(definition, counts, z=z),
        packed.vertices,
        headers(definition, counts, z=False),
        tile_vertices(packed.vertices, z=z),
    ]
    rows = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.binary()))
    offsets = np.frombuffer(rows.buffers()[1], dtype=np.int32, count=count + 1)
    return memoryview(rows.buffers()[2])[int(offsets[0]) : int(offsets[-1])]


def _constant(value: bytes, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.binary()), count)


class CopyStream:
    """A readable file over pieces of rows, with the header and trailer of COPY around them."""

    def __init__(self, pieces: Iterable[memoryview]) -> None:
        self._parts = self._cut(pieces)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; empty at the end. ``size`` is only a wish."""
        return next(self._parts, b"")

    @staticmethod
    def _cut(pieces: Iterable[memoryview]) -> Iterator[bytes]:
        yield HEADER
        for piece in pieces:
            for start in range(0, len(piece), _PIECE):
                yield bytes(piece[start : start + _PIECE])
        yield TRAILER
