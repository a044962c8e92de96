"""Prometheus metrics of one service; each service has a registry of its own.

What is counted with every request is kept in plain dictionaries: prometheus_client's counters
would take longer than answering a tile from memory.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from layers.pool import PoolFigures

MEDIA_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
#: Fewer for tiles, which have a histogram for each map, zoom and source.
_TILE_SECONDS = (0.0005, 0.005, 0.02, 0.05, 0.15, 0.5, 2.5, 10)
#: Named or not, other methods than these are counted as one.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Times:
    """Histograms, one for each set of labels."""

    def __init__(self, limits: tuple[float, ...]) -> None:
        self._limits = limits
        self._buckets: dict[tuple[str, ...], list[int]] = {}
        self._sums: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def add(self, labels: tuple[str, ...], seconds: float) -> None:
        counts = self._buckets.get(labels)
        if counts is None:
            counts = self._buckets[labels] = [0] * (len(self._limits) + 1)
        counts[bisect_left(self._limits, seconds)] += 1
        self._sums[labels] += seconds

    def family(self, name: str, text: str, labels: tuple[str, ...]) -> HistogramMetricFamily:
        family = HistogramMetricFamily(name, text, labels=labels)
        for values, counts in list(self._buckets.items()):
            family.add_metric(values, self._cumulated(counts), self._sums[values])
        return family

    def _cumulated(self, counts: list[int]) -> list[tuple[str, float]]:
        total = 0
        found = []
        for limit, number in zip((*self._limits, "+Inf"), counts, strict=True):
            total += number
            found.append((str(limit), float(total)))
        return found


class _Requests(Collector):
    """Counts and times of requests and of tiles."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self.times = _Times(_SECONDS)
        self.tile_times = _Times(_TILE_SECONDS)
        self.render_times = _Times(_TILE_SECONDS)
        self.tile_bytes: defaultdict[tuple[str, int, str], int] = defaultdict(int)
        self.truncated: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.tiles: defaultdict[tuple[str, int, str], int] = defaultdict(int)

    def collect(self) -> Iterator[Metric]:
        """Give the figures as Prometheus' families."""
        requests = CounterMetricFamily(
            "onemap_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        for (method, route, status), number in list(self.requests.items()):
            requests.add_metric((method, route, str(status)), number)
        yield requests
        yield self.times.family(
            "onemap_http_request_seconds",
            "Seconds from a request to the end of its answer.",
            ("route",),
        )
        yield from self._of_tiles()

    def _of_tiles(self) -> Iterator[Metric]:
        labels = ("map", "zoom", "source")
        yield _counter(
            "onemap_tiles", "Tiles answered, by where they came from.", labels, self.tiles
        )
        yield _counter(
            "onemap_tile_bytes", "Bytes of tiles sent, as compressed.", labels, self.tile_bytes
        )
        yield self.tile_times.family(
            "onemap_tile_seconds", "Seconds until a tile was there to be sent.", labels
        )
        yield self.render_times.family(
            "onemap_tile_render_seconds",
            "Seconds of rendering a tile, with the wait for a connection.",
            labels[:2],
        )
        yield _counter(
            "onemap_tiles_truncated",
            "Tiles rendered that could not hold everything.",
            labels[:2],
            self.truncated,
        )


def _counter(
    name: str, text: str, labels: tuple[str, ...], counts: Mapping[Any, int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, number in list(counts.items()):
        family.add_metric([str(value) for value in values], number)
    return family


class _Pool(Collector):
    """How the pool of connections fares; nothing before it is there."""

    def __init__(self, figures: Callable[[], PoolFigures | None]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Give the figures as Prometheus' families."""
        figures = self._figures()
        if figures is None:
            return
        for name, text, value in (
            ("size", "Connections for reading there may be.", figures.size),
            ("in_use", "Connections at work.", figures.in_use),
            ("waiting", "Requests that wait for a connection.", figures.waiting),
        ):
            yield GaugeMetricFamily(f"onemap_pool_{name}", text, value)
        ended = CounterMetricFamily(
            "onemap_pool_given_up",
            "Readings that were not done: the queue was full, the wait or the query too long, or "
            "nobody wanted the answer any more.",
            labels=("reason",),
        )
        ended.add_metric(("queue_full",), figures.refused)
        ended.add_metric(("waited_too_long",), figures.expired)
        ended.add_metric(("query_too_long",), figures.timed_out)
        ended.add_metric(("client_gone",), figures.cancelled)
        yield ended


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
        self._archive_failures = Counter(
            "onemap_archive_failures",
            "Archives that could not be used, and tiles of them that could not be read.",
            ("kind",),
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
        method = method if method in _METHODS else "other"
        self._requests.requests[method, route, status] += 1
        self._requests.times.add((route,), seconds)

    def tile(self, name: str, zoom: int, source: str, seconds: float, size: int) -> None:
        """Count a tile.

        Args:
            name: The map, or the layer.
            zoom: The tile's.
            source: Where the tile came from.
            seconds: How long that took.
            size: Bytes that were sent of it.
        """
        self._requests.tiles[name, zoom, source] += 1
        self._requests.tile_bytes[name, zoom, source] += size
        self._requests.tile_times.add((name, str(zoom), source), seconds)

    def rendered(self, name: str, zoom: int, seconds: float, *, truncated: bool) -> None:
        """Count a tile that was rendered."""
        self._requests.render_times.add((name, str(zoom)), seconds)
        if truncated:
            self._requests.truncated[name, zoom] += 1

    def watch_pool(self, figures: Callable[[], PoolFigures | None]) -> None:
        """Show how the pool of connections fares, too."""
        self.registry.register(_Pool(figures))

    def store_failed(self, kind: str) -> None:
        """Count a failure of the tile store."""
        self._store_failures.labels(kind).inc()

    def archive_failed(self, kind: str) -> None:
        """Count a failure of an archive."""
        self._archive_failures.labels(kind).inc()

    def exposition(self) -> bytes:
        """Return all figures in Prometheus' text form."""
        return generate_latest(self.registry)
