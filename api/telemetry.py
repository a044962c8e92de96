"""Prometheus metrics of one service; each service has a registry of its own.

What is counted with every request is kept in plain dictionaries: prometheus_client's counters
would take longer than answering a tile from memory.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

MEDIA_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _Requests(Collector):
    """Counts and times of requests, and where tiles came from."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self.tiles: defaultdict[tuple[str, int, str], int] = defaultdict(int)
        self.buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(_SECONDS) + 1))
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def collect(self) -> Iterator[Metric]:
        """Give the figures as Prometheus' families."""
        requests = CounterMetricFamily(
            "onemap_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        for (method, route, status), number in list(self.requests.items()):
            requests.add_metric((method, route, str(status)), number)
        yield requests
        seconds = HistogramMetricFamily(
            "onemap_http_request_seconds",
            "Seconds from a request to the end of its answer.",
            labels=("route",),
        )
        for route, counts in list(self.buckets.items()):
            seconds.add_metric((route,), _cumulated(counts), self.seconds[route])
        yield seconds
        tiles = CounterMetricFamily(
            "onemap_tiles",
            "Tiles answered, by where they came from.",
            labels=("map", "zoom", "source"),
        )
        for (name, zoom, source), number in list(self.tiles.items()):
            tiles.add_metric((name, str(zoom), source), number)
        yield tiles


def _cumulated(counts: list[int]) -> list[tuple[str, float]]:
    total = 0
    found = []
    for limit, number in zip((*_SECONDS, "+Inf"), counts, strict=True):
        total += number
        found.append((str(limit), float(total)))
    return found


class Telemetry:
    """The figures that the service keeps of itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = _Requests()
        self.registry.register(self._requests)
        self.cache_bytes = Gauge(
            "onemap_tile_cache_bytes", "Bytes of tiles kept in memory.", registry=self.registry
        )
        self.cache_tiles = Gauge(
            "onemap_tile_cache_tiles", "Tiles kept in memory.", registry=self.registry
        )
        self.store_bytes = Gauge(
            "onemap_tile_store_bytes",
            "Bytes of tiles kept on disk, more or less.",
            registry=self.registry,
        )
        self.store_in_step = Gauge(
            "onemap_tile_store_in_step",
            "Whether tiles on disk are used: 1 if the store is clear of all changes heard.",
            registry=self.registry,
        )
        self._store_failures = Counter(
            "onemap_tile_store_failures",
            "Failures of the disk that tiles are kept on.",
            ("kind",),
            registry=self.registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        figures = self._requests
        figures.requests[method, route, status] += 1
        figures.buckets[route][bisect_left(_SECONDS, seconds)] += 1
        figures.seconds[route] += seconds

    def tile(self, name: str, zoom: int, source: str) -> None:
        """Count a tile."""
        self._requests.tiles[name, zoom, source] += 1

    def store_failed(self, kind: str) -> None:
        """Count a failure of the tile store."""
        self._store_failures.labels(kind).inc()

    def exposition(self) -> bytes:
        """Return all figures in Prometheus' text form."""
        return generate_latest(self.registry)
