"""Rows of a band, packed for COPY."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from layers.copy_binary import pack_rows

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class NewRows:
    """Rows to be written, one array a column."""

    tile_ids: Integers
    #: 0 where a row is made of several features.
    feature_ids: Integers
    members: Integers
    rank: NDArray[np.float64]
    #: The band's fields, in the order of ``band_fields``.
    attributes: pa.Table
    #: WKB, EPSG:3857.
    wkb: pa.Array
    #: (n, 4): valid from and to, recorded from and to, as ``layers.pyramid_times`` counts.
    times: Integers

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.tile_ids)


def pack_band_rows(cell: int, rows: NewRows) -> bytes:
    """Return a cell's rows as COPY BINARY, in the columns of ``row_columns``."""
    several = rows.feature_ids == 0
    columns = [
        pa.array(np.full(len(rows), cell, np.int64)),
        pa.array(rows.feature_ids, mask=several),
        pa.array(rows.tile_ids),
        pa.array(rows.members),
        pa.array(rows.rank),
        *(_whole(column) for column in rows.attributes.columns),
        rows.wkb,
        # On the wire a time is the same whole number.
        *(pa.array(np.ascontiguousarray(rows.times[:, side])) for side in range(4)),
    ]
    return bytes(memoryview(pack_rows(columns)))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined
