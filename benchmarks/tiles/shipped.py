"""Servers with their caches as they are shipped, and how the parts are written down."""

from benchmarks.tiles import figures, live
from benchmarks.tiles.city import City
from benchmarks.tiles.measure import asked
from benchmarks.tiles.report import Report
from benchmarks.tiles.servers import Server
from benchmarks.tiles.traces import Session


def write_live(
    report: Report,
    plan: live.Plan,
    found: dict[str, live.Figures],
    servers: list[Server],
    traces: dict[str, list[Session]],
) -> None:
    """Write down rendering without caches."""
    deployed = figures.table(["server", "as deployed"], [[s.name, s.deployment] for s in servers])
    report.section("Deployments, live", "", deployed)
    report.section(
        "Rendered live, one client",
        "Caches off everywhere. Tiles of the recorded trace at that zoom, evenly sampled, one "
        f"after the other over kept-alive connections; {plan.repeat} passes, the servers turn "
        "about and each restarted before every pass; the database's cache warmed by other tiles "
        "first. Median and p95 within a pass, then the median of passes. 'time ÷ ours' is the "
        "ratio of the sums of the tiles' medians over tiles that both answered within "
        f"{plan.zoom_budget:.0f} s. Clients accept {plan.encoding}; sizes are without compression.",
        figures.table(live.LIVE_HEAD, list(live.live_rows(found, plan))),
    )
    report.section(
        f"Rendered live, traces from zoom {plan.trace_zoom} on",
        "Visitors replay whole sessions, one request after the other, without caches; "
        f"median of {plan.repeat} passes of at most {plan.trace_budget:.0f} s.",
        figures.table(live.RATE_HEAD, list(live.rate_rows(found))),
    )
    whole = {name: live.whole_trace(f, traces["recorded"], plan.zooms) for name, f in found.items()}
    own = whole.get("ours")
    rows = [
        [name, figures.number(s), figures.ratio(s / own) if own and s and name != "ours" else "1"]
        for name, s in whole.items()
    ]
    report.section(
        "The whole recorded trace, computed",
        "Seconds that one client would wait for all of it: tiles asked at each zoom times the mean "
        "measured above (other zooms count as the next measured one below them).",
        figures.table(["server", "s", "time ÷ ours"], rows),
    )
    told = [[name, str(dict(f.caches)), str(dict(f.errors))] for name, f in found.items()]
    report.section(
        "What the answers said of themselves",
        "",
        figures.table(["server", "x-cache", "errors"], told),
    )
    for name, figure in found.items():
        report.failed(name, figure.errors)


def shipped_part(
    report: Report,
    plan: live.Plan,
    servers: list[Server],
    city: City,
    traces: dict[str, list[Session]],
    prebuilt: str,
) -> None:
    """Replay the recorded trace twice against each server as it is shipped, caches on.

    ``prebuilt`` says what was made beforehand.
    """
    found = {server.name: live.Figures() for server in servers}
    sessions = [[p for p in s if p[0] >= plan.trace_zoom] for s in traces["recorded"]]
    for _ in range(plan.repeat):
        for server in servers:
            with server.running(city, cached=True):
                live.warm_up(server, sessions, plan)
                for name in ("first pass", "second pass"):
                    live.replays(server, (name, sessions), _last_clients(plan), found[server.name])
    report.section(
        f"As shipped, recorded trace from zoom {plan.trace_zoom} on",
        "Caches on as each is deployed; restarted before the first pass, not before the second; "
        f"median of {plan.repeat}. Made beforehand: {prebuilt or 'nothing'}. "
        + "; ".join(f"{s.name}: {s.deployment}" for s in servers)
        + ".",
        figures.table(live.RATE_HEAD, list(live.rate_rows(found))),
    )
    for name, figure in found.items():
        report.failed(name, figure.errors)


def _last_clients(plan: live.Plan) -> live.Plan:
    return live.Plan(**{**vars(plan), "clients": plan.clients[-1:]})


def cold_tiles(
    ours: Server,
    city: City,
    traces: dict[str, list[Session]],
    plan: live.Plan,
    found: live.Figures,
) -> None:
    """Time our tiles one by one without caches."""
    recorded = traces["recorded"]
    with ours.running(city, cached=False):
        live.warm_up(ours, recorded, plan)
        for z in plan.zooms:
            places = live.timed_tiles(recorded, z, plan)
            outcome = found.tally(
                asked(ours, [places], budget=plan.zoom_budget, encoding=plan.encoding)
            )
            found.tiles.setdefault(z, []).append({name: ms for name, ms, _ in outcome.tiles})


def write_scale(
    report: Report, plan: live.Plan, found: dict[str, live.Figures], larger: City
) -> None:
    """Write down what a tile costs over more data."""
    small, large = found.values()
    rows = []
    for z in plan.zooms:
        times = figures.shared_ratio(small.middles(z), large.middles(z))
        rows.append(
            [
                f"z{z}",
                figures.number(small.latency(z)),
                figures.number(large.latency(z)),
                figures.ratio(times),
            ]
        )
    names = list(found)
    report.section(
        f"Ours at scale {names[1]} against scale {names[0]}",
        f"{larger.rows['land_parcel']:,} parcels. Cold tiles as in the live part, one client; the "
        "ratio is that of the sums over the same tiles.",
        figures.table(["zoom", f"ms at {names[0]}", f"ms at {names[1]}", "ratio"], rows),
    )
    for name, figure in found.items():
        report.failed(f"ours at scale {name}", figure.errors)
