"""The tile cache: bounded, rendered once, never keeping a failure."""

import asyncio
import gzip
import os

import pytest

from tiles.cache import TileCache, store


async def _bytes(tile: bytes) -> bytes:
    return tile


def test_the_same_bytes_are_stored_the_same() -> None:
    tile = os.urandom(5000)
    assert store(tile) == store(tile)
    assert store(tile).unpacked() == tile
    assert gzip.decompress(store(tile).packed) == tile


def test_an_empty_tile_stays_empty() -> None:
    assert store(b"").packed == b""
    assert store(b"").unpacked() == b""


def test_many_who_ask_at_once_cause_one_rendering() -> None:
    rendered = 0

    async def render() -> bytes:
        nonlocal rendered
        rendered += 1
        await asyncio.sleep(0.01)
        return b"tile"

    async def ask() -> list[str]:
        cache = TileCache(100_000)
        answers = await asyncio.gather(*(cache.get("key", render) for _ in range(20)))
        assert {tile.unpacked() for tile, _ in answers} == {b"tile"}
        return [source for _, source in answers] + [(await cache.get("key", render))[1]]

    sources = asyncio.run(ask())
    assert rendered == 1
    assert sources == ["rendered", *["shared"] * 19, "memory"]


def test_one_who_leaves_does_not_take_the_rendering_from_the_others() -> None:
    async def render() -> bytes:
        await asyncio.sleep(0.02)
        return b"tile"

    async def ask() -> bytes:
        cache = TileCache(100_000)
        first = asyncio.create_task(cache.get("key", render))
        second = asyncio.create_task(cache.get("key", render))
        await asyncio.sleep(0.005)
        first.cancel()
        tile, _ = await second
        return tile.unpacked()

    assert asyncio.run(ask()) == b"tile"


def test_a_failed_rendering_is_told_to_all_and_kept_for_none() -> None:
    async def fail() -> bytes:
        await asyncio.sleep(0.01)
        raise ConnectionError

    async def ask() -> None:
        cache = TileCache(100_000)
        told = await asyncio.gather(
            *(cache.get("key", fail) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(error, ConnectionError) for error in told)
        assert len(cache) == 0
        tile, source = await cache.get("key", lambda: _bytes(b"well"))
        assert (tile.unpacked(), source) == (b"well", "rendered")

    asyncio.run(ask())


@pytest.mark.parametrize("limit", [0, 5_000, 20_000])
def test_the_least_recently_used_go_and_the_limit_holds(limit: int) -> None:
    async def fill() -> None:
        cache = TileCache(limit)
        for number in range(50):
            await cache.get(number, lambda: _bytes(os.urandom(1000)))
            if number and cache.peek(0) is not None:
                assert cache.bytes <= limit
            assert cache.bytes <= limit
        assert (len(cache) == 0) == (limit == 0)
        # Tile 0 was used after each other one, so it stays as long as any.
        assert (cache.peek(0) is not None) == (limit > 0)

    asyncio.run(fill())
