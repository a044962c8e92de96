"""Bakes: ours against martin-cp."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

from benchmarks.tiles import figures, peers
from benchmarks.tiles.city import MAP, ONEMAP, City
from benchmarks.tiles.servers import Martin
from benchmarks.tiles.traces import BOUNDS

HEAD = ["program", "zooms", "tiles", "s", "tiles/s", "file"]


def rows(city: City, martin: Martin, zooms: tuple[int, int]) -> tuple[list[list[str]], str]:
    """Bake the same layers with both; return the table's rows, and what is to be said of them."""
    if not _has_bake():
        return [], "`onemap bake` does not exist here, so nothing was baked."
    folder = city.folder / "bakes"
    folder.mkdir(exist_ok=True)
    made = [_ours(city, folder, zooms)]
    if martin.tool.there:
        made.append(_martin_cp(city, martin, folder, zooms))
    note = (
        "Whole processes from start to end, one run each; martin-cp composes the layers and "
        "columns of the deepest zoom at all zooms, since an archive has one source."
    )
    return made, note


def _has_bake() -> bool:
    done = subprocess.run([ONEMAP, "bake", "--help"], capture_output=True, check=False)
    return done.returncode == 0


def _ours(city: City, folder: Path, zooms: tuple[int, int]) -> list[str]:
    target = folder / "ours.pmtiles"
    target.unlink(missing_ok=True)
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
    return _row("onemap bake", zooms, tiles, taken, target)


def _martin_cp(city: City, martin: Martin, folder: Path, zooms: tuple[int, int]) -> list[str]:
    target = folder / "martin.mbtiles"
    target.unlink(missing_ok=True)
    command, more = martin.command(city, cached=False)
    program = Path(command[0]).with_name("martin-cp")
    source = martin.paths((zooms[1], 0, 0))[0].split("/")[1]
    bounds = ",".join(map(str, BOUNDS))
    arguments = [
        *("--config", command[2], "--source", source, "--output-file", str(target)),
        *("--mbtiles-type", "flat", "--bbox", bounds, "--concurrency", str(os.cpu_count() or 1)),
        *("--min-zoom", str(zooms[0]), "--max-zoom", str(zooms[1])),
    ]
    start = time.perf_counter()
    done = subprocess.run(
        [str(program), *arguments],
        check=True,
        env={**os.environ, **more, "RUST_LOG": "info"},
        capture_output=True,
        text=True,
    )
    taken = time.perf_counter() - start
    found = re.findall(r"(\d+) (?:total )?tiles", done.stdout + done.stderr)
    return _row("martin-cp", zooms, int(found[-1]) if found else 0, taken, target)


def _row(name: str, zooms: tuple[int, int], tiles: int, taken: float, file: Path) -> list[str]:
    speed = tiles / taken
    span = f"{zooms[0]}–{zooms[1]}"
    octets = file.stat().st_size
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
    return _row("tippecanoe", zooms, int.from_bytes(head[72:80], "little"), taken, target)
