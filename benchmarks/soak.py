"""Keep a server busy for an hour, with loads in between, and see whether anything grows.

    .venv/bin/python benchmarks/soak.py [--minutes 60] [--clients 8] [--workers 1] [--out FILE]

A private cluster gets the sample city; `onemap serve` runs over it with small caches, so that they
are full soon. Clients ask for tiles as fast as they get them: of now and of past days, some again
with their entity tag, some that are left before the answer comes, and features. Every twenty
seconds a survey changes the map. Every ten seconds the server's memory, open files, connections
and kept tiles are noted. After a warm-up (two fifths of the time, ten minutes at most) nothing may
grow: memory by 5 %, the others at all beyond what they had. The status is 1 if something did, or
if any answer was a failure.
"""

import argparse
import asyncio
import csv
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field, fields
from datetime import date, timedelta
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import geopandas  # noqa: E402
import httpx  # noqa: E402
import shapely  # noqa: E402
from sqlalchemy import text  # noqa: E402

from cli.private_cluster import PrivateCluster  # noqa: E402
from cli.samples import load_samples  # noqa: E402
from etl.settings import EtlSettings  # noqa: E402
from layers.catalogue import Catalogue, load_catalogue  # noqa: E402
from layers.store import Store  # noqa: E402
from tests.database import connected  # noqa: E402
from tiles.tile_grids import tile_grid  # noqa: E402

SAMPLE_S, LOAD_S = 10.0, 20.0
MEMORY_GROWTH = 1.05
CACHE_MB, STORE_MB = 8, 32
_LENGTH = re.compile(rb"content-length: (\d+)")
_ETAG = re.compile(rb"etag: (\S+)")


@dataclass
class Sample:
    """What a server has at one moment."""

    seconds: float
    #: Of all server processes, kilobytes that are theirs alone.
    memory_kb: int
    files: int
    connections: int
    store_files: int
    #: Kilobytes of tiles in memory, as one process tells.
    cache_kb: int
    #: Of the database's sessions with the server, kilobytes that are theirs alone.
    sessions_kb: int
    answers: int


@dataclass
class Tally:
    """What clients were answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    left: int = 0
    loads: int = 0
    failures: list[str] = field(default_factory=list)


class Client:
    """One connection, asking without a pause."""

    def __init__(self, port: int, catalogue: Catalogue, tally: Tally, seed: int) -> None:
        self._port = port
        self._tally = tally
        self._random = random.Random(seed)  # noqa: S311 -- a trace, no secret
        city = catalogue.map("city")
        self._bounds = city.bounds
        self._zooms = range(city.min_zoom, city.max_zoom + 1)
        self._tags: dict[str, bytes] = {}

    async def run(self, end: float) -> None:
        """Ask until ``end`` (``time.monotonic``)."""
        while time.monotonic() < end:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                await self._talk(reader, writer, end)
            except (OSError, asyncio.IncompleteReadError) as error:
                if time.monotonic() < end:
                    self._tally.failures.append(f"the connection broke: {error!r}")
            finally:
                writer.close()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, end: float
    ) -> None:
        while time.monotonic() < end:
            path = self._path()
            tag = self._tags.get(path, b"")
            lines = b"If-None-Match: " + tag + b"\r\n" if tag else b""
            writer.write(
                b"GET " + path.encode() + b" HTTP/1.1\r\nHost: soak\r\n"
                b"Accept-Encoding: gzip\r\n" + lines + b"\r\n"
            )
            await writer.drain()
            if self._random.random() < 0.01:
                # Gone before the answer comes.
                await asyncio.sleep(self._random.random() * 0.02)
                self._tally.left += 1
                return
            await self._answer(reader, path)

    async def _answer(self, reader: asyncio.StreamReader, path: str) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is not None:
            await reader.readexactly(int(length[1]))
        elif b"transfer-encoding: chunked" in head:
            await reader.readuntil(b"0\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        self._tally.statuses[status] += 1
        level = re.search(rb"x-cache: (\w+)", head)
        self._tally.levels[level[1].decode() if level else "no tile"] += 1
        if status not in (200, 204, 304, 503):
            self._tally.failures.append(f"{status} for {path}")
        tag = _ETAG.search(head)
        if tag is not None and self._random.random() < 0.2 and len(self._tags) < 500:
            self._tags[path] = tag[1]

    def _path(self) -> str:
        pick = self._random
        if pick.random() < 0.02:
            return f"/api/collections/road/items?limit={pick.randint(1, 50)}"
        if self._tags and pick.random() < 0.1:
            return pick.choice(list(self._tags))
        west, south, east, north = self._bounds
        # People look at the middle more than at the rim.
        lon = min(max(pick.gauss((west + east) / 2, (east - west) / 8), west), east)
        lat = min(max(pick.gauss((south + north) / 2, (north - south) / 8), south), north)
        z = pick.choice(self._zooms)
        grid = tile_grid("WebMercatorQuad")
        column, row, _, _ = grid.over((lon, lat, lon, lat), z)
        day = ""
        if pick.random() < 0.1:
            day = f"?datetime={date(2012, 1, 1) + timedelta(days=pick.randint(0, 3600))}"
        return f"/tiles/city/{z}/{column}/{row}{day}"


def memory_kb(pid: int) -> int:
    """Return the kilobytes that are a process's alone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"RssAnon:\s+(\d+)", status)
    return int(found[1]) if found else 0


def family(pid: int) -> list[int]:
    """Return a process and those that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        children = (task / "children").read_text(encoding="ascii").split()
        found += [number for child in children for number in family(int(child))]
    return found


def cached_kb(port: int) -> int:
    """Return the kilobytes of tiles that a server says it has in memory."""
    told = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    found = re.search(r"^onemap_tile_cache_bytes (\S+)", told, re.MULTILINE)
    return int(float(found[1]) / 1024) if found else 0


def sample(begun: float, server: int, port: int, url: str, store: Path, tally: Tally) -> Sample:
    """Look at a server and its sessions."""
    with connected(url) as connection:
        sessions = connection.execute(
            text("SELECT pid FROM pg_stat_activity WHERE application_name = 'onemap'")
        ).scalars()
        pids = [int(pid) for pid in sessions]
    processes = family(server)
    return Sample(
        round(time.monotonic() - begun, 1),
        sum(map(memory_kb, processes)),
        sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in processes),
        len(pids),
        sum(len(files) for _, _, files in os.walk(store)),
        cached_kb(port),
        sum(map(memory_kb, pids)),
        tally.statuses.total(),
    )


def survey(path: Path, number: int, levels: list[str]) -> Path:
    """Write a survey of warnings that differs from the one before."""
    shift = number % 7 * 0.001
    frame = geopandas.GeoDataFrame(
        {"YJBH": [f"S{n}" for n in range(40)], "YJDJ": [levels[number % len(levels)]] * 40},
        geometry=[
            shapely.box(114.3 + n * 0.005, 29.8 + shift, 114.304 + n * 0.005, 29.804 + shift)
            for n in range(40)
        ],
        crs="EPSG:4490",
    )
    frame.to_file(path, engine="pyogrio")
    return path


async def loads(folder: Path, levels: list[str], tally: Tally, end: float) -> None:
    """Change the map again and again."""
    number = 0
    while time.monotonic() + LOAD_S < end:
        await asyncio.sleep(LOAD_S)
        number += 1
        path = await asyncio.to_thread(survey, folder / f"survey{number}.gpkg", number, levels)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "load", str(path), "--layer", "hazard_warning"),
            *("--valid-from", "2024-01-01"),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        told, _ = await process.communicate()
        if process.returncode:
            tally.failures.append(f"a load failed: {told.decode()[-300:]}")
        tally.loads += 1
        path.unlink()


async def watch(end: float, look: Callable[[], Sample], found: list[Sample]) -> None:
    """Look every ten seconds."""
    while time.monotonic() < end:
        await asyncio.sleep(min(SAMPLE_S, max(0.0, end - time.monotonic())))
        found.append(await asyncio.to_thread(look))
        print(" ".join(f"{name}={value}" for name, value in asdict(found[-1]).items()), flush=True)


def verdicts(samples: list[Sample], minutes: float) -> list[str]:
    """Return what grew."""
    warm = min(minutes * 60 * 0.4, 600)
    kept = [entry for entry in samples if entry.seconds > warm]
    part = max(1, len(kept) // 3)
    first, last = kept[:part], kept[-part:]
    found = []
    memory = [statistics.median(entry.memory_kb for entry in part) for part in (first, last)]
    print(f"memory {memory[0]:,.0f} kB → {memory[1]:,.0f} kB ({memory[1] / memory[0] - 1:+.1%})")
    if memory[1] > memory[0] * MEMORY_GROWTH:
        found.append(f"memory grew from {memory[0]:,.0f} to {memory[1]:,.0f} kB")
    for name, slack in (("files", 4), ("connections", 0)):
        before = max(getattr(entry, name) for entry in first)
        after = min(getattr(entry, name) for entry in last)
        print(f"{name} {before} → {after}")
        if after > before + slack:
            found.append(f"{name} grew from {before} to {after}")
    return found


async def busy(options: argparse.Namespace, port: int, server: int, url: str, work: Path) -> int:
    """Run clients, loads and the watch; returns the exit status."""
    catalogue, tally = load_catalogue(), Tally()
    levels = list(catalogue.code_list("warning_level").codes)
    begun = time.monotonic()
    end = begun + options.minutes * 60
    clients = [Client(port, catalogue, tally, seed) for seed in range(options.clients)]
    samples: list[Sample] = []
    await asyncio.gather(
        watch(end, partial(sample, begun, server, port, url, work / "store", tally), samples),
        loads(work, levels, tally, end),
        *(client.run(end) for client in clients),
    )
    if options.out is not None:
        with options.out.open("w", encoding="ascii", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(name.name for name in fields(Sample))
            writer.writerows(astuple(entry) for entry in samples)
    print(f"answers {dict(tally.statuses)}, left {tally.left}, loads {tally.loads}")
    print(f"tiles {dict(tally.levels)}")
    faults = [*verdicts(samples, options.minutes), *tally.failures[:20]]
    print("\n".join(faults) or "nothing grew, nothing failed")
    return 1 if faults else 0


def main() -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a CSV file for all samples")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onemap-soak-") as folder:
        work = Path(folder)
        cluster = PrivateCluster(work / "cluster")
        with cluster.running():
            url = cluster.ensure_database("soak")
            os.environ |= {
                "ONEMAP_DATABASE_URL": url,
                "ONEMAP_TILE_STORE": str(work / "store"),
                "ONEMAP_TILE_STORE_MB": str(STORE_MB),
                "ONEMAP_TILE_CACHE_MB": str(CACHE_MB),
            }
            fill(url)
            return serve(options, url, work)


def fill(url: str) -> None:
    """Load the sample city."""
    catalogue = load_catalogue()
    store = Store(url, catalogue)
    store.migrate()
    load_samples(ROOT / "data" / "samples", store, catalogue, EtlSettings(), lambda _: None)
    store.close()


def serve(options: argparse.Namespace, url: str, work: Path) -> int:
    """Serve, and keep the server busy."""
    command = [sys.executable, "-m", "cli", "serve", "--port", "0"]
    command += ["--workers", str(options.workers)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            told = server.stdout.readline() if server.stdout is not None else ""
            found = re.search(r":(\d+)/", told)
            if found is None:
                print(f"the server did not start: {told}")
                return 1
            return asyncio.run(busy(options, int(found[1]), server.pid, url, work))
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main())
