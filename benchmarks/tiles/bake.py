"""Bakes: ours against martin-cp and tippecanoe."""

import json
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

from benchmarks.tiles import figures, peers
from benchmarks.tiles.city import MAP, ONEMAP, City
from benchmarks.tiles.servers import Martin
from benchmarks.tiles.traces import BOUNDS

HEAD = ["program", "zooms", "tiles", "s", "tiles/s", "file"]


def rows(city: City, martin: Martin, zooms: tuple[int, int]) -> tuple[list[list[str]], str]:
    """Bake the same layers with both; return the table's rows, and what is to be said of them."""
    folder = city.folder / "bakes"
    folder.mkdir(exist_ok=True)
    made = [_ours(city, folder, zooms)]
    if martin.tool.there:
        made.append(_martin_cp(city, martin, folder, zooms))
    note = (
        "Whole processes from start to end, one run each. martin-cp runs once a zoom, as a file "
        "has one source and the layers and columns differ by zoom; its files are counted together. "
        "Tiles are those that are not empty; onemap bake also finds out which are."
    )
    return made, note


def baked(city: City, folder: Path, zooms: tuple[int, int]) -> str:
    """Bake the map into the folder of archives that a server is given; tell what that took."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    name, span, tiles, taken, *_ = _ours(city, folder, zooms, f"{MAP}.pmtiles")
    return f"{name} of zooms {span}: {tiles} tiles in {taken} s"


def _ours(
    city: City, folder: Path, zooms: tuple[int, int], name: str = "ours.pmtiles"
) -> list[str]:
    target = folder / name
    target.unlink(missing_ok=True)
    target.with_name(f"{target.name}.part").unlink(missing_ok=True)
    where = ["--zooms", f"{zooms[0]}-{zooms[1]}", "--out", str(target)]
    start = time.perf_counter()
    subprocess.run(
        [ONEMAP, "bake", MAP, *where], check=True, env=city.environment(), capture_output=True
    )
    taken = time.perf_counter() - start
    with target.open("rb") as file:
        head = file.read(127)
    # PMTiles 3, header: the number of addressed tiles is the 64-bit number at byte 72.
    tiles = int.from_bytes(head[72:80], "little")
    return _row("onemap bake", zooms, tiles, taken, target.stat().st_size)


def _martin_cp(city: City, martin: Martin, folder: Path, zooms: tuple[int, int]) -> list[str]:
    command, more = martin.command(city, cached=False)
    program = Path(command[0]).with_name("martin-cp")
    bounds = ",".join(map(str, BOUNDS))
    taken, tiles, octets = 0.0, 0, 0
    for z in range(zooms[0], zooms[1] + 1):
        target = folder / f"martin-{z}.mbtiles"
        target.unlink(missing_ok=True)
        source = martin.paths((z, 0, 0))[0].split("/")[1]
        arguments = [
            *("--config", command[2], "--source", source, "--output-file", str(target)),
            *("--mbtiles-type", "flat", "--encoding", "gzip", "--bbox", bounds),
            *(
                "--concurrency",
                str(os.cpu_count() or 1),
                "--min-zoom",
                str(z),
                "--max-zoom",
                str(z),
            ),
        ]
        start = time.perf_counter()
        done = subprocess.run(
            [str(program), *arguments],
            check=False,
            env={**os.environ, **more},
            capture_output=True,
            text=True,
        )
        taken += time.perf_counter() - start
        if done.returncode:
            told = (done.stderr + done.stdout).strip().splitlines()
            raise RuntimeError(f"martin-cp fails at zoom {z}: {told[-1] if told else 'no message'}")
        with closing(sqlite3.connect(target)) as archive:
            tiles += int(archive.execute("SELECT count(*) FROM tiles").fetchone()[0])
        octets += target.stat().st_size
    return _row("martin-cp", zooms, tiles, taken, octets)


def _row(name: str, zooms: tuple[int, int], tiles: int, taken: float, octets: int) -> list[str]:
    speed = tiles / taken
    span = f"{zooms[0]}–{zooms[1]}"
    return [name, span, f"{tiles:,}", figures.number(taken), figures.number(speed),
            figures.size(octets)]  # fmt: skip


def tippecanoe_row(
    city: City, tool: peers.Tool, columns: dict[str, tuple[str, ...]], zooms: tuple[int, int]
) -> list[str]:
    """Bake the same layers with tippecanoe, from FlatGeobuf made beforehand (not timed).

    It simplifies and drops by its own rules, so only its time is comparable, not its tiles.
    """
    folder = city.folder / "bakes"
    folder.mkdir(exist_ok=True)
    inputs = []
    for layer, names in columns.items():
        file = folder / f"{layer}.fgb"
        if not file.exists():
            wanted = ", ".join(f'"{name}"' for name in ("feature_id", *names, "geom"))
            query = f"SELECT {wanted} FROM bench.{layer}"  # noqa: S608 - names of our definitions
            subprocess.run(
                ["ogr2ogr", "-f", "FlatGeobuf", "-t_srs", "EPSG:4326", str(file), f"PG:{city.url}",
                 "-sql", query, "-nln", layer],
                check=True, capture_output=True,
            )  # fmt: skip
        inputs += ["-L", json.dumps({"file": str(file), "layer": layer})]
    target = folder / "tippecanoe.pmtiles"
    start = time.perf_counter()
    subprocess.run(
        [str(tool.program), "-f", "-q", "-o", str(target), f"-Z{zooms[0]}", f"-z{zooms[1]}",
         "--drop-densest-as-needed", "--use-attribute-for-id=feature_id", *inputs],
        check=True, capture_output=True,
    )  # fmt: skip
    taken = time.perf_counter() - start
    with target.open("rb") as file_:
        head = file_.read(127)
    tiles = int.from_bytes(head[72:80], "little")
    return _row("tippecanoe", zooms, tiles, taken, target.stat().st_size)
