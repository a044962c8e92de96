"""What a tile keeps where it cannot keep everything, and how it says so."""

import mapbox_vector_tile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles.limits import MOST_TRIES, fair_shares, features_to_keep
from tiles.meta_layer import meta_layer


@given(st.lists(st.integers(0, 10**7), max_size=40), st.integers(0, 10**6))
def test_shares_never_exceed_the_total_nor_a_wish(wanted: list[int], total: int) -> None:
    shares = fair_shares(wanted, total)
    assert all(0 <= share <= wish for share, wish in zip(shares, wanted, strict=True))
    assert sum(shares) == min(total, sum(wanted)) or sum(shares) > total - len(wanted)
    assert sum(shares) <= total


def test_small_layers_stay_whole_and_large_ones_share_alike() -> None:
    assert fair_shares([5, 1000, 2000, 10], 615) == [5, 300, 300, 10]
    assert fair_shares([5, 6], 100) == [5, 6]


@pytest.mark.parametrize("attempt", range(MOST_TRIES))
def test_bytes_shrink_with_each_try(attempt: int) -> None:
    keep = features_to_keep([100, 1000], [10_000, 1_000_000], 20_000, 500_000, attempt)
    assert keep[0] == 100
    assert 0 < keep[1] <= 1000 * 490_000 // 1_000_000
    assert features_to_keep([100, 1000], [10, 10], 600, 500_000, attempt) == [100, 500]


@given(st.dictionaries(st.text(min_size=1, max_size=30), st.tuples(*[st.integers(0, 2**40)] * 2)))
def test_the_meta_layer_can_be_read(cuts: dict[str, tuple[int, int]]) -> None:
    decoded = mapbox_vector_tile.decode(meta_layer(cuts))
    if not cuts:
        assert decoded == {}
        return
    features = decoded["onemap:meta"]["features"]
    assert [entry["properties"] for entry in features] == [
        {"layer": name, "shown": shown, "of": there} for name, (shown, there) in cuts.items()
    ]
    assert all(entry["geometry"]["coordinates"] == [2048, 2048] for entry in features)
    assert decoded["onemap:meta"]["extent"] == 4096
