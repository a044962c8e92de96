"""What several methods of generalisation do alike: choosing features, and making rows of them."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from tiles.generaliser import (
    FIRST_MADE_ID,
    HALF_WORLD,
    NO_FEATURE,
    Band,
    Cell,
    Features,
    Floats,
    Integers,
    Rows,
)

Mask = NDArray[np.bool_]


def chosen(features: Features, band: Band) -> Features:
    """Return the features that the band's parameters let in, in the order of their ids.

    Rows of a finer band that have no feature id are ordered by their shapes.
    """
    keep = np.ones(len(features), bool)
    for name, values in band.parameters.only.items():
        column = features.attributes[name].combine_chunks()
        wanted = pa.array(list(values)).cast(column.type)
        keep &= pc.is_in(column, wanted).to_numpy(zero_copy_only=False)
    for name, step in band.parameters.multiples.items():
        numbers = features.attributes[name].cast(pa.float64()).to_numpy()
        whole = np.rint(numbers / step)
        keep &= np.isfinite(numbers) & (np.abs(numbers - whole * step) < 1e-6 * step)
    if not keep.all():
        features = features.take(keep)
    bounds = shapely.bounds(features.shapes)
    keys = (*(bounds[:, side] for side in range(4)), features.feature_ids)
    order = np.lexsort(keys) if len(features) else np.empty(0, np.intp)
    return features.take(order)


def centres(features: Features) -> tuple[Floats, Floats]:
    """Return the centre of each feature's box: the point whose cell the feature belongs to."""
    bounds = shapely.bounds(features.shapes)
    return (bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2


def inside(x: Floats, y: Floats, cell: Cell) -> Mask:
    """Tell which points are in a cell: each point is in exactly one of a zoom."""
    width = 2 * HALF_WORLD / (1 << cell.zoom)
    column = np.floor((x + HALF_WORLD) / width)
    row = np.floor((HALF_WORLD - y) / width)
    return np.asarray((column == cell.x) & (row == cell.y))


def owned(features: Features, cell: Cell) -> Mask:
    """Tell which features belong to a cell."""
    return inside(*centres(features), cell)


def made_ids(band: Band, *parts: NDArray[np.int64] | Sequence[int] | int) -> Integers:
    """Return stable ids above ``FIRST_MADE_ID`` for things told apart by whole numbers.

    Args:
        band: Ids differ between bands.
        parts: One number for all, or one for each.
    """
    lists = np.broadcast_arrays(*(np.asarray(part, np.int64) for part in parts))
    start = f"{band.layer.name}/{band.zooms[0]}-{band.zooms[1]}".encode()
    numbers = np.column_stack([np.atleast_1d(part) for part in lists])
    ids = [
        int.from_bytes(hashlib.blake2b(start + row.tobytes(), digest_size=8).digest(), "little")
        for row in np.ascontiguousarray(numbers)
    ]
    spread = np.array(ids, np.uint64) % np.uint64(FIRST_MADE_ID)
    return spread.astype(np.int64) + FIRST_MADE_ID


def as_rows(features: Features, band: Band) -> Rows:
    """Return features as rows of a band, with the band's fields; empty shapes are left out."""
    there = ~shapely.is_empty(features.shapes)
    if not there.all():
        features = features.take(there)
    return Rows(
        features.shapes,
        features.feature_ids,
        features.attributes.select(list(band.fields)),
        features.rank,
        features.members,
        features.feature_ids.copy(),
    )


def text_keys(features: Features, names: Sequence[str]) -> tuple[Integers, list[str]]:
    """Return a number for each, equal where the named fields are, and each number's text.

    Numbers follow the order of the texts, so that they do not depend on that of the features.
    """
    if not names:
        return np.zeros(len(features), np.int64), [""]
    texts = [pc.fill_null(features.attributes[name].cast(pa.string()), "\x00") for name in names]
    whole = pc.binary_join_element_wise(*texts, "\x1f").combine_chunks()
    encoded = pc.dictionary_encode(whole)
    values = encoded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=values.__getitem__)
    place = np.empty(len(values), np.int64)
    place[order] = np.arange(len(values))
    return place[np.asarray(encoded.indices)], [values[index] for index in order]


def stable_number(text: str) -> int:
    """Return a number below 2^62 for a text, the same in every process."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 2


def is_whole(ids: Integers) -> Mask:
    """Tell which ids are those of features."""
    return np.asarray(ids != NO_FEATURE)
