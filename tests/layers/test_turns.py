"""Places are shared out: in turn, bounded, and never all to one."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.errors import DatabaseBusy
from layers.turns import Turns

Log = list[str]


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(bounded())


async def hold(turns: Turns, share: str, log: Log, until: asyncio.Event) -> None:
    async with turns.turn(share):
        log.append(share)
        await until.wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_one_share_leaves_the_last_place_to_others() -> None:
    async def test() -> None:
        turns, log, end = Turns(4, 100, 60), Log(), asyncio.Event()
        tasks = [asyncio.create_task(hold(turns, "slow", log, end)) for _ in range(50)]
        await settle()
        assert (turns.in_use, turns.waiting) == (3, 47)
        for _ in range(20):
            async with asyncio.timeout(1), turns.turn("other"):
                assert turns.in_use == 4
        end.set()
        await asyncio.gather(*tasks)
        assert (turns.in_use, turns.waiting) == (0, 0)

    run(test)


def test_a_single_place_is_for_everybody() -> None:
    async def test() -> None:
        turns = Turns(1, 10, 60)
        async with turns.turn("only"):
            assert turns.in_use == 1

    run(test)


def test_shares_take_turns_however_many_wait_in_each() -> None:
    async def test() -> None:
        turns, log, end = Turns(1, 100, 60), Log(), asyncio.Event()
        first = asyncio.create_task(hold(turns, "first", log, end))
        await settle()
        wish = ["many"] * 30 + ["few"] * 3 + ["one"]
        tasks = [asyncio.create_task(hold(turns, share, log, end)) for share in wish]
        await settle()
        end.set()
        await asyncio.gather(first, *tasks)
        assert log[:8] == ["first", "many", "few", "one", "many", "few", "many", "few"]
        assert Counter(log[1:]) == Counter(wish)

    run(test)


def test_shares_known_to_be_slow_leave_a_place_together() -> None:
    async def test() -> None:
        turns, log, end = Turns(3, 100, 60), Log(), asyncio.Event()
        for share in ("mud", "tar"):
            turns._note(share, 2.0)
        tasks = [
            asyncio.create_task(hold(turns, share, log, end)) for share in ("mud", "tar", "mud")
        ]
        await settle()
        assert sorted(log) == ["mud", "tar"]
        async with asyncio.timeout(1), turns.turn("quick"):
            pass
        end.set()
        await asyncio.gather(*tasks)

    run(test)


def test_a_full_line_refuses_at_once_and_the_longest_share_first() -> None:
    async def test() -> None:
        turns, log, end = Turns(2, 4, 60), Log(), asyncio.Event()
        tasks = [asyncio.create_task(hold(turns, "greedy", log, end)) for _ in range(5)]
        await settle()
        assert (turns.in_use, turns.waiting) == (1, 4)
        with pytest.raises(DatabaseBusy):
            async with turns.turn("greedy"):
                pass
        other = asyncio.create_task(hold(turns, "other", log, end))
        await settle()
        assert log[-1] == "other"
        late = asyncio.create_task(hold(turns, "other", log, end))
        await settle()
        assert isinstance(tasks[-1].exception(), DatabaseBusy)
        assert (turns.waiting, turns.refused) == (4, 2)
        end.set()
        await asyncio.gather(*tasks[:-1], other, late)

    run(test)


def test_who_waits_too_long_is_sent_away() -> None:
    async def test() -> None:
        turns, end = Turns(1, 4, 0.05), asyncio.Event()
        first = asyncio.create_task(hold(turns, "a", [], end))
        await settle()
        with pytest.raises(DatabaseBusy):
            await hold(turns, "b", [], end)
        assert (turns.expired, turns.waiting) == (1, 0)
        end.set()
        await first

    run(test)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 4),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["work", "leave", "fail", "rest"])),
        max_size=40,
    ),
)
def test_whatever_happens_every_place_comes_back(places: int, acts: list[tuple[str, str]]) -> None:
    async def test() -> None:
        turns = Turns(places, 6, 60)

        async def work(share: str, act: str) -> None:
            async with turns.turn(share):
                assert turns.in_use <= places
                await asyncio.sleep(0)
                if act == "fail":
                    raise ValueError

        tasks = []
        for share, act in acts:
            task = asyncio.create_task(work(share, act))
            tasks.append(task)
            if act == "rest":
                await asyncio.sleep(0)
            if act == "leave":
                await asyncio.sleep(0)
                task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        expected = (DatabaseBusy, ValueError, asyncio.CancelledError)
        assert all(end is None or isinstance(end, expected) for end in ends)
        assert (turns.in_use, turns.waiting) == (0, 0)
        assert not turns._lines
        assert not turns._held

    run(test)


def test_a_further_place_is_given_only_of_what_nobody_needs() -> None:
    async def test() -> None:
        turns, log, end = Turns(4, 100, 60), Log(), asyncio.Event()
        async with turns.turn("one"), turns.spare_turn("one") as second:
            assert second
            assert turns.in_use == 2
            async with turns.spare_turn("one") as third, turns.spare_turn("other") as other:
                assert not third
                assert not other
                assert turns.in_use == 2
        assert turns.in_use == 0
        tasks = [asyncio.create_task(hold(turns, "slow", log, end)) for _ in range(4)]
        await settle()
        # One waits for a place that the share may not have.
        assert (turns.in_use, turns.waiting) == (3, 1)
        async with turns.spare_turn("other") as further:
            assert not further
        end.set()
        await asyncio.gather(*tasks)
        async with turns.turn("one"), turns.spare_turn("one") as further:
            assert further
        assert turns.in_use == 0

    run(test)
