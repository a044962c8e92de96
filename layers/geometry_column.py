"""Geometries of a batch on their way into PostGIS, without a Python object for the plain ones.

Most features of a survey are *plain*: one part without holes. Those are held as one array of
coordinates, from which both the survey geometry (EPSG:4490) and the tile geometry (EPSG:3857) are
written as WKB column by column. The others are held as shapely geometries.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from gis import mercator
from layers.definition import GeometryDefinition, GeometryType

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Geometries = NDArray[np.object_]
Mask = NDArray[np.bool_]

_LITTLE = 1
_WKB_Z = 0x80000000
#: WKB type of the part, of the collection around it (if any), and whether the part counts rings
#: and points (OGC 06-103r4, 8.2.8).
_LAYOUT: dict[GeometryType, tuple[int, int | None, bool, bool]] = {
    GeometryType.POINT: (1, None, False, False),
    GeometryType.MULTIPOINT: (1, 4, False, False),
    GeometryType.LINESTRING: (2, None, False, True),
    GeometryType.MULTILINESTRING: (2, 5, False, True),
    GeometryType.POLYGON: (3, None, True, True),
    GeometryType.MULTIPOLYGON: (3, 6, True, True),
}
_SIMPLE_TYPES = {0: (0, 4), 1: (1, 5), 2: (3, 6)}


@dataclass(frozen=True)
class GeometryColumn:
    """The geometries of some rows, in EPSG:4490 and of one layer's geometry type."""

    definition: GeometryDefinition
    #: Vertices a row; 0 for rows that are not plain.
    counts: Counts
    #: The plain rows' vertices in the order of the rows: (n, 2) or, with height, (n, 3).
    coordinates: Array
    #: The other rows' geometries, in the order of the rows.
    others: Geometries

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.counts)

    @classmethod
    def of(cls, shapes: Geometries, definition: GeometryDefinition) -> "GeometryColumn":
        """Make a column of shapely geometries, none of them missing, of the layer's type."""
        plain = plain_rows(shapes, definition)
        counts = np.where(plain, shapely.get_num_coordinates(shapes), 0).astype(np.int64)
        coordinates = shapely.get_coordinates(shapes[plain], include_z=definition.z)
        return cls(definition, counts, coordinates, shapes[~plain])

    def __getitem__(self, rows: slice) -> "GeometryColumn":
        """Return a run of rows."""
        begin, end, _ = rows.indices(len(self))
        vertices = np.concatenate(([0], np.cumsum(self.counts)))
        other = np.concatenate(([0], np.cumsum(self.counts == 0)))
        return GeometryColumn(
            self.definition,
            self.counts[begin:end],
            self.coordinates[vertices[begin] : vertices[end]],
            self.others[other[begin] : other[end]],
        )

    @property
    def bytes_estimated(self) -> int:
        """About how many bytes the packed rows will take."""
        others = int(shapely.get_num_coordinates(self.others).sum()) if len(self.others) else 0
        return (len(self.coordinates) + others) * 16 * 2

    def bounds(self) -> Array:
        """Return the box of each row, (n, 4) in degrees; worked out once."""
        return self._boxes

    @cached_property
    def _boxes(self) -> Array:
        boxes = np.empty((len(self), 4))
        plain = self.counts > 0
        if plain.any():
            starts = np.concatenate(([0], np.cumsum(self.counts[plain])[:-1]))
            for axis in (0, 1):
                values = np.ascontiguousarray(self.coordinates[:, axis])
                boxes[plain, axis] = np.minimum.reduceat(values, starts)
                boxes[plain, axis + 2] = np.maximum.reduceat(values, starts)
        if len(self.others):
            boxes[~plain] = shapely.bounds(self.others)
        return boxes

    def shapes(self) -> Geometries:
        """Return all rows as shapely geometries."""
        heads = headers(self.definition, self.counts, z=self.definition.z)
        wkb = pc.binary_join_element_wise(heads, self.vertices(), pa.scalar(b"", pa.binary()))
        shapes = np.full(len(self), None, dtype=object)
        plain = self.counts > 0
        # The first four bytes are the length of a field of COPY.
        shapes[plain] = shapely.from_wkb([field[4:] for field in wkb.to_pylist() if field])
        shapes[~plain] = self.others
        return shapes

    def vertices(self) -> pa.Array:
        """Return the plain rows' vertices as one binary value a row; others are empty."""
        width = self.coordinates.shape[1] * 8
        return _slices(np.ascontiguousarray(self.coordinates), self.counts * width)

    def packed_others(self) -> list[bytes]:
        """Return, for each row that is not plain, both geometries as fields of COPY BINARY."""
        flat = shapely.force_2d(self.others)
        points = shapely.get_coordinates(flat)
        points[:, 0], points[:, 1] = mercator.forward(points[:, 0], points[:, 1])
        tiles = shapely.to_wkb(shapely.set_coordinates(flat, points))
        exact = shapely.to_wkb(self.others, output_dimension=3 if self.definition.z else 2)
        return [_field(a) + _field(b) for a, b in zip(exact, tiles, strict=True)]


def plain_rows(shapes: Geometries, definition: GeometryDefinition) -> Mask:
    """Tell which geometries have one part, no hole, and the layer's number of dimensions."""
    kinds = shapely.get_type_id(shapes)
    single, multi = _SIMPLE_TYPES[definition.dimension]
    plain: Mask = (kinds == single) | (kinds == multi)
    plain &= ~shapely.is_empty(shapes)
    several = plain & (kinds == multi)
    parts = shapes
    if several.any():
        plain[several] = shapely.get_num_geometries(shapes[several]) == 1
        parts = shapes.copy()
        parts[several] = shapely.get_geometry(shapes[several], 0)
    if definition.dimension == 2:
        plain &= shapely.get_num_interior_rings(parts) == 0
    return plain


def headers(
    definition: GeometryDefinition, counts: Counts, *, z: bool, kind: GeometryType | None = None
) -> pa.Array:
    """Return length and head of each plain row's geometry as a field of COPY BINARY.

    Args:
        definition: The layer's geometry.
        counts: Vertices a row; 0 for rows that are not plain, whose head is empty.
        z: Whether the vertices have a height.
        kind: Another type than the layer's.

    Returns:
        A binary array: 4 bytes of length and the WKB up to the first vertex.
    """
    part, collection, rings, points = _LAYOUT[kind or definition.type]
    fields: list[tuple[str, str]] = [("length", ">i4")]
    values: dict[str, object] = {}
    flag = _WKB_Z if z else 0
    for name, code in (("outer", collection), ("part", part)):
        if code is None:
            continue
        fields += [(f"{name}_order", "u1"), (f"{name}_type", "<u4")]
        values |= {f"{name}_order": _LITTLE, f"{name}_type": code | flag}
        if name == "outer":
            fields.append(("parts", "<u4"))
            values["parts"] = 1
    if rings:
        fields.append(("rings", "<u4"))
        values["rings"] = 1
    plain = counts > 0
    chosen = counts[plain]
    if points:
        fields.append(("points", "<u4"))
        values["points"] = chosen
    head = np.zeros(len(chosen), dtype=fields)
    for name, value in values.items():
        head[name] = value
    head["length"] = head.dtype.itemsize - 4 + chosen * (24 if z else 16)
    return _slices(head, np.where(plain, head.dtype.itemsize, 0))


def tile_vertices(vertices: pa.Array, *, z: bool) -> pa.Array:
    """Return Web Mercator vertices (two numbers each) of vertices in degrees.

    Args:
        vertices: Binary values of doubles: longitude, latitude and, with ``z``, height.
        z: Whether there is a height.
    """
    width = 3 if z else 2
    offsets = np.frombuffer(vertices.buffers()[1], dtype=np.int32, count=len(vertices) + 1)
    begin, end = int(offsets[0]), int(offsets[-1])
    data = vertices.buffers()[2]
    points = np.frombuffer(data, dtype=np.uint8)[begin:end].view(np.float64).reshape(-1, width)
    flat = np.empty((len(points), 2))
    flat[:, 0], flat[:, 1] = mercator.forward(points[:, 0], points[:, 1])
    lengths = np.diff(offsets).astype(np.int64) // width * 2
    return _slices(flat, lengths)


def _slices(data: NDArray[np.generic], lengths: Counts) -> pa.Array:
    """Return a binary array whose values are successive runs of bytes of ``data``."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers)


def _field(wkb: bytes) -> bytes:
    return len(wkb).to_bytes(4, "big") + wkb
