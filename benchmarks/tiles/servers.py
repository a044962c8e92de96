"""The servers under test, each deployed as its documentation would have it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from benchmarks.tiles import peers
from benchmarks.tiles.city import MAP, ONEMAP, SCHEMA, City
from benchmarks.tiles.traces import Place

#: Zoom → layer → the columns that our tiles carry there.
Columns = dict[int, dict[str, tuple[str, ...]]]
#: More features than any tile has: limits that cut tiles short without a word are lifted to it.
NO_LIMIT = 100_000_000
#: Seconds a server may take to start; Martin looks at every table first.
_START_S = 120.0
_CACHE_MB = 512
_PLACES = ("ONEMAP_TILE_STORE", "ONEMAP_ARCHIVES")


@dataclass
class Program(ABC):
    """One server program, stopped or running."""

    name: str
    tool: peers.Tool
    #: How it runs, for the report.
    deployment: str = ""
    port: int = 0

    @abstractmethod
    def command(self, city: City, *, cached: bool) -> tuple[list[str], dict[str, str]]:
        """Return the command that starts it, and what its environment has besides ours."""

    @property
    @abstractmethod
    def ready_path(self) -> str:
        """A path that answers 200 once it serves."""

    @contextmanager
    def running(self, city: City, *, cached: bool) -> Iterator[Self]:
        """Start it, with its caches or without, and stop it at the end."""
        self.port = _free_port()
        command, more = self.command(city, cached=cached)
        log = peers.PEERS / f"{self.name}.log"
        with log.open("wb") as output, _process(command, more, output) as process:
            _await(self, process, log)
            yield self


@dataclass
class Server(Program):
    """A server of tiles."""

    columns: Columns = field(default_factory=dict)
    #: Where our tiles are kept over restarts; without it, or with others, nowhere.
    store: Path | None = None
    #: The folder of archives that ours serves, if there is one.
    archives: Path | None = None

    @abstractmethod
    def paths(self, place: Place) -> list[str]:
        """Return the requests that make up one tile of all layers."""

    def layers_at(self, z: int) -> dict[str, tuple[str, ...]]:
        """Return layer → columns of zoom ``z``."""
        return self.columns.get(z, {})


@contextmanager
def _process(
    command: list[str], more: dict[str, str], output: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **more},
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=peers.PEERS,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await(server: Program, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if get(server.port, server.ready_path)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    told = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise RuntimeError(
        f"{server.name} does not start: {told[-1] if told else 'no message'} ({log})"
    )


def get(
    port: int, path: str, headers: dict[str, str] | None = None, patience: float = 300.0
) -> tuple[int, dict[str, str], bytes]:
    """Ask once; return status, headers (names in lower case) and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body
    finally:
        connection.close()


class Ours(Server):
    """One Map: ``onemap serve``, one process."""

    def paths(self, place: Place) -> list[str]:
        """One request a tile."""
        z, x, y = place
        return [f"/tiles/{MAP}/{z}/{x}/{y}"]

    def command(self, city: City, *, cached: bool) -> tuple[list[str], dict[str, str]]:
        """``onemap serve``; live, its caches are off and slow tiles get their time."""
        more = {key: city.environment()[key] for key in ("ONEMAP_DATABASE_URL", "PYTHONPATH")}
        more["ONEMAP_EXTRA_MAPS"] = str(city.maps)
        if not cached:
            more |= {"ONEMAP_TILE_CACHE_MB": "0", "ONEMAP_STATEMENT_TIMEOUT_S": "120"}
            more |= {"ONEMAP_TILE_TIMEOUT_S": "120"}
        if cached and self.store is not None:
            more["ONEMAP_TILE_STORE"] = str(self.store)
        if cached and self.archives is not None:
            more["ONEMAP_ARCHIVES"] = str(self.archives)
        self.deployment = "one process, pool of 4; " + (
            ", ".join(["as shipped", *(name for name in more if name in _PLACES)])
            if cached
            else "ONEMAP_TILE_CACHE_MB=0, no store, no archive, time limits of 120 s"
        )
        return [ONEMAP, "serve", "--port", str(self.port)], more

    @property
    def ready_path(self) -> str:
        """The service says so itself."""
        return "/readyz"


class Martin(Server):
    """Martin: one composite source for each set of layers and columns."""

    def paths(self, place: Place) -> list[str]:
        """One request a tile: its composite of the sources of that zoom."""
        z, x, y = place
        names = [f"{layer}_{z}" for layer in self.layers_at(z)]
        return [f"/{','.join(names)}/{z}/{x}/{y}"]

    def command(self, city: City, *, cached: bool) -> tuple[list[str], dict[str, str]]:
        """``martin --config``: sources of exactly our columns, ids, buffer and zooms."""
        config = {
            "listen_addresses": f"127.0.0.1:{self.port}",
            "cache": {"size_mb": _CACHE_MB if cached else 0},
            "postgres": {
                "connection_string": city.url,
                "auto_publish": False,
                "tables": self._sources(),
            },
        }
        path = peers.PEERS / "martin.yaml"
        path.write_text(json.dumps(config, indent=1), encoding="utf-8")
        self.deployment = "a worker a core, pool of 20 (its defaults), composite source; " + (
            f"memory cache of {_CACHE_MB} MB" if cached else "cache size 0"
        )
        return [str(self.tool.program), "--config", str(path)], {"RUST_LOG": "warn"}

    def _sources(self) -> dict[str, object]:
        return {
            f"{layer}_{z}": {
                "layer_id": layer,
                "schema": SCHEMA,
                "table": layer,
                "srid": 3857,
                "geometry_column": "geom",
                "id_column": "feature_id",
                "buffer": 64,
                "bounds": [113.0, 28.5, 115.5, 31.0],
                "properties": dict.fromkeys(columns, "string"),
            }
            for z, layers in self.columns.items()
            for layer, columns in layers.items()
        }

    @property
    def ready_path(self) -> str:
        """Martin has a health check."""
        return "/health"


class PgTileserv(Server):
    """pg_tileserv: several layers in one request, columns by ``properties``."""

    def paths(self, place: Place) -> list[str]:
        """One request a tile; the columns of all layers are one list."""
        z, x, y = place
        layers = self.layers_at(z)
        names = ",".join(f"{SCHEMA}.{layer}" for layer in layers)
        columns = dict.fromkeys(["feature_id", *(c for fields in layers.values() for c in fields)])
        return [f"/{names}/{z}/{x}/{y}.pbf?limit={NO_LIMIT}&properties={','.join(columns)}"]

    def command(self, city: City, *, cached: bool) -> tuple[list[str], dict[str, str]]:
        """``pg_tileserv``: it has no cache; its limit of features is lifted."""
        self.deployment = (
            f"its defaults, DefaultBuffer 64, MaxFeaturesPerTile {NO_LIMIT:,}; no cache"
        )
        return [str(self.tool.program)], {
            "DATABASE_URL": city.url,
            "TS_HTTPHOST": "127.0.0.1",
            "TS_HTTPPORT": str(self.port),
            "TS_DEFAULTBUFFER": "64",
            "TS_MAXFEATURESPERTILE": str(NO_LIMIT),
        }

    @property
    def ready_path(self) -> str:
        """Its index."""
        return "/index.json"


class Tipg(Server):
    """tipg: one collection a request, so a tile is as many requests as it has layers, at once."""

    def paths(self, place: Place) -> list[str]:
        """One request a layer."""
        z, x, y = place
        return [
            f"/collections/{SCHEMA}.{layer}/tiles/WebMercatorQuad/{z}/{x}/{y}"
            f"?properties={','.join(['feature_id', *columns])}"
            for layer, columns in self.layers_at(z).items()
        ]

    def command(self, city: City, *, cached: bool) -> tuple[list[str], dict[str, str]]:
        """``uvicorn tipg.main:app``: it has no cache; its limit of features is lifted."""
        self.deployment = (
            "uvicorn, one process, pool of 10; a request a layer, all at once; "
            f"TIPG_TILE_BUFFER=64, TIPG_MAX_FEATURES_PER_TILE={NO_LIMIT:,}, TIPG_CATALOG_TTL=0; "
            "no cache; feature ids as a property"
        )
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        program = [str(self.tool.program), "-m", "uvicorn", "tipg.main:app", *where]
        return [*program, "--log-level", "warning"], {
            "DATABASE_URL": city.url,
            "TIPG_DB_SCHEMAS": json.dumps([SCHEMA]),
            "TIPG_TILE_BUFFER": "64",
            "TIPG_MAX_FEATURES_PER_TILE": str(NO_LIMIT),
            "TIPG_CATALOG_TTL": "0",
            "PYTHONPATH": "",
        }

    @property
    def ready_path(self) -> str:
        """Its own health check."""
        return "/healthz"


def one_map() -> peers.Tool:
    """Return ourselves as a tool, with the commit that runs."""
    commit = peers.told_by(["git", "-C", str(peers.ROOT), "describe", "--always", "--dirty"])
    return peers.Tool("ours", commit, Path(ONEMAP), "this checkout")
