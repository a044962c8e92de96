"""Asking and timing: pages of so many features, deep pages, and pages of a layer with history."""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks.features.questions import Question
from benchmarks.features.servers import FeatureServer
from benchmarks.tiles.client import Job, Outcome
from benchmarks.tiles.measure import done, errors_of
from benchmarks.tiles.servers import get

#: One walk to the thousandth page serves pages of all sizes.
_STRIDE = 999


@dataclass
class Figures:
    """What was measured of one server."""

    #: Features of a page and clients → answers a second, one pass after the other.
    rates: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    #: The same → median milliseconds of an answer.
    times: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    #: Features of a page → bytes of an answer.
    sizes: dict[int, int] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Plan:
    """How it is measured."""

    sizes: tuple[int, ...]
    clients: tuple[int, ...]
    repeat: int
    #: Seconds for each figure of a pass.
    budget: float
    encoding: str


def asked(
    server: FeatureServer, paths: Sequence[str], plan: Plan, *, clients: int = 1, budget: float
) -> Outcome:
    """Ask for paths in turn, over and over, as long as the budget lasts."""
    rounds = max(int(budget * 4000 / len(paths)), 1)
    job = Job(
        "127.0.0.1",
        server.port,
        [[(path, [path])] for _ in range(rounds) for path in paths],
        clients,
        {"Accept-Encoding": plan.encoding, "User-Agent": "onemap-benchmark"},
        budget,
    )
    return done(job)


def checked(server: FeatureServer, question: Question) -> int:
    """Ask once, and see that the answer is whole; return its bytes.

    Raises:
        RuntimeError: If features, links or, of those who count, the count are not as they should.
    """
    status, _, body = get(server.port, server.address(question), {"Accept-Encoding": "identity"})
    told = json.loads(body) if status == 200 else {}
    matched = told.get("numberMatched", question.matched)
    numbers = (len(told.get("features", ())), matched, bool(told.get("links")))
    if numbers != (question.limit, question.matched, True):
        raise RuntimeError(
            f"{server.name} answers {status} with (features, matched, links) = {numbers} "
            f"to {server.address(question)}"
        )
    return len(body)


def one_pass(
    server: FeatureServer, asked_for: dict[int, list[Question]], plan: Plan, found: Figures
) -> None:
    """Measure a running server once."""
    for limit in plan.sizes:
        found.sizes[limit] = checked(server, asked_for[limit][0])
        # The second half is for warming up: other boxes, the same statements.
        middle = len(asked_for[limit]) // 2
        paths = [server.address(question) for question in asked_for[limit]]
        asked(server, paths[middle:], plan, clients=max(plan.clients), budget=plan.budget / 3)
        for clients in plan.clients:
            outcome = asked(server, paths[:middle], plan, clients=clients, budget=plan.budget)
            note(found, (limit, clients), outcome)


def note(found: Figures, key: tuple[int, int], outcome: Outcome) -> None:
    """Keep what came of a job."""
    found.errors.update(errors_of(outcome))
    found.rates.setdefault(key, []).append(len(outcome.tiles) / outcome.seconds)
    taken = [milliseconds for _, milliseconds, _ in outcome.tiles]
    found.times.setdefault(key, []).append(statistics.median(taken))


def thousandth_pages(server: FeatureServer, sizes: Sequence[int]) -> dict[int, str]:
    """Walk from page to page; return limit → address of the page that 999 such pages precede."""
    path = server.page(limit=str(_STRIDE))
    pages: dict[int, str] = {}
    for step in range(1, max(sizes) + 1):
        status, _, body = get(server.port, path)
        if status != 200:
            raise RuntimeError(f"{server.name} answers {status} to {path}")
        links = json.loads(body)["links"]
        following = [entry["href"] for entry in links if entry["rel"] == "next"]
        if not following:
            break
        parts = urlsplit(following[0])
        path = f"{parts.path}?{parts.query}"
        if step in sizes:
            pages[step] = path.replace(f"limit={_STRIDE}", f"limit={step}")
    return pages
