"""Equal texts have equal hashes, wherever they stand, and others have others."""

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from layers.key_hashes import key_hashes, text_hashes

_TEXTS = st.lists(st.none() | st.text("ab\0c地", max_size=20) | st.text(max_size=40), max_size=12)


@given(_TEXTS, _TEXTS)
@example(["a"], ["b\0"])
def test_texts_have_equal_hashes_if_they_are_equal(
    first: list[str | None], second: list[str | None]
) -> None:
    texts = [*first, *second]
    hashes = text_hashes(pa.array(texts, pa.string())).tolist()
    for text, found in zip(texts, hashes, strict=True):
        for other, others in zip(texts, hashes, strict=True):
            assert (found == others) == (text == other)
    # A part of a longer array, as Arrow slices it.
    assert text_hashes(pa.array(texts, pa.string())[len(first) :]).tolist() == hashes[len(first) :]


def test_many_keys_have_as_many_hashes() -> None:
    numbers = np.arange(200_000)
    keys = pa.array([f"4212{number:014d}" for number in numbers])
    hashes = key_hashes([keys])
    assert len(np.unique(hashes)) == len(numbers)
    # Each bit is set in about half of them, so that any of them may part the keys.
    for bit in range(64):
        share = ((hashes >> np.uint64(bit)) & np.uint64(1)).mean()
        assert 0.49 < share < 0.51


def test_keys_of_several_fields_are_joined() -> None:
    one, other = pa.array(["1", "11", None]), pa.array([11, 1, 1])
    hashes = key_hashes([one, other])
    assert len(set(hashes.tolist())) == 3
    assert hashes.tolist() == key_hashes([pa.array(["1", "11", None]), other]).tolist()
