"""Geometry columns of Arrow tables, however they are encoded, as WKB.

Encodings: GeoParquet 1.1 (``WKB`` and the native ones, which are those of GeoArrow 0.2: nested
lists of coordinates, each a struct of x, y, z or a list of fixed size).
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

#: Nested lists around the coordinates, by encoding.
_DEPTHS = {
    "point": (shapely.GeometryType.POINT, 0),
    "linestring": (shapely.GeometryType.LINESTRING, 1),
    "multipoint": (shapely.GeometryType.MULTIPOINT, 1),
    "polygon": (shapely.GeometryType.POLYGON, 2),
    "multilinestring": (shapely.GeometryType.MULTILINESTRING, 2),
    "multipolygon": (shapely.GeometryType.MULTIPOLYGON, 3),
}


def encoder(encoding: str) -> Callable[[pa.Array], pa.Array] | None:
    """Return a function that turns a column of that encoding into WKB; ``None`` for others.

    Args:
        encoding: ``WKB``, ``WKT`` or the name of a native encoding such as ``polygon``, in any
            case.
    """
    name = encoding.lower().removeprefix("geoarrow.")
    if name == "wkb":
        return _wkb
    if name == "wkt":
        return _from_wkt
    if name in _DEPTHS:
        kind, depth = _DEPTHS[name]
        return lambda array: _native(array, kind, depth)
    return None


def _wkb(array: pa.Array) -> pa.Array:
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    return storage.cast(pa.binary())


def _from_wkt(array: pa.Array) -> pa.Array:
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    with np.errstate(invalid="ignore"):
        shapes = shapely.from_wkt(storage.to_numpy(zero_copy_only=False), on_invalid="ignore")
    return pa.array(shapely.to_wkb(shapes), pa.binary())


def _native(array: pa.Array, kind: shapely.GeometryType, depth: int) -> pa.Array:
    """Decode nested lists; nulls are taken out first, for their offsets mean nothing."""
    storage = array.storage if isinstance(array, pa.ExtensionArray) else array
    present = pc.is_valid(storage).to_numpy(zero_copy_only=False)
    shapes = np.full(len(storage), None, dtype=object)
    inner = storage.drop_null()
    offsets: list[NDArray[np.int64]] = []
    for _ in range(depth):
        offsets.append(np.asarray(inner.offsets, dtype=np.int64) - inner.offsets[0].as_py())
        inner = inner.flatten()
    coordinates = _coordinates(inner)
    if len(coordinates) or depth:
        # The outermost list comes last, as shapely wants it.
        shapes[present] = shapely.from_ragged_array(kind, coordinates, tuple(offsets[::-1]))
    return pa.array(shapely.to_wkb(shapes), pa.binary())


def _coordinates(array: pa.Array) -> NDArray[np.float64]:
    if isinstance(array, pa.StructArray):
        names = [field.name for field in array.type]
        chosen = [name for name in ("x", "y", "z") if name in names]
        columns = [array.field(name).to_numpy(zero_copy_only=False) for name in chosen]
        return np.column_stack(columns).astype(np.float64)
    width = array.type.list_size
    flat = np.asarray(array.flatten(), dtype=np.float64)
    return flat.reshape(-1, width)[:, :3]
