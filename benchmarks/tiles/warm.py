"""Cached tiles: ours against nginx with the same bytes as files, and Martin's memory cache.

nginx is as Debian's package sets it up, but for the access log: ``sendfile``, ``tcp_nopush``, each
file opened for each answer. Beside it stands nginx with a cache of open files, as its manual has it
for busy static sites, which does not look whether a file is still there.
"""

import os
import re
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tiles import figures, peers
from benchmarks.tiles.city import LARGE, MAP, ONEMAP, City
from benchmarks.tiles.servers import Server, _free_port, _process, get
from benchmarks.tiles.traces import Place, Session

#: Map and bytes over the wire of the tiles that are asked for again and again. The largest of the
#: map that is compared has about 116 KB; no map should have larger ones.
WANTED = ((MAP, 24_000), (MAP, 250_000), (LARGE, 275_000))
_CONNECTIONS = 16
_SECONDS = 2
_NGINX = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; etag on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/vnd.mapbox-vector-tile;
  server {{
    listen 127.0.0.1:{port}; root {folder}/files; add_header Content-Encoding gzip;
    location /kept-open/ {{
      alias {folder}/files/; open_file_cache max=100; add_header Content-Encoding gzip;
    }}
  }}
  {front}
}}
"""


@dataclass
class Nginx:
    """A running nginx: one process, as ours."""

    port: int
    folder: Path

    def put(self, name: str, body: bytes) -> str:
        """Keep bytes as a file; return its path on the server."""
        (self.folder / "files" / name).write_bytes(body)
        return f"/{name}"


@contextmanager
def nginx(tool: peers.Tool, front: Path | None = None) -> Iterator[Nginx]:
    """Run nginx with one worker over a folder of files, and with a front of ours if there is one.

    Args:
        tool: nginx.
        front: What ``onemap nginx-conf`` printed.
    """
    folder = peers.PEERS / "nginx"
    (folder / "files").mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o755)  # noqa: S103 - nginx's worker is another user
    server = Nginx(_free_port(), folder)
    user = "user root;\n" if os.geteuid() == 0 else ""
    text = user + _NGINX.format(
        folder=folder, port=server.port, front=f"include {front};" if front else ""
    )
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    command = [str(tool.program), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with (folder / "log").open("wb") as log, _process(command, {}, log):
        server.put("ready", b"ready")
        for _ in range(100):
            try:
                if get(server.port, "/ready")[0] == 200:
                    break
            except OSError:
                subprocess.run(["sleep", "0.1"], check=True)
        yield server


def rate(wrk: peers.Tool, port: int, path: str, headers: dict[str, str]) -> tuple[float, str]:
    """Return wrk's answers a second over 16 connections, and what it complains of."""
    command = [str(wrk.program), "-t1", f"-c{_CONNECTIONS}", f"-d{_SECONDS}s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LD_LIBRARY_PATH": peers.libraries()},
    )
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    complaint = re.search(r"(Socket errors.*|Non-2xx.*)", done.stdout)
    told = complaint.group(1) if complaint else ""
    return float(found.group(1)) if found else 0.0, told


@dataclass
class Chosen:
    """A tile that is asked for again and again."""

    place: Place
    #: Where the server has it.
    path: str
    etag: str
    body: bytes

    @property
    def name(self) -> str:
        """What it is called in a table."""
        return f"{len(self.body) // 1000} KB"

    @property
    def where(self) -> str:
        """Its zoom, column and row."""
        return "/".join(map(str, self.place))


def choose(
    server: Server,
    sessions: list[Session],
    wanted: int,
    path: Callable[[Place], str],
    most: int = 150,
) -> Chosen:
    """Return the tile whose gzipped bytes come nearest to a size, from the trace's tiles."""
    best: Chosen | None = None
    places = list(dict.fromkeys(p for s in sessions for p in s if p[0] >= 10))
    # All of zoom 10, which are few and among the largest.
    first = [place for place in places if place[0] == 10]
    for place in first + places[:: max(len(places) // most, 1)]:
        status, headers, body = get(server.port, path(place), {"Accept-Encoding": "gzip"})
        if status != 200:
            continue
        if best is None or abs(len(body) - wanted) < abs(len(best.body) - wanted):
            best = Chosen(place, path(place), headers.get("etag", ""), body)
    if best is None:
        raise RuntimeError(f"{server.name} has no tile with anything in it on the trace")
    return best


HEAD = ["what", "bytes", "ours req/s", "nginx req/s", "ours ÷ nginx"]


def against_nginx(
    ours: Server, city: City, sessions: list[Session], tools: dict[str, peers.Tool], repeat: int
) -> Iterator[list[str]]:
    """Give the rows of the table of warm tiles, both turn about; medians of ``repeat``."""
    with ours.running(city, cached=True), nginx(tools["nginx"]) as files:
        for name, wanted in WANTED:
            tile = choose(ours, sessions, wanted, _path_in(name))
            path = f"/kept-open{files.put(f'{name}-{wanted}.mvt', tile.body)}"
            etag = get(files.port, path)[1].get("etag", "")
            gzip = {"Accept-Encoding": "gzip"}
            for what, mine, theirs in (
                (f"{tile.name}, 200", gzip, gzip),
                (
                    f"{tile.name}, 304",
                    {**gzip, "If-None-Match": tile.etag},
                    {"If-None-Match": etag},
                ),
            ):
                own, other = [], []
                for _ in range(repeat):
                    own.append(rate(tools["wrk"], ours.port, tile.path, mine)[0])
                    other.append(rate(tools["wrk"], files.port, path, theirs)[0])
                left, right = figures.middle(own), figures.middle(other)
                yield [
                    f"{what} ({tile.where})",
                    f"{len(tile.body):,}",
                    figures.number(left, 0),
                    figures.number(right, 0),
                    figures.ratio(left / right if left and right else None),
                ]


FRONT_HEAD = [
    "what", "bytes", "front req/s", "nginx req/s", "front ÷ nginx",
    "nginx with a cache of open files, req/s", "front ÷ that",
]  # fmt: skip


def front_against_nginx(
    ours: Server, city: City, sessions: list[Session], tools: dict[str, peers.Tool], repeat: int
) -> Iterator[list[str]]:
    """Give the rows of our documented front over the tile store, against nginx over plain files.

    One nginx is both: its front server reads what our server stored.
    """
    ours.store = peers.PEERS / "store"
    shutil.rmtree(ours.store, ignore_errors=True)
    try:
        with ours.running(city, cached=True):
            port = _free_port()
            front = _front_conf(ours, city, port)
            with nginx(tools["nginx"], front) as files:
                for name, wanted in WANTED:
                    # Choosing asks the server for it, which puts it into the store.
                    tile = choose(ours, sessions, wanted, _path_in(name))
                    yield from _front_rows(tile, files, port, tools, repeat)
    finally:
        ours.store = None


def _front_conf(ours: Server, city: City, port: int) -> Path:
    command = [ONEMAP, "nginx-conf", "--listen", f"127.0.0.1:{port}"]
    done = subprocess.run(
        [*command, "--upstream", f"127.0.0.1:{ours.port}"],
        check=True,
        env={**city.environment(), "ONEMAP_TILE_STORE": str(ours.store)},
        capture_output=True,
        text=True,
    )
    path = peers.PEERS / "nginx" / "front.conf"
    path.parent.mkdir(exist_ok=True)
    path.write_text(done.stdout, encoding="utf-8")
    return path


def _path_in(name: str) -> Callable[[Place], str]:
    """Return where our server has the tiles of a map."""
    return lambda place: f"/tiles/{name}/{'/'.join(map(str, place))}"


def _first_path(server: Server) -> Callable[[Place], str]:
    return lambda place: server.paths(place)[0]


def _front_rows(
    tile: Chosen, files: Nginx, port: int, tools: dict[str, peers.Tool], repeat: int
) -> Iterator[list[str]]:
    gzip = {"Accept-Encoding": "gzip"}
    place = tile.path
    path = files.put(f"front-{len(tile.body)}.mvt", tile.body)
    _, headers, body = get(port, place, gzip)
    if body != tile.body or headers.get("x-cache") != "front":
        raise RuntimeError(f"the front does not answer {place} from the store, or with other bytes")
    pairs = (
        ("200", gzip, gzip),
        (
            "304",
            {**gzip, "If-None-Match": headers["etag"]},
            {"If-None-Match": get(files.port, path)[1]["etag"]},
        ),
    )
    for what, mine, theirs in pairs:
        asked = ((port, place, mine), (files.port, path, theirs),
                 (files.port, f"/kept-open{path}", theirs))  # fmt: skip
        rates = [[rate(tools["wrk"], *one)[0] for one in asked] for _ in range(repeat)]
        own, plain, cached = (statistics.median(one) for one in zip(*rates, strict=True))
        yield [
            f"{tile.name}, {what} ({tile.where})",
            f"{len(tile.body):,}",
            figures.number(own, 0),
            figures.number(plain, 0),
            figures.ratio(own / plain if plain else None),
            figures.number(cached, 0),
            figures.ratio(own / cached if cached else None),
        ]


MEMORY_HEAD = ["server", "tile", "bytes over the wire", "req/s"]


def memory_caches(
    servers: list[Server], city: City, sessions: list[Session], wrk: peers.Tool, repeat: int
) -> Iterator[list[str]]:
    """Give what each server answers from its memory for its own tile nearest to 24 KB gzipped."""
    for server in servers:
        with server.running(city, cached=True):
            tile = choose(server, sessions, WANTED[0][1], _first_path(server))
            headers = {"Accept-Encoding": "gzip"}
            rates = [rate(wrk, server.port, tile.path, headers)[0] for _ in range(repeat)]
        yield [
            server.name,
            tile.where,
            f"{len(tile.body):,}",
            figures.number(figures.middle(rates), 0),
        ]
