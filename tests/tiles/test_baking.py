"""Bakes of the test town: every tile as the renderer gives it, whatever happens on the way."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import shapely
from pmtiles.reader import MmapSource, Reader, all_tiles
from pydantic import SecretStr
from sqlalchemy import text

from gis import mercator
from gis.tile_cover import tiles_showing
from gis.times import parse_instant
from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.settings import LayersSettings
from layers.store import Store
from layers.tile_changes import keep_changes
from tests.api.town import SECOND, SOUTH, STEP, WEST, lanes, load_rows, plots, town_of_ones_own
from tests.database import connected
from tests.tiles.conftest import renderer_over
from tiles.archives.errors import BadArchive
from tiles.archives.facts import BakeScope
from tiles.archives.reading import ArchiveFile
from tiles.baking.bake import Bake, Baked, BakeProgress
from tiles.baking.batches import BatchRenderer
from tiles.baking.chunks import Chunk, DamagedChunk, read_chunk, write_chunk
from tiles.baking.hands import own_hands
from tiles.baking.journal import BakeBusy, Journal, JournalHead
from tiles.baking.work import bake_task, make_chunk, reader_of, renderer_of
from tiles.grids import tiles_over
from tiles.packing import pack
from tiles.request import TileRequest
from tiles.tileset import map_tiles

BOUNDS = (114.28, 29.82, 114.36, 29.89)
SCOPE = BakeScope(map="town", zooms=(6, 15), bbox=BOUNDS)


def settings_of(url: str) -> LayersSettings:
    return LayersSettings(database_url=SecretStr(url), pool_size=2)


def bake(
    url: str,
    catalogue: Catalogue,
    target: Path,
    scope: BakeScope = SCOPE,
    *,
    refresh: bool = False,
    workers: int = 3,
    tell: Callable[[BakeProgress], None] = lambda _: None,
) -> Baked:
    task = bake_task(settings_of(url), catalogue, scope)

    async def run() -> Baked:
        reader = reader_of(task, 3)
        try:
            async with own_hands(task, workers) as hands:
                return await Bake(task, catalogue, reader, hands).run(target, tell, refresh=refresh)
        finally:
            await reader.close()

    return asyncio.run(run())


def tiles_of(path: Path) -> dict[tuple[int, int, int], bytes]:
    """All tiles of an archive, as the reference library reads them, unpacked."""
    archive = ArchiveFile(path)
    with path.open("rb") as file:
        packed = dict(all_tiles(MmapSource(file)))
        reader = Reader(MmapSource(file))
        assert all(reader.get(*place) == data for place, data in list(packed.items())[:50])
    read = {place: archive.tile(*place, "").unpacked() for place in packed}
    archive.close()
    return read


def places(scope: BakeScope) -> Iterator[tuple[int, int, int]]:
    for z in range(scope.zooms[0], scope.zooms[1] + 1):
        left, top, right, bottom = tiles_over(scope.bbox, z)
        yield from ((z, x, y) for x in range(left, right + 1) for y in range(top, bottom + 1))


def rendered(url: str, catalogue: Catalogue, scope: BakeScope) -> dict[tuple[int, int, int], bytes]:
    """All tiles that are not empty, each rendered alone."""
    render = renderer_over(url, catalogue)
    town = map_tiles(catalogue, catalogue.map("town"), ANONYMOUS)
    found = {}
    for place in places(scope):
        tile = render(TileRequest(town, place, at=scope.at, as_of=scope.as_of))
        if tile.data:
            found[place] = tile.data
    return found


@pytest.fixture
def town(cluster: str, postgis_template: str, catalogue: Catalogue) -> Iterator[tuple[Store, str]]:
    """A town of one's own."""
    with town_of_ones_own(cluster, postgis_template, catalogue) as found:
        yield found


@pytest.mark.parametrize("at", [None, "2013-01-01"])
def test_every_tile_is_what_rendering_it_alone_gives(
    town_url: str, catalogue: Catalogue, tmp_path: Path, at: str | None
) -> None:
    moment = None if at is None else parse_instant(at)
    scope = SCOPE.model_copy(update={"at": moment, "zooms": (6, 14)})
    told: list[BakeProgress] = []
    target = tmp_path / "town.pmtiles"
    done = bake(town_url, catalogue, target, scope, tell=told.append)
    assert tiles_of(target) == rendered(town_url, catalogue, scope)
    assert done.rendered == told[-1].done == told[-1].total
    # Around the town nothing is rendered.
    assert done.tiles <= done.rendered < sum(1 for _ in places(scope))
    assert [path.name for path in tmp_path.iterdir()] == ["town.pmtiles"]
    with target.open("rb") as file:
        metadata = Reader(MmapSource(file)).metadata()
    assert {layer["id"] for layer in metadata["vector_layers"]} >= {"plot", "lane", "lamp"}
    assert "secret" not in str(metadata)


def test_the_same_map_gives_the_same_archive(
    town_url: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    scope = SCOPE.model_copy(update={"zooms": (10, 14)})
    for name in ("a", "b"):
        bake(town_url, catalogue, tmp_path / name, scope, workers=1 if name == "a" else 3)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def _killed_after(chunks: int, url: str, catalogue: Catalogue, target: Path) -> None:
    left = chunks

    def count(_: BakeProgress) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    bake(url, catalogue, target, tell=count)


def test_a_killed_bake_goes_on_where_it_was(
    town_url: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    whole, target = tmp_path / "whole.pmtiles", tmp_path / "town.pmtiles"
    everything = bake(town_url, catalogue, whole)
    kept = 0
    for chunks in (3, 9):
        process = get_context("fork").Process(
            target=_killed_after, args=(chunks, town_url, catalogue, target)
        )
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        assert not target.exists()
        part = tmp_path / "town.pmtiles.part"
        # As if the machine had failed too, in the middle of a chunk.
        part.write_bytes(part.read_bytes()[:-7])
    done = bake(town_url, catalogue, target)
    kept = done.kept
    assert 0 < kept < everything.rendered
    assert kept + done.rendered == everything.rendered
    assert target.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "town.pmtiles.part").exists()


def test_a_bake_of_something_else_begins_anew(
    town_url: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    target = tmp_path / "town.pmtiles"
    process = get_context("fork").Process(
        target=_killed_after, args=(9, town_url, catalogue, target)
    )
    process.start()
    process.join(60)
    scope = SCOPE.model_copy(update={"zooms": (12, 13)})
    done = bake(town_url, catalogue, target, scope)
    assert done.kept == 0
    assert tiles_of(target) == rendered(town_url, catalogue, scope)


def test_two_do_not_bake_the_same_file(tmp_path: Path) -> None:
    head = JournalHead(scope=SCOPE, generation="g", tile_versions={})
    journal = Journal(tmp_path / "x.part", head)
    with pytest.raises(BakeBusy):
        Journal(tmp_path / "x.part", head)
    journal.close()
    Journal(tmp_path / "x.part", head).close()


def tell_tiles(url: str, layer: str, *shapes: shapely.Geometry) -> None:
    """Say of the last change which tiles it touched, as a load that knows them does."""
    corners = [mercator.forward(*np.array(shape.bounds).reshape(2, 2).T) for shape in shapes]
    boxes = [shapely.box(x[0], y[0], x[1], y[1]) for x, y in corners]
    tiles = tiles_showing(np.array(boxes, object), range(19), 64 / 4096, 10_000)
    where = {"layer": layer}
    with connected(url) as connection:
        version, since = connection.execute(
            text(
                "SELECT tile_version, valid_from FROM onemap.tile_change "
                "WHERE layer = :layer ORDER BY tile_version DESC LIMIT 1"
            ),
            where,
        ).one()
        connection.execute(
            text("DELETE FROM onemap.tile_change WHERE layer = :layer AND tile_version = :version"),
            where | {"version": version},
        )
        keep_changes(connection, layer, version, since, tiles)


def changed_plot() -> list[dict[str, object]]:
    return [plots("08")[7]]


def test_refreshing_renders_what_changed_and_gives_what_baking_anew_gives(
    town: tuple[Store, str], catalogue: Catalogue, tmp_path: Path
) -> None:
    store, url = town
    target, anew = tmp_path / "town.pmtiles", tmp_path / "anew.pmtiles"
    first = bake(url, catalogue, target)
    before = target.read_bytes()
    nothing = bake(url, catalogue, target, refresh=True)
    assert (nothing.rendered, nothing.refreshed) == (0, True)
    assert target.read_bytes() == before
    load_rows(store, catalogue.layer("plot"), changed_plot(), datetime_of("2021-01-01"))
    tell_tiles(url, "plot", plots()[7]["geometry"])
    far = [{"code": "FAR", "use": "01", "geometry": square(114.285, 29.825)}]
    load_rows(store, catalogue.layer("plot"), far, datetime_of("2021-01-01"))
    tell_tiles(url, "plot", square(114.285, 29.825))
    done = bake(url, catalogue, target, refresh=True)
    assert done.refreshed
    assert 0 < done.rendered < first.rendered / 2
    bake(url, catalogue, anew)
    assert tiles_of(target) == tiles_of(anew) == rendered(url, catalogue, SCOPE)
    assert target.read_bytes() != before


@pytest.mark.slow
def test_refreshing_removes_what_is_gone(
    town: tuple[Store, str], catalogue: Catalogue, tmp_path: Path
) -> None:
    store, url = town
    target = tmp_path / "town.pmtiles"
    far = [{"code": "FAR", "use": "01", "geometry": square(114.285, 29.825)}]
    load_rows(store, catalogue.layer("plot"), far, SECOND)
    bake(url, catalogue, target)
    load_rows(store, catalogue.layer("plot"), plots("08"), datetime_of("2021-01-01"), full=True)
    bake(url, catalogue, target, refresh=True)
    assert tiles_of(target) == rendered(url, catalogue, SCOPE)


def test_an_archive_of_a_past_day_is_not_touched_by_later_surveys(
    town: tuple[Store, str], catalogue: Catalogue, tmp_path: Path
) -> None:
    store, url = town
    scope = SCOPE.model_copy(update={"at": datetime_of("2013-01-01"), "zooms": (12, 14)})
    target = tmp_path / "town.pmtiles"
    bake(url, catalogue, target, scope)
    load_rows(store, catalogue.layer("plot"), changed_plot(), datetime_of("2021-01-01"))
    assert bake(url, catalogue, target, scope, refresh=True).rendered == 0
    load_rows(store, catalogue.layer("lane"), lanes()[:1], datetime_of("2012-12-01"))
    bake(url, catalogue, target, scope, refresh=True)
    assert tiles_of(target) == rendered(url, catalogue, scope)


@pytest.mark.slow
def test_what_changes_meanwhile_is_in_the_archive(
    town: tuple[Store, str], catalogue: Catalogue, tmp_path: Path
) -> None:
    store, url = town
    loads = iter(["2021-01-01", "2022-01-01"])

    def load(progress: BakeProgress) -> None:
        day = next(loads, None) if progress.done > 20 else None
        if day is not None:
            load_rows(store, catalogue.layer("plot"), [plots(day[2:4])[7]], datetime_of(day))

    target = tmp_path / "town.pmtiles"
    bake(url, catalogue, target, tell=load)
    assert next(loads, None) is None
    assert tiles_of(target) == rendered(url, catalogue, SCOPE)
    archive = ArchiveFile(target)
    assert archive.contents.facts.tile_versions["plot"] == 4
    archive.close()


def test_processes_give_what_one_gives(town_url: str, catalogue: Catalogue, tmp_path: Path) -> None:
    scope = SCOPE.model_copy(update={"zooms": (12, 14)})
    bake(town_url, catalogue, tmp_path / "one", scope)
    bake(town_url, catalogue, tmp_path / "many", scope, workers=9)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()


def test_there_must_be_an_archive_to_refresh(
    town_url: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(BadArchive, match="cannot be read"):
        bake(town_url, catalogue, tmp_path / "none", refresh=True)
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(BadArchive, match="no PMTiles"):
        bake(town_url, catalogue, tmp_path / "text", refresh=True)


@pytest.mark.slow
def test_what_cannot_be_rendered_stops_the_bake_and_keeps_the_rest(
    town: tuple[Store, str], catalogue: Catalogue, tmp_path: Path
) -> None:
    _, url = town
    target = tmp_path / "town.pmtiles"

    class Broken(Exception):
        pass

    def fail(progress: BakeProgress) -> None:
        if progress.done > 30:
            raise Broken

    with pytest.raises(ExceptionGroup):
        bake(url, catalogue, target, tell=fail)
    done = bake(url, catalogue, target)
    assert done.kept > 30
    assert tiles_of(target) == rendered(url, catalogue, SCOPE)


def test_batches_know_where_nothing_is(town_url: str, catalogue: Catalogue) -> None:
    task = bake_task(settings_of(town_url), catalogue, SCOPE)

    async def run() -> tuple[list[tuple[int, int]], bytes]:
        reader = reader_of(task, 1)
        renderer: BatchRenderer = renderer_of(task, reader)
        left, top, right, bottom = tiles_over((114.1, 29.7, 114.5, 30.0), 12)
        asked = [(x, y) for x in range(left, right + 1) for y in range(top, bottom + 1)]
        try:
            found = await renderer.occupied(14, 12, asked)
            return found, await make_chunk(renderer, Chunk(14, (first := 10**8, first + 1)))
        finally:
            await reader.close()

    found, made = asyncio.run(run())
    town = tiles_over((WEST, SOUTH, WEST + 20 * STEP, SOUTH + 15 * STEP), 12)
    inner = {(x, y) for x in range(town[0], town[2] + 1) for y in range(town[1], town[3] + 1)}
    assert inner <= set(found)
    assert len(found) <= len(inner) + 6
    assert read_chunk(memoryview(made)).index.lengths.tolist() == [0, 0]


def test_damaged_chunks_are_known() -> None:
    tiles = [pack(b"abc", ""), pack(b"", ""), pack(b"de", "", ("plot",))]
    chunk = write_chunk(Chunk(5, (400, 401, 402)), (7, 8), tiles)
    made = read_chunk(memoryview(b"...." + chunk), 4)
    assert (made.versions, made.end) == ((7, 8), 4 + len(chunk))
    assert np.array_equal(made.moved(0).index.offsets, made.index.offsets - 4)
    for place in range(len(chunk)):
        broken = bytearray(chunk)
        broken[place] ^= 1
        with pytest.raises(DamagedChunk):
            read_chunk(memoryview(broken))
    for size in range(len(chunk)):
        with pytest.raises(DamagedChunk):
            read_chunk(memoryview(chunk[:size]))


def datetime_of(day: str) -> datetime:
    return parse_instant(day)


def square(west: float, south: float) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([shapely.box(west, south, west + 0.001, south + 0.001)])
