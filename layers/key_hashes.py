"""Hashes of business keys: equal keys have equal ones, and different keys hardly ever do."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

#: Separates the parts of a key; it stands in no text that people write.
SEPARATOR = "\x1f"
#: Odd constants of Vigna's splitmix64 (public domain).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A, _MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = 8
#: The bytes that count of a word of which so many are left.
_MASKS = np.array([(1 << 8 * left) - 1 for left in range(_WORD + 1)], dtype=np.uint64)
_NOTHING = np.uint64(0x5BD1E9955BD1E995)


def key_texts(parts: Sequence[pa.Array]) -> pa.Array:
    """Return keys as texts, null where a part is; parts are joined by ``SEPARATOR``."""
    texts = [part if pa.types.is_string(part.type) else part.cast(pa.string()) for part in parts]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, SEPARATOR)


def key_hashes(parts: Sequence[pa.Array]) -> Hashes:
    """Return a 64-bit hash a row.

    Two different keys share one with a probability of 3e-8 for a million rows.
    """
    return text_hashes(key_texts(parts))


def text_hashes(texts: pa.Array) -> Hashes:
    """Return a 64-bit hash of each text (type ``string``); all nulls have the same.

    Eight bytes at a time, of all texts at once, are mixed in as in the splitmix64 generator: each
    step can be undone, so that texts of like length that differ in one word never meet in it.
    """
    rows = len(texts)
    if not rows:
        return np.zeros(0, dtype=np.uint64)
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset :][: rows + 1]
    begins, lengths = offsets[:-1].astype(np.int64), np.diff(offsets)
    if texts.null_count:
        # What lies beneath a null is anybody's guess.
        lengths = np.where(pc.is_valid(texts).to_numpy(zero_copy_only=False), lengths, 0)
    # Mixed before a word meets it: the length of one text and the bytes of another are both small.
    hashes = _mixed(lengths.astype(np.uint64))
    longest = int(lengths.max(initial=0))
    data = texts.buffers()[2]
    if longest and data is not None:
        text = np.frombuffer(data, dtype=np.uint8)[: int(offsets[-1])]
        padded = np.append(text, np.zeros(_WORD, dtype=np.uint8))
        # A word begins at every byte.
        words: Hashes = np.ndarray((len(text) + 1,), "<u8", padded, strides=(1,))
        for done in range(0, longest, _WORD):
            left = np.clip(lengths - done, 0, _WORD)
            there = left > 0
            if there.all():
                hashes = _mixed(hashes ^ (words[begins + done] & _MASKS[left]))
            else:
                word = words[begins[there] + done] & _MASKS[left[there]]
                hashes[there] = _mixed(hashes[there] ^ word)
    hashes = _mixed(hashes)
    if texts.null_count:
        hashes[pc.is_null(texts).to_numpy(zero_copy_only=False)] = _NOTHING
    return hashes


def _mixed(hashes: Hashes) -> Hashes:
    mixed = hashes + _GOLDEN
    mixed ^= mixed >> np.uint64(30)
    mixed *= _MIX_A
    mixed ^= mixed >> np.uint64(27)
    mixed *= _MIX_B
    mixed ^= mixed >> np.uint64(31)
    return mixed
