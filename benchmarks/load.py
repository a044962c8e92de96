"""Measure a bulk load against its peers on the same cluster in one run.

    .venv/bin/python benchmarks/load.py --scale 1 [--repeat 5]

makes the benchmark city (1,000,000 parcels a unit of scale, GeoPackage in EPSG:4547) if it is not
there yet, and then, turn about and as often as asked, loads it with

* ``onemap load``: checked, reprojected, both geometries, Hilbert order, indexed, versioned, logged;
* ``ogr2ogr -f PostgreSQL`` with PG_USE_COPY and its default spatial index, which checks nothing;
* ``benchmarks/load_with_geopandas.py``: the same checks and indexes with GeoPandas' to_postgis;

and, after each ``onemap load``, resurveys of one percent of the parcels (an area, every parcel
changed; as many scattered over the city; an area of which most classes changed), and the whole file
once more. Then all but the last again as they are shipped, with the pyramids that follow.

Seconds are those of the whole process, from its start to its end; figures are medians; peak memory
is that of the loading process.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import pyogrio
import shapely

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sqlalchemy import text  # noqa: E402

from cli.private_cluster import PrivateCluster  # noqa: E402
from tests.database import connected  # noqa: E402

DATABASE = "load_benchmark"
ONEMAP = str(Path(sys.executable).parent / "onemap")


def survey(scale: float) -> Path:
    """Return the GeoPackage of parcels at ``scale``, made once and kept."""
    folder = ROOT / ".onemap" / "benchmarks" / f"scale-{scale:g}"
    parcels = folder / "land_parcel.gpkg"
    if not parcels.exists():
        generate = [sys.executable, str(ROOT / "data/samples/generate.py")]
        options = ["--scale", f"{scale:g}", "--out", str(folder), "--layers", "land_parcel"]
        subprocess.run([*generate, *options], check=True)
    return parcels


GEOPANDAS = "GeoPandas, same checks"


def fresh_database(server: str) -> None:
    """Drop and make the benchmark's database."""
    with connected(server, autocommit=True) as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {DATABASE}"))


@dataclass(frozen=True)
class Timed:
    """A process that ended well."""

    seconds: float
    #: Most memory it held, MB.
    peak: float


def timed(command: list[str], environment: dict[str, str]) -> Timed:
    """Run ``command`` to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Timed(time.perf_counter() - start, usage.ru_maxrss / 1024)


def _environment(url: str) -> dict[str, str]:
    """Return what One Map's processes are given: the database, and leave to keep byte code.

    Where Python may not write it, every process compiles all modules anew, which no installed
    program does.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"ONEMAP_DATABASE_URL": url}


def onemap_load(
    url: str, parcels: Path, date: str, *, pyramid: bool = False
) -> tuple[Timed, dict[str, Any]]:
    """Load with One Map; return what it took, and its report."""
    environment = _environment(url)
    report = parcels.with_suffix(".report.json")
    command = [ONEMAP, "load", str(parcels), "--layer", "land_parcel", "--valid-from", date]
    if not pyramid:
        # It follows a load, and no peer makes one.
        command.append("--no-pyramid")
    taken = timed([*command, "--report", str(report)], environment)
    return taken, json.loads(report.read_text(encoding="utf-8"))


def ogr2ogr_load(url: str, parcels: Path) -> Timed:
    """Load with ogr2ogr."""
    environment = {**os.environ, "PG_USE_COPY": "YES"}
    with connected(url) as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS postgis"))
    target = f"PG:{url}"
    command = ["ogr2ogr", "-f", "PostgreSQL", target, str(parcels), "-nln", "parcel_by_ogr"]
    return timed(command, environment)


def _applying(whole: Timed, report: dict[str, Any]) -> Timed:
    return Timed(report["seconds"]["apply"], whole.peak)


def geopandas_load(url: str, parcels: Path) -> Timed:
    """Load with GeoPandas."""
    script = str(ROOT / "benchmarks/load_with_geopandas.py")
    return timed([sys.executable, script, str(parcels), url], dict(os.environ))


OTHER_CLASSES = "resurvey of 1 %, an area of other classes"
#: Dry land for paddy, shrubs for wood and so on, and the other way.
_OTHER = {
    "0101": "0103",
    "0103": "0101",
    "0201": "0301",
    "0301": "0201",
    "0302": "0305",
    "0305": "0302",
}


def resurveys(parcels: Path) -> dict[str, Path]:
    """Return resurveys of one percent of the parcels, made once: an area, and scattered ones."""
    count = int(pyogrio.read_info(parcels)["features"])
    share = max(count // 100, 1)
    area = f"fid BETWEEN {count // 2} AND {count // 2 + share - 1}"
    chosen = {
        "resurvey of 1 %, an area": area,
        "resurvey of 1 %, scattered": "fid % 100 = 0",
        OTHER_CLASSES: area,
    }
    made: dict[str, Path] = {}
    for name, where in chosen.items():
        file = parcels.with_name(f"{name.split()[-1]}.gpkg")
        if not file.exists():
            some = geopandas.read_file(parcels, where=where)
            if name == OTHER_CLASSES:
                some["dlbm"] = some["dlbm"].map(_OTHER).fillna(some["dlbm"])
            # Every parcel has another owner, and every second one another first vertex.
            some["qsdwmc"] = some["qsdwmc"].astype(str) + "（变更）"
            some.loc[::2, "geometry"] = [turned(shape) for shape in some.geometry[::2]]
            some.to_file(file, layer="land_parcel")
        made[name] = file
    return made


def turned(shape: shapely.Polygon) -> shapely.Polygon:
    """Return the same area with its outline begun at another vertex."""
    outline = list(shape.exterior.coords)[:-1]
    return shapely.Polygon(outline[1:] + outline[:2], shape.interiors)


def one_turn(
    server: str, url: str, parcels: Path, taken: dict[str, list[Timed]], *, geopandas_too: bool
) -> None:
    """Load once with each; each into a database of its own."""
    fresh_database(server)
    environment = _environment(url)
    subprocess.run([ONEMAP, "migrate"], check=True, env=environment, stdout=subprocess.DEVNULL)
    whole, report = onemap_load(url, parcels, "2020-05-01")
    print(json.dumps({key: report[key] for key in ("rows", "good", "bad", "seconds")}))
    taken["onemap load"].append(whole)
    for year, (name, file) in enumerate(resurveys(parcels).items(), start=2021):
        again, report = onemap_load(url, file, f"{year}-05-01")
        print(name, json.dumps(report["seconds"]), json.dumps(report["outcome"]))
        taken[name].append(again)
        taken[f"{name}, its load alone"].append(Timed(report["seconds"]["total"], again.peak))
        taken[f"{name}, its applying"].append(_applying(again, report))
    same, report = onemap_load(url, parcels, "2024-05-01")
    print("unchanged", json.dumps(report["seconds"]), json.dumps(report["outcome"]))
    taken["the whole again, little of it changed"].append(same)
    twice, _ = onemap_load(url, parcels, "2024-05-01")
    taken["the very same file again"].append(twice)
    if shutil.which("ogr2ogr"):
        fresh_database(server)
        taken["ogr2ogr"].append(ogr2ogr_load(url, parcels))
    if geopandas_too:
        fresh_database(server)
        taken[GEOPANDAS].append(geopandas_load(url, parcels))


def one_turn_as_shipped(
    server: str, url: str, parcels: Path, taken: dict[str, list[Timed]]
) -> None:
    """Load and load again, each with what follows it: the pyramid."""
    fresh_database(server)
    subprocess.run(
        [ONEMAP, "migrate"], check=True, env=_environment(url), stdout=subprocess.DEVNULL
    )
    surveys = {"onemap load": parcels, **resurveys(parcels)}
    for year, (name, file) in enumerate(surveys.items(), start=2020):
        taken[name].append(onemap_load(url, file, f"{year}-05-01", pyramid=True)[0])


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--no-geopandas", action="store_true", help="it takes minutes")
    options = parser.parse_args()
    parcels = survey(options.scale)
    resurveys(parcels)
    rows = int(pyogrio.read_info(parcels)["features"])
    cluster = PrivateCluster(ROOT / ".onemap" / "benchmark-cluster")
    taken: dict[str, list[Timed]] = defaultdict(list)
    shipped: dict[str, list[Timed]] = defaultdict(list)
    with cluster.running():
        for _ in range(options.repeat):
            server, url = cluster.url("postgres"), cluster.url(DATABASE)
            one_turn(server, url, parcels, taken, geopandas_too=not options.no_geopandas)
            one_turn_as_shipped(server, url, parcels, shipped)
    print_table(taken, rows, parcels)
    print("\nWith the pyramid of each:")
    print_table(shipped, rows, parcels)


def print_table(taken: dict[str, list[Timed]], rows: int, parcels: Path) -> None:
    """Print medians and ratios."""
    middle = {name: statistics.median(t.seconds for t in times) for name, times in taken.items()}
    full, bare = middle["onemap load"], middle.get("ogr2ogr")
    print(f"\n{rows:,} rows from {parcels.name}, {len(taken['onemap load'])} runs, medians\n")
    print("| | s | rows/s | x ogr2ogr | share of the full load | peak MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, seconds in middle.items():
        whole = not name.startswith("resurvey")
        speed = f"{rows / seconds:,.0f}" if whole else "-"
        ratio = f"{bare / seconds:.2f}" if bare and whole else "-"
        peak = max(t.peak for t in taken[name])
        print(
            f"| {name} | {seconds:.1f} | {speed} | {ratio} | {seconds / full:.1%} | {peak:,.0f} |"
        )
    if GEOPANDAS in middle:
        print(f"\nonemap load is {middle[GEOPANDAS] / full:.1f} x as fast as GeoPandas")


if __name__ == "__main__":
    main()
