"""Connections for reading stay at hand between uses, and only good ones do."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from layers import connections_at_hand
from layers.errors import QueryTimeout
from layers.pool import ReadingPool
from layers.settings import LayersSettings
from tests.database import connected

BACKEND = select(func.pg_backend_pid())


def run(url: str, test: Callable[[ReadingPool], Awaitable[None]], **settings: float) -> None:
    async def bounded() -> None:
        given = {"database_url": SecretStr(url), **settings}
        pool = ReadingPool(LayersSettings.model_validate(given))
        try:
            async with asyncio.timeout(30):
                await test(pool)
        finally:
            await pool.close()

    asyncio.run(bounded())


async def backend(pool: ReadingPool) -> int:
    return int((await pool.fetch(BACKEND))[0][0])


async def backends(pool: ReadingPool) -> int:
    """How many connections the pool has: other tests have theirs, to other databases."""
    wanted = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'onemap' AND datname = current_database()"
    )
    return int((await pool.fetch_text(wanted, []))[0][0])


def at_hand(pool: ReadingPool) -> int:
    assert pool._connections is not None
    return pool._connections.free


def test_the_next_reading_has_the_same_connection(fresh_database: str) -> None:
    async def test(pool: ReadingPool) -> None:
        first = await backend(pool)
        assert {await backend(pool) for _ in range(5)} == {first}
        assert await backends(pool) == 1

    run(fresh_database, test)


def test_there_are_never_more_connections_than_the_pool_may_have(fresh_database: str) -> None:
    async def test(pool: ReadingPool) -> None:
        for _ in range(5):
            await asyncio.gather(*(backend(pool) for _ in range(20)))
        assert await backends(pool) <= 3

    run(fresh_database, test, pool_size=3)


def test_one_that_ended_at_hand_is_replaced(fresh_database: str) -> None:
    async def test(pool: ReadingPool) -> None:
        first = await backend(pool)
        with connected(fresh_database) as other:
            other.execute(select(func.pg_terminate_backend(first)))
        await asyncio.sleep(0.2)
        second = await backend(pool)
        assert second != first
        assert await backends(pool) == 1

    run(fresh_database, test)


def test_one_whose_query_was_given_up_goes_back_whole(fresh_database: str) -> None:
    async def test(pool: ReadingPool) -> None:
        task = asyncio.create_task(pool.fetch(select(func.pg_sleep(20))))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await backend(pool)
        with pytest.raises(QueryTimeout):
            await pool.fetch_text("SELECT pg_sleep(20)", [], limit_s=0.2)
        assert await backend(pool)
        assert pool.figures().in_use == 0

    run(fresh_database, test, pool_size=1)


def test_those_that_rest_go_back(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections_at_hand, "_REST_S", 0.1)

    async def test(pool: ReadingPool) -> None:
        first = await backend(pool)
        await asyncio.sleep(0.3)
        assert not at_hand(pool)
        assert await backend(pool) == first
        assert at_hand(pool) == 1

    run(fresh_database, test)


def test_the_pool_sees_each_from_time_to_time(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_at_hand, "_MOST_USES", 3)

    async def test(pool: ReadingPool) -> None:
        seen = []
        for _ in range(6):
            await backend(pool)
            seen.append(at_hand(pool))
        assert seen == [1, 1, 0, 1, 1, 0]

    run(fresh_database, test)
