"""Hashes of business keys: equal keys have equal ones, and different keys hardly ever do."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.util import hash_array

#: Separates the parts of a key; it stands in no text that people write.
SEPARATOR = "\x1f"


def key_texts(parts: Sequence[pa.Array]) -> pa.Array:
    """Return keys as texts, null where a part is; parts are joined by ``SEPARATOR``."""
    texts = [part if pa.types.is_string(part.type) else part.cast(pa.string()) for part in parts]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, SEPARATOR)


def key_hashes(parts: Sequence[pa.Array]) -> NDArray[np.uint64]:
    """Return a 64-bit hash a row.

    Two different keys share one with a probability of 3e-8 for a million rows.
    """
    texts = key_texts(parts).to_numpy(zero_copy_only=False)
    return np.asarray(hash_array(texts, categorize=False), dtype=np.uint64)
