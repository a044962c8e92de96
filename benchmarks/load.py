"""Measure a bulk load against bare ogr2ogr, which checks nothing, on the same cluster in one run.

    .venv/bin/python benchmarks/load.py --scale 1 [--repeat 3]

makes the benchmark city (1,000,000 parcels a unit of scale, GeoPackage in EPSG:4547) if it is not
there yet, and then, turn about and as often as asked, loads it with

* ``onemap load``: checked, reprojected, both geometries, Hilbert order, indexed, versioned, logged;
* ``ogr2ogr -f PostgreSQL`` with PG_USE_COPY and its default spatial index.

The figures are medians; peak memory is that of the loading process alone.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sqlalchemy import text  # noqa: E402

from cli.private_cluster import PrivateCluster  # noqa: E402
from tests.database import connected  # noqa: E402

DATABASE = "load_benchmark"


def survey(scale: float) -> Path:
    """Return the GeoPackage of parcels at ``scale``, made once and kept."""
    folder = ROOT / ".onemap" / "benchmarks" / f"scale-{scale:g}"
    parcels = folder / "land_parcel.gpkg"
    if not parcels.exists():
        generate = [sys.executable, str(ROOT / "data/samples/generate.py")]
        options = ["--scale", f"{scale:g}", "--out", str(folder), "--layers", "land_parcel"]
        subprocess.run([*generate, *options], check=True)
    return parcels


def fresh_database(server: str) -> None:
    """Drop and make the benchmark's database."""
    with connected(server, autocommit=True) as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {DATABASE}"))


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Run ``command`` and return its wall-clock seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def onemap_load(url: str, parcels: Path) -> dict[str, float]:
    """Load with One Map; return seconds, rows and peak memory in MB as its report says them."""
    environment = {**os.environ, "ONEMAP_DATABASE_URL": url}
    onemap = str(Path(sys.executable).parent / "onemap")
    subprocess.run([onemap, "migrate"], check=True, env=environment, stdout=subprocess.DEVNULL)
    report = parcels.with_suffix(".report.json")
    command = [onemap, "load", str(parcels), "--layer", "land_parcel", "--valid-from", "2020-05-01"]
    seconds = timed([*command, "--report", str(report)], environment)
    content = json.loads(report.read_text(encoding="utf-8"))
    return {"seconds": seconds, "report": content}


def ogr2ogr_load(url: str, parcels: Path) -> dict[str, float]:
    """Load with ogr2ogr; return seconds."""
    environment = {**os.environ, "PG_USE_COPY": "YES"}
    with connected(url) as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS postgis"))
    target = f"PG:{url}"
    command = ["ogr2ogr", "-f", "PostgreSQL", target, str(parcels), "-nln", "parcel_by_ogr"]
    return {"seconds": timed(command, environment)}


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    parcels = survey(options.scale)
    rows = round(options.scale * 1_000_000)
    cluster = PrivateCluster(ROOT / ".onemap" / "benchmark-cluster")
    figures: dict[str, list[float]] = {"onemap load": [], "ogr2ogr": []}
    with cluster.running():
        server, url = cluster.url("postgres"), cluster.url(DATABASE)
        for _ in range(options.repeat):
            fresh_database(server)
            outcome = onemap_load(url, parcels)
            figures["onemap load"].append(outcome["seconds"])
            print(json.dumps(outcome["report"], ensure_ascii=False, indent=1))
            if shutil.which("ogr2ogr"):
                fresh_database(server)
                figures["ogr2ogr"].append(ogr2ogr_load(url, parcels)["seconds"])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\n{rows:,} rows from {parcels.name}; largest child process {peak:,.0f} MB\n")
    print("| | s (median) | rows/s | ÷ ogr2ogr |\n| --- | --- | --- | --- |")
    base = statistics.median(figures["ogr2ogr"]) if figures["ogr2ogr"] else None
    for name, seconds in figures.items():
        if seconds:
            middle = statistics.median(seconds)
            ratio = f"{base / middle:.2f}" if base else "–"
            print(f"| {name} | {middle:.1f} | {rows / middle:,.0f} | {ratio} |")


if __name__ == "__main__":
    main()
