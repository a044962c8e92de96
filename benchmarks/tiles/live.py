"""Rendering measured: tile by tile with one client, and traces with several."""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.tiles import figures
from benchmarks.tiles.city import City
from benchmarks.tiles.client import Outcome
from benchmarks.tiles.measure import Content, asked, content, errors_of
from benchmarks.tiles.servers import Server
from benchmarks.tiles.traces import Place, Session, distinct, others, sampled


@dataclass(frozen=True)
class Plan:
    """What is measured, and how long it may take."""

    zooms: tuple[int, ...]
    repeat: int
    #: Zoom → most tiles that are timed one by one.
    tiles: dict[int, int]
    #: Seconds for the tiles of one zoom, and for one trace.
    zoom_budget: float
    trace_budget: float
    #: Traces are replayed from this zoom on; lower tiles are timed one by one only.
    trace_zoom: int
    clients: tuple[int, ...]
    encoding: str


@dataclass
class Figures:
    """What was measured of one server."""

    #: Zoom → one pass after the other: tile → milliseconds.
    tiles: dict[int, list[dict[str, float]]] = field(default_factory=dict)
    #: Trace and clients → tiles a second, one pass after the other.
    rates: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    #: Trace and clients → tiles of the last pass.
    done: dict[tuple[str, int], int] = field(default_factory=dict)
    #: Zoom → content of the tiles timed there.
    contents: dict[int, list[Content]] = field(default_factory=dict)
    caches: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def tally(self, outcome: Outcome) -> Outcome:
        """Note what the answers said of themselves."""
        self.caches.update(outcome.caches)
        self.errors.update(errors_of(outcome))
        return outcome

    def middles(self, z: int) -> dict[str, float]:
        """Return each tile's median milliseconds at a zoom."""
        return figures.medians(self.tiles.get(z, []))

    def latency(self, z: int, share: float | None = None) -> float | None:
        """Return the median over passes of a pass's median, or of its ``share`` percentile."""
        passes = [list(one.values()) for one in self.tiles.get(z, []) if one]
        if share is None:
            return figures.middle([statistics.median(one) for one in passes])
        return figures.middle([figures.percentile(one, share) for one in passes])


def timed_tiles(sessions: list[Session], z: int, plan: Plan) -> list[Place]:
    """Return the tiles of the trace that are timed one by one at a zoom."""
    return sampled(distinct(sessions, z), plan.tiles[z])


def _banded(sessions: list[Session], lowest: int) -> list[Session]:
    banded = [[place for place in session if place[0] >= lowest] for session in sessions]
    return [session for session in banded if session]


def warm_up(server: Server, sessions: list[Session], plan: Plan) -> None:
    """Ask for tiles that are not measured: connections, plans and the database's cache get warm."""
    for z in range(max(plan.trace_zoom - 2, 10), 17):
        places = others(distinct(sessions, z), z, 4 if z < 13 else 12)
        asked(server, [places], budget=10, encoding=plan.encoding)


def one_pass(
    server: Server, city: City, traces: dict[str, list[Session]], plan: Plan, found: Figures
) -> None:
    """Start a server without caches, warm the database up, and measure it once."""
    recorded = traces["recorded"]
    with server.running(city, cached=False):
        warm_up(server, recorded, plan)
        for z in plan.zooms:
            places = timed_tiles(recorded, z, plan)
            outcome = found.tally(
                asked(server, [places], budget=plan.zoom_budget, encoding=plan.encoding)
            )
            found.tiles.setdefault(z, []).append({name: ms for name, ms, _ in outcome.tiles})
            if z not in found.contents:
                answered = [place for place, _ in zip(places, outcome.tiles, strict=False)]
                found.contents[z] = [content(server, place) for place in answered]
        for name, sessions in traces.items():
            replays(server, (name, _banded(sessions, plan.trace_zoom)), plan, found)


def replays(server: Server, trace: tuple[str, list[Session]], plan: Plan, found: Figures) -> None:
    """Replay one trace with each number of clients."""
    name, sessions = trace
    for clients in plan.clients:
        outcome = found.tally(
            asked(
                server,
                sessions,
                clients=clients,
                budget=plan.trace_budget,
                encoding=plan.encoding,
            )
        )
        key = (name, clients)
        found.rates.setdefault(key, []).append(len(outcome.tiles) / outcome.seconds)
        found.done[key] = len(outcome.tiles)


def whole_trace(found: Figures, sessions: list[Session], zooms: Sequence[int]) -> float | None:
    """Return the seconds that all tiles of a trace would take one after the other.

    Zooms between measured ones count as the next measured zoom below them, so the figure is the
    sum of (tiles asked at each zoom) x (mean milliseconds there).
    """
    means = {z: statistics.fmean(found.middles(z).values()) for z in zooms if found.middles(z)}
    if not means:
        return None
    asked_at = Counter(place[0] for session in sessions for place in session)
    total = 0.0
    for z, count in asked_at.items():
        nearest = max((m for m in means if m <= z), default=min(means))
        total += count * means[nearest]
    return total / 1000


def live_rows(
    all_found: dict[str, Figures], plan: Plan, first: str = "ours"
) -> Iterator[list[str]]:
    """Give the rows of the table of rendering times."""
    for z in plan.zooms:
        for name, found in all_found.items():
            middles = found.middles(z)
            own = all_found[first].middles(z) if first in all_found else {}
            contents = found.contents.get(z, [])
            yield [
                f"z{z}",
                name,
                str(len(middles)),
                figures.number(found.latency(z)),
                figures.number(found.latency(z, 0.95)),
                figures.ratio(figures.shared_ratio(own, middles)) if name != first else "1",
                figures.size(figures.middle([c.octets for c in contents])),
                figures.size(max((c.octets for c in contents), default=None)),
                figures.number(figures.middle([c.features for c in contents]), 0),
                figures.number(max((c.features for c in contents), default=None), 0),
            ]


LIVE_HEAD = [
    "zoom", "server", "tiles", "median ms", "p95 ms", "time ÷ ours", "median size", "largest",
    "median features", "most features",
]  # fmt: skip
RATE_HEAD = ["trace", "clients", "server", "tiles/s", "ours ÷ it", "tiles a pass"]


def rate_rows(all_found: dict[str, Figures], first: str = "ours") -> Iterator[list[str]]:
    """Give the rows of the table of throughput."""
    keys = dict.fromkeys(key for found in all_found.values() for key in found.rates)
    for key in keys:
        own = figures.middle(all_found[first].rates.get(key, [])) if first in all_found else None
        for name, found in all_found.items():
            rate = figures.middle(found.rates.get(key, []))
            times = own / rate if own and rate else None
            yield [
                key[0],
                str(key[1]),
                name,
                figures.number(rate),
                figures.ratio(times) if name != first else "1",
                f"{found.done.get(key, 0):,}",
            ]
