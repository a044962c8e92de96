"""Tiles in memory: bounded, and forgotten exactly where they changed."""

import os
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.tile_news import TileChange, tile_code
from tests.tiles.stores import STAFF, TOWN, change, packed
from tiles.families import TileFamily
from tiles.memory import TileKey, TileMemory, is_touched

THEN = datetime(2014, 5, 1, tzinfo=UTC)
SINCE = datetime(2019, 5, 1, tzinfo=UTC)
NOW = datetime(2024, 5, 1, tzinfo=UTC)


def key(zoom: int, x: int, y: int, family: TileFamily = TOWN, **more: object) -> TileKey:
    return TileKey(family, zoom, tile_code(x, y), **more)  # type: ignore[arg-type]


def filled(*keys: TileKey) -> TileMemory:
    memory = TileMemory(10_000_000)
    for entry in keys:
        memory.put(entry, packed(entry.family, entry.zoom, 0, 0))
    return memory


def test_only_the_tiles_that_changed_are_forgotten() -> None:
    gone = [key(14, 5, 6), key(14, 5, 6, STAFF)]
    stays = [key(14, 5, 7), key(13, 5, 6), key(9, 5, 6)]
    memory = filled(*gone, *stays)
    assert memory.apply(change("plot", 2, 14, [(5, 6), (8, 8)])) == 2
    assert memory.apply(change("plot", 2, 9, None)) == 0
    assert [memory.get(entry) is None for entry in (*gone, *stays)] == [True] * 2 + [False] * 3
    assert memory.apply(change("plot", 3, 13, None)) == 1


def test_times_are_forgotten_from_the_change_on() -> None:
    entry = TileChange("plot", 2, 14, SINCE, frozenset({tile_code(5, 6)}))
    assert is_touched(key(14, 5, 6), entry)
    assert is_touched(key(14, 5, 6, at=NOW), entry)
    assert not is_touched(key(14, 5, 6, at=THEN), entry)
    # What the map held then does not change, unless the way it is drawn does.
    assert not is_touched(key(14, 5, 6, at=NOW, as_of=THEN), entry)
    assert is_touched(key(14, 5, 6, as_of=THEN), TileChange("plot", 2, 14, SINCE))
    assert is_touched(key(14, 9, 9, rest="filtered"), entry)
    memory = filled(key(14, 5, 6), key(14, 5, 6, at=THEN), key(3, 5, 6, rest="filtered"))
    assert memory.apply(entry) == 2
    assert len(memory) == 1


def test_deep_tiles_change_with_the_one_around_them() -> None:
    memory = filled(key(20, 4 * 5 + 3, 4 * 6), key(20, 4 * 5 + 4, 4 * 6))
    assert memory.apply(change("plot", 2, 18, [(5, 6)])) == 1
    assert memory.apply(change("plot", 2, 18, None)) == 1


@pytest.mark.parametrize("limit", [0, 5_000, 20_000])
def test_the_least_recently_used_go_and_the_limit_holds(limit: int) -> None:
    memory = TileMemory(limit)
    for number in range(50):
        entry = key(14, 1, number)
        memory.put(entry, packed(TOWN, 14, 1, number, os.urandom(1000)))
        memory.get(key(14, 1, 0))
        assert memory.bytes <= limit
    assert (len(memory) == 0) == (limit == 0)
    # The first was used after each other one, so it stays as long as any.
    assert (memory.get(key(14, 1, 0)) is not None) == (limit > 0)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 2000))))
def test_what_is_counted_is_what_is_kept(steps: list[tuple[int, int, int]]) -> None:
    memory = TileMemory(30_000)
    for kind, y, size in steps:
        entry = key(14, 1, y)
        if kind == 0:
            kept = memory.put(entry, packed(TOWN, 14, 1, y, os.urandom(size)))
            memory.add_form(kept, b"br", b"x" * size)
        elif kind == 1:
            memory.drop(entry)
        else:
            memory.apply(change("plot", 2, 14, [(1, y), (1, y + 1)]))
    costs = [kept.cost for y in range(31) if (kept := memory.get(key(14, 1, y)))]
    assert sum(costs) == memory.bytes <= 30_000
    memory.clear()
    assert memory.bytes == len(memory) == 0


@pytest.mark.parametrize(("coding", "name"), [(b"br", "brotli"), (b"zstd", "zstd")])
def test_other_codings_say_the_same(coding: bytes, name: str) -> None:
    data = b"tile" * 1000
    kept = TileMemory(100_000).put(key(14, 1, 1), packed(TOWN, 14, 1, 1, data))
    assert pa.decompress(kept.coded(coding), len(data), codec=name, asbytes=True) == data
    assert kept.coded(b"identity") == data
    assert kept.coded(b"gzip") == kept.tile.packed


def test_who_holds_a_tile_is_told_when_it_goes() -> None:
    told: list[int] = []
    memory = TileMemory(5_000)
    for number in range(10):
        kept = memory.put(key(14, 1, number), packed(TOWN, 14, 1, number, os.urandom(800)))
        kept.on_drop = lambda number=number: told.append(number)  # type: ignore[misc]
    memory.drop(key(14, 1, 9))
    assert told == [0, 1, 2, 3, 4, 5, 6, 7, 9]
