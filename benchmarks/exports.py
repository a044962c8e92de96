"""Measure exports of a whole layer against ogr2ogr from the same table, in one run.

    .venv/bin/python benchmarks/exports.py [--features 200000] [--formats gpkg,csv]

uses the benchmark city of ``benchmarks/load.py`` (made if it is not there yet), loads it once into
a private cluster, and then for each format

* asks a running ``onemap serve`` for the first so many parcels (``/items?f=…&limit=…``), to the
  last byte, while another client asks for one feature by its id every 20 ms;
* has ``ogr2ogr`` write the same columns of the same rows to the same format, where it has it, at
  the priority that the service's writers have.

The memory is that of the server and of all processes it started, each shared page counted once
(proportional set size), above what it was before the first export.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sqlalchemy import text  # noqa: E402

from benchmarks.load import ONEMAP, _environment, survey  # noqa: E402
from cli.private_cluster import PrivateCluster  # noqa: E402
from tests.database import connected  # noqa: E402

DATABASE = "export_benchmark"
#: Format → what ogr2ogr calls it, the file's name and its options.
PEERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "geojsonseq": ("GeoJSONSeq", "peer.geojsons", ("-lco", "RS=YES")),
    "csv": ("CSV", "peer.csv", ("-lco", "GEOMETRY=AS_WKT")),
    "kml": ("LIBKML", "peer.kml", ()),
    "gpkg": ("GPKG", "peer.gpkg", ()),
    "fgb": ("FlatGeobuf", "peer.fgb", ()),
    "shp": ("ESRI Shapefile", "peer.shz", ("-lco", "ENCODING=UTF-8")),
    "xlsx": ("XLSX", "peer.xlsx", ()),
    "dxf": ("DXF", "peer.dxf", ("-t_srs", "EPSG:4547")),
}
FORMATS = ("geojsonseq", "csv", "kml", "dxf", "gpkg", "fgb", "shp", "parquet", "xlsx")


def filled(server: str, url: str) -> None:
    """Load the parcels, if they are not there."""
    with connected(server, autocommit=True) as connection:
        found = connection.scalar(
            text("SELECT count(*) FROM pg_database WHERE datname = :name"), {"name": DATABASE}
        )
        if not found:
            connection.execute(text(f"CREATE DATABASE {DATABASE}"))
    environment = _environment(url)
    # Also for one that an older version filled.
    subprocess.run([ONEMAP, "migrate"], check=True, env=environment, stdout=subprocess.DEVNULL)
    if found:
        return
    command = [ONEMAP, "load", str(survey(1)), "--layer", "land_parcel", "--no-pyramid"]
    subprocess.run([*command, "--valid-from", "2020-05-01"], check=True, env=environment)
    with connected(url, autocommit=True) as connection:
        connection.execute(text("VACUUM ANALYZE"))


def memory(root: int) -> float:
    """Return the megabytes of a process and all that it started."""
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            children = Path(f"/proc/{process}/task/{process}/children").read_text()
            for task in Path(f"/proc/{process}/task").iterdir():
                if task.name != str(process):
                    children += " " + (task / "children").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line[:4] == "Pss:")
        waiting += [int(child) for child in children.split()]
    return total / 1024


@dataclass
class Taken:
    """What one export took."""

    seconds: float
    first_byte: float
    megabytes: float
    #: Peak memory above the idle server's, MB.
    memory: float
    #: Milliseconds of the other client's requests meanwhile: median, 99th percentile, longest.
    others: tuple[float, float, float]


@contextmanager
def serving(url: str) -> Iterator[tuple[str, int]]:
    """A server of one process; yields its address and process id."""
    environment = _environment(url) | {"ONEMAP_EXPORT_LIMIT": "1000000"}
    command = [ONEMAP, "serve", "--port", "0"]
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        output = process.stdout
        if output is None:
            raise RuntimeError("the server has no output")
        address = next(
            word for line in output for word in line.split() if word.startswith("http://")
        )
        threading.Thread(target=output.read, daemon=True).start()
        address = address.rstrip("/,.")
        for _ in range(200):
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(30)


def measured(address: str, process: int, name: str, features: int, idle: float) -> Taken:
    """Export once."""
    done = threading.Event()
    peak, waits = 0.0, []

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, memory(process))

    def ask() -> None:
        with httpx.Client(base_url=address) as client:
            while not done.wait(0.02):
                start = time.perf_counter()
                client.get("/api/collections/land_parcel/items/1000").raise_for_status()
                waits.append((time.perf_counter() - start) * 1000)

    threads = [threading.Thread(target=work) for work in (watch, ask)]
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    first, size = 0.0, 0
    place = f"{address}/api/collections/land_parcel/items?f={name}&limit={features}"
    try:
        # A client that costs little: curl.
        command = ["curl", "-sS", "--fail", "-o", "/dev/null", "-w", "%{json}", place]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        first, size = told["time_starttransfer"], told["size_download"]
    finally:
        seconds = time.perf_counter() - start
        done.set()
        for thread in threads:
            thread.join()
    waits.sort()
    others = (statistics.median(waits), waits[int(len(waits) * 0.99)], waits[-1])
    return Taken(seconds, first, size / 1e6, peak - idle, others)


def by_ogr2ogr(url: str, name: str, features: int) -> float | None:
    """Return the seconds ogr2ogr takes, if it has the format."""
    if name not in PEERS:
        return None
    driver, file, options = PEERS[name]
    with connected(url) as connection:
        columns = connection.scalars(
            text(
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_schema = 'city' AND table_name = 'land_parcel'"
            )
        ).all()
    hidden = {"tile_geom", "recorded_from", "recorded_to", "load_id", "source_row", "tile_rank"}
    # Its GeoPackages would refuse the end of what goes on for ever, which other formats mangle.
    hidden |= {"valid_from", "valid_to"}
    chosen = ", ".join(f'"{column}"' for column in columns if column not in hidden)
    sql = (
        # The names are those of the table itself.
        f"SELECT {chosen} FROM city.land_parcel WHERE recorded_to = 'infinity' "  # noqa: S608
        f"AND valid_to = 'infinity' ORDER BY feature_id LIMIT {features}"
    )
    if name == "dxf":
        sql = sql.replace(chosen, '"bsm" AS "Text", geom')
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / file)
        command = [
            "nice",
            "-n",
            "5",
            "ogr2ogr",
            "-f",
            driver,
            target,
            f"PG:{url}",
            "-sql",
            sql,
            "-nln",
            "land_parcel",
        ]
        start = time.perf_counter()
        environment = {**os.environ, "DXF_WRITE_HATCH": "NO"}
        done = subprocess.run(
            [*command, *options], check=False, capture_output=True, env=environment, text=True
        )
        if done.returncode:
            print(f"ogr2ogr: {done.stderr[:300]}", file=sys.stderr)
            return None
        return time.perf_counter() - start


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=200_000)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--no-peer", action="store_true")
    wanted = parser.parse_args()
    cluster = PrivateCluster(ROOT / ".onemap" / "benchmark-cluster", durable=False)
    with cluster.running():
        url = cluster.url(DATABASE)
        filled(cluster.url("postgres"), url)
        with serving(url) as (address, process):
            time.sleep(2)
            idle = memory(process)
            print(f"{wanted.features:,} parcels; idle {idle:.0f} MB")
            print(
                "| format | features/s | s | first byte, s | MB | memory, MB | others, ms "
                "| ogr2ogr |"
            )
            print("|---|---|---|---|---|---|---|---|")
            for name in wanted.formats.split(","):
                taken = measured(address, process, name, wanted.features, idle)
                peer = None
                if not wanted.no_peer and shutil.which("ogr2ogr"):
                    peer = by_ogr2ogr(url, name, wanted.features)
                others = " / ".join(f"{value:.0f}" for value in taken.others)
                told = "" if peer is None else f"{wanted.features / peer:,.0f}"
                print(
                    f"| {name} | {wanted.features / taken.seconds:,.0f} | {taken.seconds:.1f} | "
                    f"{taken.first_byte:.2f} | {taken.megabytes:.0f} | {taken.memory:.0f} | "
                    f"{others} | {told} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
