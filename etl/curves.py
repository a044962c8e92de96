"""Geometries with arcs, which neither GEOS nor the map keeps."""

import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from etl.reader import RowProblem

#: WKB codes (ISO 19125-1, SQL/MM): circular string to triangle, each also with Z, M and both.
_CURVED = range(8, 18)
_COLLECTION = 7
_MESSAGE = (
    "the geometry has arcs or surfaces that the map does not keep: turn them into straight lines "
    "first (ArcGIS: Densify; ogr2ogr: -nlt CONVERT_TO_LINEAR)"
)


def _codes(kinds: range) -> pa.Array:
    """Return the first five bytes of WKB of these kinds, in both byte orders."""
    numbers = [kind + group for kind in kinds for group in (0, 1000, 2000, 3000)]
    numbers += [kind | flags << 29 for kind in kinds for flags in range(8)]
    little = [struct.pack("<BI", 1, number) for number in numbers]
    return pa.array(little + [struct.pack(">BI", 0, number) for number in numbers], pa.binary())


_CURVED_CODES = _codes(_CURVED)
_COLLECTION_CODES = _codes(range(_COLLECTION, _COLLECTION + 1))


def without_curves(wkb: pa.Array) -> tuple[pa.Array, dict[int, RowProblem]]:
    """Take out the geometries that have arcs.

    Args:
        wkb: Binary array of WKB.

    Returns:
        The array, null where a geometry has arcs, and for these rows what is wrong.
    """
    heads = pc.binary_slice(wkb, 0, 5)
    curved = pc.is_in(heads, _CURVED_CODES).to_numpy(zero_copy_only=False)
    collections = pc.is_in(heads, _COLLECTION_CODES).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(collections).tolist():
        try:
            with np.errstate(invalid="ignore"):
                shapely.from_wkb(wkb[row].as_py(), on_invalid="ignore")
        except NotImplementedError:
            curved[row] = True
    if not curved.any():
        return wkb, {}
    rows = np.flatnonzero(curved).tolist()
    straight = pc.if_else(pa.array(curved), pa.scalar(None, wkb.type), wkb)
    return straight, {row: RowProblem("geometry_curve", _MESSAGE) for row in rows}
