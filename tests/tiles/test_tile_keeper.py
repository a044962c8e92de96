"""Where tiles come from: rendered once however many ask, and never an outdated one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from layers.access import ANONYMOUS
from layers.tile_news import TileChange
from tests.api.town import read_catalogue
from tests.tiles.stores import Heard, change
from tiles.families import tile_family
from tiles.keeper import TileKeeper
from tiles.memory import TileMemory
from tiles.request import RenderedTile, TileRequest
from tiles.store_keeper import StoreKeeper, StorePlace
from tiles.tileset import map_tiles

CATALOGUE = read_catalogue()
TOWN = map_tiles(CATALOGUE, CATALOGUE.map("town"), ANONYMOUS)
FAMILY = tile_family(TOWN, ANONYMOUS)
ASKED = TileRequest(TOWN, (14, 5, 6))
TILES = [(5, 6)]


class Map:
    """A map whose only content is its versions."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        #: What the database holds, before anybody hears of it.
        self.versions = dict(heard.versions)
        self.rendered = 0
        self.pause = 0.005
        #: Called in the middle of a rendering, after its snapshot was taken.
        self.meanwhile: Callable[[], None] = lambda: None

    async def render(self, request: TileRequest) -> RenderedTile:
        names = [layer.name for layer in request.tileset.layers_at(request.place[0])]
        seen = tuple(self.versions[name] for name in names)
        data = b"" if request.place[2] == 0 else b"%d" % self.versions["plot"]
        self.rendered += 1
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        await asyncio.sleep(self.pause)
        return RenderedTile(data, seen)


class Process:
    """The caches of one server process."""

    def __init__(self, heard: Heard, root: Path | None) -> None:
        self.heard = heard
        self.map = Map(heard)
        place = None if root is None else StorePlace(root, 10**9)
        self.store = None if place is None else StoreKeeper(place, heard, CATALOGUE, [FAMILY])
        self.keeper = TileKeeper(heard, TileMemory(10**7), self.store)

    async def get(self, request: TileRequest = ASKED) -> tuple[bytes, str]:
        kept, level = await self.keeper.get(FAMILY, request, self.map.render)
        return kept.tile.unpacked(), level

    def change(self, *changes: TileChange) -> None:
        for entry in changes:
            self.map.versions[entry.layer] = entry.version
        self.keeper.hear(self.heard.news(*changes))


@asynccontextmanager
async def process(root: Path | None = None, heard: Heard | None = None) -> AsyncIterator[Process]:
    names = [layer.name for layer in CATALOGUE.layers.values()]
    made = Process(heard or Heard(dict.fromkeys(names, 1)), root)
    if made.store is not None:
        made.store.start()
        async with asyncio.timeout(10):
            while made.store.store is None:  # noqa: ASYNC110 -- nobody tells
                await asyncio.sleep(0.005)
    try:
        yield made
    finally:
        if made.store is not None:
            await made.store.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_many_who_ask_at_once_cause_one_rendering() -> None:
    async def ask() -> None:
        async with process() as one:
            answers = await asyncio.gather(*(one.get() for _ in range(20)))
            assert [level for _, level in answers] == ["rendered", *["shared"] * 19]
            assert (await one.get())[1] == "memory"
            assert one.map.rendered == 1

    run(ask)


def test_one_who_leaves_does_not_take_the_rendering_from_the_others() -> None:
    async def ask() -> None:
        async with process() as one:
            first = asyncio.create_task(one.get())
            second = asyncio.create_task(one.get())
            await asyncio.sleep(0.001)
            first.cancel()
            assert (await second)[0] == b"1"

    run(ask)


def test_a_failed_rendering_is_told_to_all_and_kept_for_none(tmp_path: Path) -> None:
    async def fail(_: TileRequest) -> RenderedTile:
        await asyncio.sleep(0.01)
        raise ConnectionError

    async def ask() -> None:
        async with process(tmp_path) as one:
            told = await asyncio.gather(
                *(one.keeper.get(FAMILY, ASKED, fail) for _ in range(3)), return_exceptions=True
            )
            assert all(isinstance(error, ConnectionError) for error in told)
            assert (await one.get())[1] == "rendered"

    run(ask)


@pytest.mark.parametrize("stored", [True, False])
def test_a_change_while_a_tile_is_drawn_is_in_it(tmp_path: Path, stored: bool) -> None:
    async def ask() -> None:
        async with process(tmp_path if stored else None) as one:
            one.map.meanwhile = lambda: one.change(change("plot", 2, 14, TILES))
            early = asyncio.create_task(one.get())
            await asyncio.sleep(0.002)
            # Heard already: who asks now must not get what was begun before.
            late = await one.get()
            assert late[0] == b"2"
            assert (await early)[0] == b"2"
            assert (await one.get()) == (b"2", "memory")

    run(ask)


def test_a_map_that_changes_faster_than_it_is_drawn_is_still_served() -> None:
    async def ask() -> None:
        async with process() as one:
            versions = iter(range(2, 100))

            def again() -> None:
                one.change(change("plot", next(versions), 14, TILES))
                one.map.meanwhile = again

            one.map.meanwhile = again
            _, level = await one.get()
            assert level == "rendered"
            one.map.meanwhile = lambda: None
            assert (await one.get())[1] == "rendered"

    run(ask)


def test_nothing_kept_is_trusted_while_changes_are_not_heard(tmp_path: Path) -> None:
    async def ask() -> None:
        async with process(tmp_path) as one:
            await one.get()
            one.heard.deaf = True
            one.map.versions["plot"] = 2
            assert await one.get() == (b"2", "rendered")
            assert await one.get() == (b"2", "rendered")
            one.heard.deaf = False
            one.change(change("plot", 2, 14, TILES))
            assert await one.get() == (b"2", "rendered")
            assert (await one.get())[1] == "memory"

    run(ask)


def test_processes_share_what_is_on_disk_and_render_once(tmp_path: Path) -> None:
    async def ask() -> None:
        async with process(tmp_path) as one, process(tmp_path) as two:
            one.map.pause = two.map.pause = 0.05
            first, second = await asyncio.gather(one.get(), two.get())
            assert sorted((first[1], second[1])) == ["rendered", "shared"]
            assert one.map.rendered + two.map.rendered == 1
            empty = TileRequest(TOWN, (14, 5, 0))
            assert await one.get(empty) == (b"", "rendered")
            assert await two.get(empty) == (b"", "disk")
        async with process(tmp_path) as again:
            assert await again.get() == (b"1", "disk")
            assert await again.get() == (b"1", "memory")

    run(ask)


def test_a_process_that_hears_first_does_not_believe_the_others(tmp_path: Path) -> None:
    """One process has not heard of a change and draws for both; the other one has."""

    async def ask() -> None:
        async with process(tmp_path) as one, process(tmp_path) as two:
            one.map.pause = 0.1
            early = asyncio.create_task(one.get())
            await asyncio.sleep(0.03)
            two.change(change("plot", 2, 14, TILES))
            assert await two.get() == (b"2", "rendered")
            assert (await early)[0] == b"1"
            # The sweep of the second has seen to it that the first one's is not on disk.
            async with process(tmp_path, two.heard) as three:
                three.map.versions = two.map.versions
                assert (await three.get())[0] == b"2"

    run(ask)


def test_changes_that_no_process_heard_are_caught_up(tmp_path: Path) -> None:
    async def ask() -> None:
        other = TileRequest(TOWN, (14, 5, 7))
        async with process(tmp_path) as one:
            await one.get()
            await one.get(other)
            heard = one.heard
        heard.news(change("plot", 2, 14, TILES))
        async with process(tmp_path, heard) as again:
            assert (await again.get())[1] == "rendered"
            assert (await again.get(other))[1] == "disk"

    run(ask)


def test_a_database_that_was_set_back_empties_its_layers(tmp_path: Path) -> None:
    async def ask() -> None:
        async with process(tmp_path) as one:
            one.change(change("plot", 2, 14, []))
            await one.get()
            # As the watch tells it: everything of the layer, at a smaller version.
            one.map.versions["plot"] = 1
            one.change(TileChange("plot", 1))
            assert await one.get() == (b"1", "rendered")
            await asyncio.sleep(0.3)
            async with process(tmp_path, one.heard) as two:
                two.map.versions["plot"] = 1
                assert (await two.get())[0] == b"1"

    run(ask)


def test_a_failing_disk_does_not_stop_the_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    async def ask() -> None:
        async with process(tmp_path) as one:
            with monkeypatch.context() as patch:
                patch.setattr(Path, "write_bytes", refuse)
                for y in range(6, 12):
                    request = TileRequest(TOWN, (14, 5, y))
                    assert (await one.get(request))[1] == "rendered"
                    assert (await one.get(request))[1] == "memory"
            one.change(change("plot", 2, 14, TILES))
            assert await one.get() == (b"2", "rendered")

    run(ask)


def test_the_link_for_servers_in_front_is_there_while_changes_are_heard(tmp_path: Path) -> None:
    link = tmp_path / "public"

    async def until(there: bool) -> None:
        async with asyncio.timeout(5):
            while link.exists() is not there:  # noqa: ASYNC110 -- nobody tells
                await asyncio.sleep(0.01)

    async def ask() -> None:
        async with process(tmp_path) as one:
            await until(True)
            await one.get()
            assert (link / "town/14/5/6.gz").is_file()
            one.heard.deaf = True
            await until(False)
            one.heard.deaf = False
            await until(True)
        assert not link.exists()

    run(ask)
