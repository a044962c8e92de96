"""Tiles as files: valid gzip, the same for the same tile, and nothing damaged passes."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiles.packing import DamagedTile, pack, read_packed

PLACE = "public/town/14/1/2.gz"


@given(
    st.binary(min_size=1, max_size=5000), st.lists(st.sampled_from(["plot", "lamp"]), max_size=2)
)
def test_a_tile_comes_back_as_it_went_in(data: bytes, names: list[str]) -> None:
    tile = pack(data, PLACE, tuple(names))
    assert gzip.decompress(tile.packed) == data
    assert tile.unpacked() == data
    assert tile == read_packed(tile.packed, PLACE) == pack(data, PLACE, tuple(names))
    assert (tile.size, tile.truncated) == (len(data), tuple(names))


def test_an_empty_tile_stays_empty() -> None:
    assert pack(b"", PLACE).packed == b""
    assert pack(b"", PLACE).unpacked() == b""


@given(st.data())
def test_no_damage_passes(data: st.DataObject) -> None:
    packed = pack(b"tile" * 300, PLACE, ("plot",)).packed
    place = data.draw(st.integers(0, len(packed) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = bytearray(packed)
    flipped[place] ^= 1 << bit
    # The last eight bytes are gzip's own sum, which the checksum covers, too.
    for damaged in (bytes(flipped), packed[:place]):
        with pytest.raises(DamagedTile):
            read_packed(damaged, PLACE)


def test_a_file_out_of_place_is_refused() -> None:
    packed = pack(b"tile", PLACE).packed
    with pytest.raises(DamagedTile):
        read_packed(packed, "public/town/14/1/3.gz")


def test_times_of_files_stand_for_their_content() -> None:
    stamps = {pack(b"%d" % number, PLACE).stamp for number in range(2000)}
    assert len(stamps) == 2000
    assert all(2**32 <= stamp < 2**34 - 2**31 for stamp in stamps)
