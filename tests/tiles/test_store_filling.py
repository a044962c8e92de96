"""Filling the tile store, and bakes on a cluster."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.settings import ApiSettings
from gis.times import parse_instant
from layers.catalogue import Catalogue
from layers.store import Store
from tests.api.town import HERE, load_rows, plots, serving, town_of_ones_own, wait_until_ready
from tests.conftest import ROOT
from tests.tiles.test_baking import SCOPE, bake, places, rendered, settings_of, tell_tiles
from tiles.baking.filling import Filled, StoreFiller, StoreUnready
from tiles.baking.work import bake_task, reader_of
from tiles.store_keeper import StoreKeeper, StorePlace, public_families

FEW = SCOPE.model_copy(update={"zooms": (10, 14)})


@pytest.fixture
def town(cluster: str, postgis_template: str, catalogue: Catalogue) -> Iterator[tuple[Store, str]]:
    """A town of one's own."""
    with town_of_ones_own(cluster, postgis_template, catalogue) as found:
        yield found


def filled(url: str, catalogue: Catalogue, root: Path, most: int = 10**9) -> Filled:
    task = bake_task(settings_of(url), catalogue, FEW)

    async def run() -> Filled:
        reader = reader_of(task, 2)
        keeper = StoreKeeper(StorePlace(root, most), reader, catalogue, public_families(catalogue))
        reader.follow_tiles(keeper.hear)
        filler = StoreFiller(task, reader, keeper, 2)
        reader.start()
        keeper.start()
        try:
            return await filler.fill()
        finally:
            await keeper.stop()
            await reader.close()

    return asyncio.run(run())


def test_the_first_visitor_finds_everything(
    town: tuple[Store, str], catalogue: Catalogue, tmp_path: Path
) -> None:
    store, url = town
    first = filled(url, catalogue, tmp_path)
    assert first.rendered > 0
    assert filled(url, catalogue, tmp_path).rendered == 0
    changed = plots("08")[7]
    load_rows(store, catalogue.layer("plot"), [changed], parse_instant("2021-01-01"))
    tell_tiles(url, "plot", changed["geometry"])
    assert 0 < filled(url, catalogue, tmp_path).rendered < first.rendered
    wanted = rendered(url, catalogue, FEW)
    settings = ApiSettings(
        default_map="town", web_root=HERE / "no-such-folder", tile_store=tmp_path, tile_cache_mb=0
    )
    with (
        serving(settings, url, catalogue) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        wait_until_ready(client)
        # The server opens its store within moments.
        some = "/tiles/town/{}/{}/{}".format(*next(iter(wanted)))
        deadline = time.monotonic() + 10
        while client.get(some).headers["x-cache"] != "disk":
            assert time.monotonic() < deadline
        for z, x, y in places(FEW):
            answer = client.get(f"/tiles/town/{z}/{x}/{y}")
            assert answer.content == wanted.get((z, x, y), b"")
            if (z, x, y) in wanted:
                assert answer.headers["x-cache"] == "disk"


def test_a_store_without_room_is_not_filled(
    town: tuple[Store, str], catalogue: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(StoreUnready, match="full"):
        filled(town[1], catalogue, tmp_path, 2_000)


_ON_CLUSTER = """
import asyncio, sys
from pathlib import Path
from distributed import LocalCluster
from tests.api.town import read_catalogue
from tests.tiles.test_baking import SCOPE, settings_of
from tiles.baking.bake import Bake
from tiles.baking.cluster import cluster_hands
from tiles.baking.work import bake_task, reader_of

async def main(url, target, address):
    catalogue = read_catalogue()
    task = bake_task(settings_of(url), catalogue, SCOPE)
    reader = reader_of(task, 2)
    async with cluster_hands(task, address) as hands:
        assert hands.at_once == 4
        done = await Bake(task, catalogue, reader, hands).run(Path(target), refresh=False)
    await reader.close()
    print(done.rendered)

if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        asyncio.run(main(sys.argv[1], sys.argv[2], cluster.scheduler_address))
"""


@pytest.mark.slow
def test_a_cluster_bakes_what_one_process_bakes(
    town_url: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    script = tmp_path / "on_cluster.py"
    script.write_text(_ON_CLUSTER)
    done = subprocess.run(
        [sys.executable, str(script), town_url, str(tmp_path / "cluster.pmtiles")],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    bake(town_url, catalogue, tmp_path / "one.pmtiles")
    one, many = (tmp_path / f"{name}.pmtiles" for name in ("one", "cluster"))
    assert one.read_bytes() == many.read_bytes()
    nobody = subprocess.run(
        [sys.executable, "-c", _NOBODY, town_url],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "there is no Dask scheduler at tcp://127.0.0.1:1" in nobody.stdout


_NOBODY = """
import asyncio, sys
from tests.api.town import read_catalogue
from tests.tiles.test_baking import SCOPE, settings_of
from tiles.baking.cluster import cluster_hands
from tiles.baking.work import BakeFailed, bake_task

async def main():
    task = bake_task(settings_of(sys.argv[1]), read_catalogue(), SCOPE)
    try:
        async with cluster_hands(task, "tcp://127.0.0.1:1"):
            pass
    except BakeFailed as error:
        print(error)

asyncio.run(main())
"""
