"""Prometheus metrics of one service; each service has a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

MEDIA_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Telemetry:
    """The figures that the service keeps of itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "onemap_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "onemap_http_request_seconds",
            "Seconds from a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._tiles = Counter(
            "onemap_tiles",
            "Tiles answered, by where they came from.",
            ("map", "zoom", "source"),
            registry=self.registry,
        )
        self.cache_bytes = Gauge(
            "onemap_tile_cache_bytes", "Bytes of tiles kept in memory.", registry=self.registry
        )
        self.cache_tiles = Gauge(
            "onemap_tile_cache_tiles", "Tiles kept in memory.", registry=self.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def tile(self, name: str, zoom: int, source: str) -> None:
        """Count a tile."""
        self._tiles.labels(name, str(zoom), source).inc()

    def exposition(self) -> bytes:
        """Return all figures in Prometheus' text form."""
        return generate_latest(self.registry)
