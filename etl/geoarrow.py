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


def encoder(encoding: str, column: pa.DataType) -> Callable[[pa.Array], pa.Array] | None:
    """Return a function that turns a column of that encoding into WKB.

    Args:
        encoding: ``WKB``, ``WKT`` or the name of a native encoding such as ``polygon``, in any
            case.
        column: The column's type.

    Returns:
        The function; ``None`` if the encoding is unknown, or no such column can have it.
    """
    name = encoding.lower().removeprefix("geoarrow.")
    storage = column.storage_type if isinstance(column, pa.BaseExtensionType) else column
    types = pa.types
    if name == "wkb":
        binary = types.is_binary(storage) or types.is_large_binary(storage)
        return _wkb if binary or types.is_binary_view(storage) else None
    if name == "wkt":
        return _from_wkt if types.is_string(storage) or types.is_large_string(storage) else None
    if name not in _DEPTHS:
        return None
    kind, depth = _DEPTHS[name]
    for _ in range(depth):
        if not (types.is_list(storage) or types.is_large_list(storage)):
            return None
        storage = storage.value_type
    if not _are_coordinates(storage):
        return None
    return lambda array: _native(array, kind, depth)


def _are_coordinates(storage: pa.DataType) -> bool:
    if pa.types.is_struct(storage):
        return {"x", "y"} <= {field.name for field in storage}
    return bool(pa.types.is_fixed_size_list(storage) and 2 <= storage.list_size <= 4)


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
