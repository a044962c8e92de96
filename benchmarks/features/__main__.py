"""Compare features over HTTP with the peers': one command, one table.

    .venv/bin/python -m benchmarks.features --scale 1 --repeat 5
    .venv/bin/python -m benchmarks.features --scale 0.1 --parts pages,history --budget 1

See docs/benchmarks.md for what is compared and how. The table goes to standard output and to
``.onemap/benchmarks/features-DATE.md``; the exit status is 1 if a server answered with an error.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.features.city import FIELDS, Parcels, cluster, loaded
from benchmarks.features.measure import Figures, Plan, asked, note, one_pass, thousandth_pages
from benchmarks.features.questions import questions
from benchmarks.features.servers import KINDS, FeatureServer
from benchmarks.tiles import facts, figures, peers
from benchmarks.tiles.report import Report
from benchmarks.tiles.servers import one_map
from cli.private_cluster import PrivateCluster

PARTS = ("peers", "pages", "history")
#: Questions by features of an answer; half of them are for warming up.
_QUESTIONS = {10: 200, 1_000: 40, 10_000: 12}
_PAGE_SIZES = (10, 100, 1_000)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.features", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--scale", type=float, default=1.0, help="1: a million parcels")
    parser.add_argument("--history-scale", type=float, help="that of the part history, if another")
    parser.add_argument("--fresh", action="store_true", help="load the parcels anew")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", default=",".join(KINDS), help="servers compared")
    parser.add_argument("--parts", default=",".join(PARTS), help=", ".join(PARTS))
    parser.add_argument("--sizes", default="10,1000,10000", help="features of an answer")
    parser.add_argument("--clients", default="1,4", help="clients at once")
    parser.add_argument("--encoding", default="identity", help="what clients accept")
    parser.add_argument("--budget", type=float, default=4.0, help="seconds a figure and pass")
    parser.add_argument("--pg-featureserv", type=Path, help="a pg_featureserv built elsewhere")
    return parser.parse_args()


def plan_of(options: argparse.Namespace) -> Plan:
    """Return how it is to be measured."""
    return Plan(
        tuple(int(size) for size in options.sizes.split(",")),
        tuple(int(number) for number in options.clients.split(",")),
        options.repeat,
        options.budget,
        options.encoding,
    )


def servers_of(options: argparse.Namespace, report: Report) -> list[FeatureServer]:
    """Build what is asked for; return the servers that are there."""
    peers.PEERS.mkdir(parents=True, exist_ok=True)
    tools = {"ours": one_map()}
    wanted = options.only.split(",")
    if "tipg" in wanted:
        tools["tipg"] = peers.tipg()
    if "pg_featureserv" in wanted:
        tools["pg_featureserv"] = peers.pg_featureserv(options.pg_featureserv)
    rows = facts.versions(tools.values())
    report.section("Programs", "", figures.table(["name", "version", "from"], rows))
    return [KINDS[name](name, tool) for name, tool in tools.items() if tool.there]


def against_peers(servers: list[FeatureServer], city: Parcels, plan: Plan, report: Report) -> None:
    """Pages of features of one class in a box."""
    asked_for = {size: questions(city, size, _QUESTIONS[size]) for size in plan.sizes}
    found = {server.name: Figures() for server in servers}
    for number in range(plan.repeat):
        for server in servers:
            sys.stderr.write(f"peers, pass {number + 1}: {server.name} …\n")
            with server.running(city, cached=True):
                one_pass(server, asked_for, plan, found[server.name])
    for name, figures_found in found.items():
        report.failed(name, figures_found.errors)
    deployed = "\n".join(f"* {server.name}: {server.deployment}" for server in servers)
    report.section(
        "Features of one class in a box",
        f"All with the same {len(FIELDS)} properties and links; ours and tipg tell how many match. "
        f"Medians of {plan.repeat} passes in turn, {plan.budget:g} s each; accept-encoding: "
        f"{plan.encoding}.\n\n{deployed}",
        figures.table(_PEERS_HEAD, list(_peer_rows(found, plan))),
    )


_PEERS_HEAD = [
    "features", "clients", "server", "answers/s", "ours ÷ it", "median ms", "size",
]  # fmt: skip


def _rate(found: Figures, size: int, clients: int) -> float | None:
    return figures.middle(found.rates.get((size, clients), []))


def _peer_rows(found: dict[str, Figures], plan: Plan) -> Iterator[list[str]]:
    for size in plan.sizes:
        for clients in plan.clients:
            own = _rate(found.get("ours", Figures()), size, clients)
            for name, one in found.items():
                rate = _rate(one, size, clients)
                yield [
                    f"{size:,}",
                    str(clients),
                    name,
                    figures.number(rate, 2),
                    figures.ratio(own / rate) if own and rate and name != "ours" else "1",
                    figures.number(figures.middle(one.times.get((size, clients), []))),
                    figures.size(one.sizes.get(size)),
                ]


def deep_pages(city: Parcels, plan: Plan, report: Report) -> None:
    """The thousandth page and the first, of the whole layer."""
    server = KINDS["ours"]("ours", one_map())
    rows = []
    with server.running(city, cached=True):
        deep = thousandth_pages(server, _PAGE_SIZES)
        for size in _PAGE_SIZES:
            found = Figures()
            pages = [server.page(limit=str(size)), *([deep[size]] if size in deep else [])]
            for path in pages:
                asked(server, [path], plan, budget=plan.budget / 8)
            for _ in range(plan.repeat):
                for which, path in enumerate(pages):
                    outcome = asked(server, [path], plan, budget=plan.budget / 2)
                    note(found, (size, which), outcome)
            first, last = (figures.middle(found.times.get((size, n), [])) for n in (0, 1))
            report.failed("ours", found.errors)
            rows.append(_compared(f"{size:,}", first, last))
    report.section(
        "Page 1,000 against page 1",
        "The whole layer, one client; the page's address is that of the 'next' links before it. "
        f"Medians of {plan.repeat} passes in turn.",
        figures.table(["features a page", "page 1, ms", "page 1,000, ms", "÷"], rows),
    )


def _compared(name: str, first: float | None, second: float | None) -> list[str]:
    times = second / first if first and second else None
    return [name, figures.number(first, 2), figures.number(second, 2), figures.ratio(times)]


def against_history(plain: Parcels, old: Parcels, plan: Plan, report: Report) -> None:
    """The same questions where every parcel has closed states, and where none has."""
    asked_for = {size: questions(plain, size, _QUESTIONS[size]) for size in plan.sizes}
    cities = {"without": plain, "with": old}
    found = {name: Figures() for name in cities}
    server = KINDS["ours"]("ours", one_map())
    alone = Plan(plan.sizes, (1,), plan.repeat, plan.budget / 2, plan.encoding)
    for number in range(plan.repeat):
        for name, city in cities.items():
            sys.stderr.write(f"history, pass {number + 1}: {name} …\n")
            with server.running(city, cached=True):
                one_pass(server, asked_for, alone, found[name])
    rows = []
    for size in plan.sizes:
        middles = [figures.middle(one.times.get((size, 1), [])) for one in found.values()]
        rows.append(_compared(f"{size:,}", middles[0], middles[1]))
    report.failed("ours", found["without"].errors + found["with"].errors)
    report.section(
        "Current state of a layer with history",
        f"The same questions as above, one client. Without history: {plain.rows}; with: "
        f"{old.rows} (each later survey closes what the map held, and what was valid before it). "
        f"Medians of {plan.repeat} passes in turn.",
        figures.table(["features", "without history, ms", "with, ms", "÷"], rows),
    )


def run(options: argparse.Namespace, server: PrivateCluster, report: Report) -> None:
    """Do the parts that are asked for."""
    plan, parts = plan_of(options), options.parts.split(",")
    city = loaded(server, options.scale, fresh=options.fresh)
    rows = f"{city.rows['current']:,} parcels"
    report.heading("Features", sys.argv, facts.machine(), facts.database(city.url), rows)
    servers = servers_of(options, report)
    if "peers" in parts:
        against_peers(servers, city, plan, report)
    if "pages" in parts:
        deep_pages(city, plan, report)
    if "history" in parts:
        scale = options.history_scale or options.scale
        cities = [loaded(server, scale, fresh=options.fresh, history=old) for old in (False, True)]
        against_history(cities[0], cities[1], plan, report)


def main() -> int:
    """Run the benchmark; return the exit status."""
    options = arguments()
    report = Report()
    server = cluster()
    with server.running():
        run(options, server, report)
    return report.publish("features")


if __name__ == "__main__":
    sys.exit(main())
