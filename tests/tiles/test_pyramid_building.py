"""Building pyramids: in processes, after one that was killed, and one at a time."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from sqlalchemy import func, select, text

from layers.errors import LayerBusy
from layers.pyramid_bands import bands_of
from layers.pyramid_store import PyramidStore
from layers.pyramid_tables import band_table_name
from layers.tile_queries import tile_rows
from tests.database import connected
from tests.layers.conftest import plot_definition
from tests.layers.surveys import day, load
from tests.layers.test_histories import World
from tests.tiles.test_pyramid_histories import LAYER, pyramid_rows, world
from tiles.generaliser import Cell
from tiles.pyramid.building import build_pyramid
from tiles.pyramid.cells import PyramidFailed, blocks_of, cells_in, tile_ranges

__all__ = ["world"]

ROOT = Path(__file__).parents[2]
_STATES = {f"k{number}": number for number in range(40)}


def counted(url: str, z: int) -> dict[bool, int]:
    """How many rows tiles of a zoom are cut from, by whether they are generalised."""
    rows = tile_rows(LAYER, z=z).subquery("rows")
    with connected(url) as connection:
        found = connection.execute(
            select(rows.c.generalised, func.count()).group_by(rows.c.generalised)
        )
        return {bool(row[0]): int(row[1]) for row in found}


def test_until_it_is_built_tiles_are_cut_from_the_layer(world: Callable[[], World]) -> None:
    begun = world()
    load(begun.store, LAYER, _STATES, day(3))
    assert counted(begun.url, 9) == {False: 40}
    pyramid = PyramidStore(begun.url)
    try:
        assert pyramid.behind([LAYER]) == ["plot"]
        build_pyramid(pyramid, LAYER, processes=1)
        assert pyramid.behind([LAYER]) == []
        assert [state.behind for state in pyramid.states(LAYER, bands_of(LAYER))] == [0, 0]
    finally:
        pyramid.close()
    assert counted(begun.url, 9) == {True: 40}
    assert counted(begun.url, 16) == {False: 40}


def test_another_definition_is_not_shown_rows_of_the_old_one(world: Callable[[], World]) -> None:
    begun = world()
    load(begun.store, LAYER, _STATES, day(3))
    document = LAYER.tiles.model_dump(mode="json")
    document["pyramid"][1]["tolerance"] = 9
    other = plot_definition(tiles=document)
    pyramid = PyramidStore(begun.url)
    try:
        build_pyramid(pyramid, LAYER, processes=1)
        rows = tile_rows(other, z=14).subquery("rows")
        with connected(begun.url) as connection:
            shown = connection.execute(select(rows.c.generalised).distinct()).scalars().all()
        assert shown == [False]
        # The coarser band is made from the finer one: it is of another definition too.
        assert len(build_pyramid(pyramid, other, processes=1)) == 2
    finally:
        pyramid.close()


def test_processes_give_what_one_gives(
    world: Callable[[], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = world()
    load(begun.store, LAYER, _STATES, day(3))
    pyramid = PyramidStore(begun.url)
    try:
        build_pyramid(pyramid, LAYER, processes=1)
        alone = pyramid_rows(begun.url)
        for module in ("building", "touched"):
            monkeypatch.setattr(f"tiles.pyramid.{module}.SMALL", 0)
        monkeypatch.setattr("tiles.pyramid.cells._BLOCK_VERSIONS", 4)
        build_pyramid(pyramid, LAYER, processes=2, anew=True)
        assert pyramid_rows(begun.url) == alone
    finally:
        pyramid.close()


def test_two_processes_do_not_build_one_layer(world: Callable[[], World]) -> None:
    begun = world()
    load(begun.store, LAYER, _STATES, day(3))
    first, second = PyramidStore(begun.url), PyramidStore(begun.url)
    try:
        with first.building(LAYER, 1.0), pytest.raises(LayerBusy, match="another process"):
            build_pyramid(second, LAYER, processes=1, wait_s=0.2)
        assert build_pyramid(second, LAYER, processes=1, wait_s=0.2)
    finally:
        first.close()
        second.close()


_KILLED = """
    import sys
    from layers.pyramid_store import BandWriter, PyramidStore
    from tests.tiles.test_pyramid_histories import LAYER
    from tiles.generaliser import Cell
    from tiles.pyramid.building import build_pyramid

    def wait(*_):
        print("here", flush=True)
        sys.stdin.read()

    setattr(BandWriter, sys.argv[2], wait)
    build_pyramid(PyramidStore(sys.argv[1]), LAYER, processes=1)
"""


@pytest.mark.parametrize("point", ["close_rows", "finish"])
def test_a_killed_building_leaves_the_pyramid_as_it_was(
    point: str, world: Callable[[], World]
) -> None:
    begun = world()
    pyramid = PyramidStore(begun.url)
    try:
        load(begun.store, LAYER, _STATES, day(3))
        build_pyramid(pyramid, LAYER, processes=1)
        before = pyramid_rows(begun.url)
        load(begun.store, LAYER, {"k1": 100, "k2": 101}, day(4))
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_KILLED), begun.url, point],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        with pytest.raises(LayerBusy):
            build_pyramid(pyramid, LAYER, processes=1, wait_s=0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert pyramid_rows(begun.url) == before
        built = build_pyramid(pyramid, LAYER, processes=1, wait_s=10.0)
        assert [band.anew for band in built] == [False, False]
        followed = pyramid_rows(begun.url)
        build_pyramid(pyramid, LAYER, processes=1, anew=True)
        assert pyramid_rows(begun.url) == followed != before
    finally:
        pyramid.close()


def test_readers_see_one_version_while_a_band_is_made_anew(world: Callable[[], World]) -> None:
    begun = world()
    load(begun.store, LAYER, _STATES, day(3))
    pyramid = PyramidStore(begun.url)
    seen: list[dict[bool, int]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(counted(begun.url, 14))
            time.sleep(0.01)

    reader = threading.Thread(target=look)
    try:
        build_pyramid(pyramid, LAYER, processes=1)
        reader.start()
        for _ in range(3):
            build_pyramid(pyramid, LAYER, processes=1, anew=True)
    finally:
        stop.set()
        reader.join()
        pyramid.close()
    assert seen
    assert all(found == {True: 40} for found in seen)


def test_a_cell_that_fails_is_named(
    world: Callable[[], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = world()
    load(begun.store, LAYER, {"a": 1}, day(3))

    def broken(*_: Any) -> Any:
        raise ValueError("no such thing")

    monkeypatch.setattr("tiles.generalisers.simplify.Simplify.generalise", broken)
    pyramid = PyramidStore(begun.url)
    try:
        with pytest.raises(PyramidFailed, match=r"plot: zooms 12 to 15: the cell 15/\d+/\d+"):
            build_pyramid(pyramid, LAYER, processes=1)
    finally:
        pyramid.close()
    assert counted(begun.url, 14) == {False: 1}


def test_cells_are_put_together_while_they_are_few() -> None:
    bounds = shapely.bounds(shapely.points(np.arange(64) * 1e4, np.arange(64) % 8 * 1e4))
    cells = cells_in(tile_ranges(bounds, 12, 0.0), np.full(64, 1_000))
    blocks = blocks_of(cells, 12)
    assert {cell.code for block in blocks for cell in block.cells} == set(cells)
    assert 1 < len(blocks) < len(cells)
    assert all(sum(cells[cell.code] for cell in block.cells) <= 6_000 for block in blocks)


def test_what_is_read_together_holds_little_else() -> None:
    """One dense cell in the middle: the box around others must not hold it."""
    dense = (2048, 2048)
    cells = {
        x << 24 | y: 100_000 if (x, y) == dense else 1
        for x in range(2040, 2057)
        for y in range(2040, 2057)
    }
    blocks = blocks_of(cells, 12)
    assert sum(len(block.cells) for block in blocks) == len(cells)
    for block in blocks:
        west, south, east, north = block.box(-1.0)
        inside = [
            code
            for code in cells
            if Cell(12, code >> 24, code & 0xFFFFFF).box[0] < east
            and Cell(12, code >> 24, code & 0xFFFFFF).box[2] > west
            and Cell(12, code >> 24, code & 0xFFFFFF).box[1] < north
            and Cell(12, code >> 24, code & 0xFFFFFF).box[3] > south
        ]
        assert len(block.cells) == 1 or sum(cells[code] for code in inside) <= 6_000
    assert len(blocks) < 60


def test_the_tables_are_named_after_layer_and_zoom(world: Callable[[], World]) -> None:
    begun = world()
    with connected(begun.url) as connection:
        names = connection.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'pyramid'")
        ).scalars()
        assert set(names) == {band_table_name(LAYER, band) for band in bands_of(LAYER)}
