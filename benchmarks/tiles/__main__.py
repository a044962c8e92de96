"""Compare tiles with the peers': one command, one table.

    .venv/bin/python -m benchmarks.tiles --scale 1 --repeat 5
    .venv/bin/python -m benchmarks.tiles --only ours,martin --zooms 14,16 --quick

See docs/benchmarks.md for what is compared and how. The table goes to standard output and to
``.onemap/benchmarks/tiles-DATE.md``; the exit status is 1 if a server answered with an error.
"""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.tiles import bake, coverage, facts, figures, live, peers, shipped, warm
from benchmarks.tiles.city import (
    MAP,
    City,
    cluster,
    loaded,
    parallel_workers,
    sample_points,
    summary,
)
from benchmarks.tiles.measure import observed_columns
from benchmarks.tiles.report import Report
from benchmarks.tiles.servers import Martin, Ours, PgTileserv, Server, Tipg, one_map
from benchmarks.tiles.traces import RECORDED, UNIFORM, Session, column_and_row, read
from cli.private_cluster import PrivateCluster

PARTS = ("live", "shipped", "warm", "scale", "bake", "coverage")
_TILES = {6: 1, 7: 2, 8: 2, 9: 4, 10: 6, 11: 12, 12: 24, 13: 40, 14: 60, 15: 60, 16: 80}


@dataclass
class Setting:
    """Everything that the parts of the benchmark need."""

    options: argparse.Namespace
    plan: live.Plan
    cluster: PrivateCluster
    city: City
    servers: list[Server]
    tools: dict[str, peers.Tool]
    traces: dict[str, list[Session]]
    report: Report = field(default_factory=Report)

    def server(self, name: str) -> Server | None:
        """Return a server under test by its name, if it is one."""
        return next((server for server in self.servers if server.name == name), None)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.tiles", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1: a million parcels")
    parser.add_argument("--fresh", action="store_true", help="load the city anew")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--only", default="ours,martin,pg_tileserv,tipg,tippecanoe", help="programs compared"
    )
    parser.add_argument("--parts", default="live,shipped,warm,bake", help=", ".join(PARTS))
    parser.add_argument("--zooms", default="8,10,12,14,16", help="zooms timed tile by tile")
    parser.add_argument("--clients", default="4,8", help="clients on the traces")
    parser.add_argument("--trace-zoom", type=int, default=12, help="traces from this zoom on")
    parser.add_argument("--encoding", default="gzip", help="what clients accept")
    parser.add_argument("--zoom-budget", type=float, default=60.0, help="seconds a zoom and pass")
    parser.add_argument("--trace-budget", type=float, default=45.0, help="seconds a trace and pass")
    parser.add_argument("--against-scale", type=float, default=10.0, help="for the part scale")
    parser.add_argument("--bake-zooms", default="6-14", help="LOW-HIGH, for the part bake")
    parser.add_argument("--parallel", type=int, help="max_parallel_workers_per_gather for all")
    parser.add_argument("--pg-tileserv", type=Path, help="a pg_tileserv built elsewhere")
    parser.add_argument("--quick", action="store_true", help="one pass, short budgets")
    options = parser.parse_args()
    if options.quick:
        options.repeat = 1
        options.zoom_budget, options.trace_budget = 12.0, 8.0
    return options


def plan_of(options: argparse.Namespace) -> live.Plan:
    """Return what is to be measured."""
    return live.Plan(
        zooms=tuple(int(z) for z in options.zooms.split(",")),
        repeat=options.repeat,
        tiles=_TILES,
        zoom_budget=options.zoom_budget,
        trace_budget=options.trace_budget,
        trace_zoom=options.trace_zoom,
        clients=tuple(int(n) for n in options.clients.split(",")),
        encoding=options.encoding,
    )


def tools_of(options: argparse.Namespace) -> dict[str, peers.Tool]:
    """Build and fetch everything that the chosen parts need."""
    peers.PEERS.mkdir(parents=True, exist_ok=True)
    tools = {"ours": one_map()}
    makers = {
        "martin": peers.martin,
        "pg_tileserv": lambda: peers.pg_tileserv(options.pg_tileserv),
        "tipg": peers.tipg,
    }
    for name, make in makers.items():
        if name in options.only.split(","):
            tools[name] = make()
    if "warm" in options.parts:
        tools |= {name: peers.debian(name) for name in ("nginx", "wrk")}
    if "bake" in options.parts and "tippecanoe" in options.only.split(","):
        tools["tippecanoe"] = peers.tippecanoe()
    return tools


def servers_of(options: argparse.Namespace, tools: dict[str, peers.Tool]) -> list[Server]:
    """Return the servers that are there, of those asked for."""
    kinds: dict[str, type[Server]] = {
        "ours": Ours, "martin": Martin, "pg_tileserv": PgTileserv, "tipg": Tipg,
    }  # fmt: skip
    chosen = [name for name in options.only.split(",") if name in kinds]
    return [kinds[name](name, tools[name]) for name in chosen if tools[name].there]


def look_at_ours(setting: Setting) -> None:
    """Find out which columns our tiles carry, so that the peers are asked for the same."""
    city, ours = setting.city, Ours("ours", setting.tools["ours"])
    places = {
        name: [column_and_row(lon, lat, 0) for lon, lat in points]
        for name, points in sample_points(city).items()
    }
    known = {z: {k: tuple(v) for k, v in city.columns.items()} for z in range(6, 17)}
    with ours.running(city, cached=True):
        columns, beyond = observed_columns(ours, f"/tiles/{MAP}.json", places, known)
    for server in setting.servers:
        server.columns = columns
    rows = [
        [f"z{z}", "; ".join(f"{n} ({', '.join(c) or 'id alone'})" for n, c in layers.items())]
        for z, layers in columns.items()
    ]
    setting.report.section(
        "Layers and columns",
        "What our tiles carry at each zoom, seen in them; every peer is asked for exactly these, "
        "and the feature's id."
        + (f" Not asked of peers, being none of their columns: {beyond}." if beyond else ""),
        figures.table(["zoom", "layers (columns)"], rows),
    )


def live_part(setting: Setting) -> None:
    """Rendering without caches."""
    found = {server.name: live.Figures() for server in setting.servers}
    for number in range(setting.plan.repeat):
        for server in setting.servers:
            sys.stderr.write(f"live, pass {number + 1}: {server.name} …\n")
            live.one_pass(server, setting.city, setting.traces, setting.plan, found[server.name])
    shipped.write_live(setting.report, setting.plan, found, setting.servers, setting.traces)


def shipped_part(setting: Setting) -> None:
    """Right after a publish: ours has baked what its archive holds."""
    ours, prebuilt = setting.server("ours"), ""
    if ours is not None:
        folder = setting.city.folder / "archives"
        prebuilt = bake.baked(setting.city, folder, _bake_zooms(setting))
        ours.archives = folder
    city, traces = setting.city, setting.traces
    shipped.shipped_part(setting.report, setting.plan, setting.servers, city, traces, prebuilt)
    if ours is not None:
        ours.archives = None


def scale_part(setting: Setting) -> None:
    """Our cold tiles over ten times the data."""
    larger = loaded(
        setting.cluster, setting.options.against_scale, fresh=setting.options.fresh, peers=False
    )
    found = {f"{c.scale:g}": live.Figures() for c in (setting.city, larger)}
    ours = Ours("ours", setting.tools["ours"])
    for _ in range(setting.plan.repeat):
        for city in (setting.city, larger):
            shipped.cold_tiles(ours, city, setting.traces, setting.plan, found[f"{city.scale:g}"])
    shipped.write_scale(setting.report, setting.plan, found, larger)


def warm_part(setting: Setting) -> None:
    """Cached tiles."""
    ours = setting.server("ours")
    if ours is None or not setting.tools["nginx"].there or not setting.tools["wrk"].there:
        return
    recorded, repeat = setting.traces["recorded"], setting.plan.repeat
    rows = list(warm.against_nginx(ours, setting.city, recorded, setting.tools, repeat))
    setting.report.section(
        "Warm: one process of ours against nginx with the same bytes as files",
        "wrk, one thread, 16 connections, 2 s; the same gzipped bytes from both, turn about; "
        f"medians of {repeat}. nginx: one worker, sendfile, a cache of open files. The client has "
        "one of the two cores to itself. The largest tile is one of a map made for it.",
        figures.table(warm.HEAD, rows),
    )
    rows = list(warm.front_against_nginx(ours, setting.city, recorded, setting.tools, repeat))
    setting.report.section(
        "Warm: nginx in front of ours, over the tile store",
        "The configuration that `onemap nginx-conf` prints, in the same nginx as the plain files, "
        "which it is compared with: once as Debian's package sets nginx up, once with a cache of "
        "open files, which would send what a load has removed; measured as above; "
        f"medians of {repeat}.",
        figures.table(warm.FRONT_HEAD, rows),
    )
    cached = [s for s in setting.servers if s.name in ("ours", "martin")]
    rows = list(warm.memory_caches(cached, setting.city, recorded, setting.tools["wrk"], repeat))
    setting.report.section(
        "Memory caches",
        "Each with its own tile of about 24 KB (gzip over the wire), as shipped; Martin uses both "
        "cores where the client leaves them.",
        figures.table(warm.MEMORY_HEAD, rows),
    )


def _bake_zooms(setting: Setting) -> tuple[int, int]:
    low, _, high = setting.options.bake_zooms.partition("-")
    return int(low), int(high or low)


def bake_part(setting: Setting) -> None:
    """Bakes."""
    martin = setting.server("martin")
    zooms = _bake_zooms(setting)
    rows, note = [], "Martin was not asked for."
    if isinstance(martin, Martin):
        rows, note = bake.rows(setting.city, martin, zooms)
        if "tippecanoe" in setting.tools and setting.tools["tippecanoe"].there:
            columns = martin.layers_at(zooms[1])
            rows.append(
                bake.tippecanoe_row(setting.city, setting.tools["tippecanoe"], columns, zooms)
            )
    setting.report.section("Bake", note, figures.table(bake.HEAD, rows) if rows else "")


def coverage_part(setting: Setting) -> None:
    """Whether parcels are a coverage in our tiles."""
    setting.report.section(
        "Coverage: gaps and overlaps of parcels in decoded tiles",
        "Blocks of two by two tiles at random places, put together on the grid of tile units. "
        "Widths are those of the largest circle within.",
        figures.table(coverage.HEAD, coverage.rows(setting.city.url)),
    )


def main() -> int:
    """Run the benchmark; return the exit status."""
    options = arguments()
    parts = [part for part in options.parts.split(",") if part in PARTS]
    tools = tools_of(options)
    server = cluster()
    with ExitStack() as stack:
        stack.enter_context(server.running())
        city = loaded(server, options.scale, fresh=options.fresh)
        stack.enter_context(parallel_workers(city, options.parallel))
        traces = {"recorded": read(RECORDED), "uniform": read(UNIFORM)}
        setting = Setting(
            options, plan_of(options), server, city, servers_of(options, tools), tools, traces
        )
        report = setting.report
        report.heading("Tiles", sys.argv, facts.machine(), facts.database(city.url), summary(city))
        report.section("Programs", "", figures.table(["name", "version", "from"],
                                                     facts.versions(tools.values())))  # fmt: skip
        look_at_ours(setting)
        run = {
            "live": live_part,
            "shipped": shipped_part,
            "warm": warm_part,
            "scale": scale_part,
            "bake": bake_part,
            "coverage": coverage_part,
        }
        for part in parts:
            run[part](setting)
    return report.publish("tiles")


if __name__ == "__main__":
    sys.exit(main())
