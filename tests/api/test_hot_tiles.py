"""Cached tiles ahead of ASGI: byte for byte what the long way gives, and nothing unusual taken."""

import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from api.settings import ApiSettings
from layers.catalogue import Catalogue
from tests.api.test_tiles import address
from tests.api.town import serving, wait_until_ready

TILE = address(13)
HOST = b"Host: town\r\n"
GZIP = b"Accept-Encoding: gzip\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
#: Of the server itself, or different with each request.
_OWN = {b"date", b"x-request-id"}


class Line:
    """A connection on which bytes are sent as they are."""

    def __init__(self, town: str) -> None:
        parts = urlsplit(town)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 0), 10)
        self._rest = b""

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        for piece in pieces:
            self._socket.sendall(piece)
            time.sleep(pause)

    def answer(self, *, head: bool = False) -> tuple[int, dict[bytes, bytes], bytes]:
        while b"\r\n\r\n" not in self._rest:
            self._more()
        top, _, self._rest = self._rest.partition(b"\r\n\r\n")
        line, *lines = top.split(b"\r\n")
        headers = dict(entry.lower().split(b": ", 1) for entry in lines)
        found = _LENGTH.search(top)
        size = int(found[1]) if found and not head else 0
        while len(self._rest) < size:
            self._more()
        body, self._rest = self._rest[:size], self._rest[size:]
        return int(line.split()[1]), headers, body

    def _more(self) -> None:
        more = self._socket.recv(65536)
        if not more:
            raise EOFError
        self._rest += more

    def is_quiet(self) -> bool:
        return self._rest == b""

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def line(town: str, client: httpx.Client) -> Iterator[Line]:
    for path in (TILE, f"{TILE}.mvt", "/tiles/town/14/0/0"):
        client.get(path)
        assert client.get(path).headers["x-cache"] == "memory"
    opened = Line(town)
    yield opened
    opened.close()


def request(path: str = TILE, method: bytes = b"GET", *lines: bytes) -> bytes:
    return method + b" " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"".join(lines) + b"\r\n"


def told(answer: tuple[int, dict[bytes, bytes], bytes]) -> tuple[int, dict[bytes, bytes], bytes]:
    status, headers, body = answer
    return status, {name: v for name, v in headers.items() if name not in _OWN}, body


@pytest.mark.parametrize(
    "lines",
    [
        [GZIP],
        [b"accept-encoding: br;q=0.5, gzip;q=0.9\r\n"],
        [GZIP, b"Origin: https://other.example\r\n"],
        [GZIP, b"If-None-Match: *\r\n"],
        [GZIP, b'if-none-match: "no", W/"other"\r\n'],
        [
            b"Accept-Encoding: gzip\r\n",
            b"User-Agent: x\r\n",
            b"DNT: 1\r\n",
            b"Connection: keep-alive\r\n",
        ],
        [],
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_both_ways_answer_alike(line: Line, lines: list[bytes], method: bytes) -> None:
    is_head = method == b"HEAD"
    line.send(request(TILE, method, *lines))
    short = told(line.answer(head=is_head))
    # A cookie makes the request take the long way.
    line.send(request(TILE, method, *lines, b"Cookie: a=b\r\n"))
    assert short == told(line.answer(head=is_head))
    assert short[1][b"x-cache"] == b"memory"


def test_every_known_tag_is_a_304(line: Line) -> None:
    line.send(request(TILE, b"GET", GZIP))
    etag = line.answer()[1][b"etag"]
    for tags in (etag, b"W/" + etag, b'"x", ' + etag, b"*"):
        line.send(request(TILE, b"GET", GZIP, b"If-None-Match: " + tags + b"\r\n"))
        status, headers, body = line.answer()
        assert (status, headers[b"etag"], body) == (304, etag, b"")
        assert b"content-length" not in headers
    line.send(request(TILE, b"GET", GZIP, b'If-None-Match: "x"\r\n'))
    assert line.answer()[0] == 200


def test_empty_tiles_have_no_body(line: Line) -> None:
    line.send(request("/tiles/town/14/0/0", b"GET", GZIP) * 2)
    for _ in range(2):
        status, headers, _ = line.answer()
        assert status == 204
        assert b"content-length" not in headers
        assert b"content-encoding" not in headers


def test_requests_in_one_piece_are_answered_in_order(line: Line) -> None:
    paths = [TILE, "/healthz", f"{TILE}.mvt", address(12), TILE, "/api", TILE, "/api/none", TILE]
    line.send(b"".join(request(path, b"GET", GZIP) for path in paths))
    kinds = []
    for _ in paths:
        status, headers, _ = line.answer()
        kinds.append((status, headers.get(b"content-type", b"")[:25]))
    tile, json = (200, b"application/vnd.mapbox-ve"), (200, b"application/json")
    assert [kinds[0], kinds[2], kinds[3], kinds[4], kinds[6], kinds[8]] == [tile] * 6
    assert kinds[1] == kinds[5] == json
    assert kinds[7][0] == 404
    assert line.is_quiet()


@pytest.mark.parametrize("size", [1, 7, 40])
def test_requests_in_small_pieces_are_answered(line: Line, size: int) -> None:
    whole = request(TILE, b"GET", GZIP) * 2
    line.send(*(whole[at : at + size] for at in range(0, len(whole), size)), pause=0.001)
    assert [line.answer()[0] for _ in range(2)] == [200, 200]
    line.send(request(TILE, b"GET", GZIP))
    assert line.answer()[0] == 200


def test_a_piece_may_end_within_the_next_request(line: Line) -> None:
    whole = request(TILE, b"GET", GZIP)
    line.send(whole + whole[:25], whole[25:] + whole, pause=0.05)
    assert [line.answer()[0] for _ in range(3)] == [200] * 3


def test_bodies_belong_to_their_requests(line: Line) -> None:
    """What looks like a request within a body is none."""
    inner = request(TILE, b"GET", GZIP)
    length = b"Content-Length: %d\r\n" % len(inner)
    line.send(request(TILE, b"GET", length) + inner + request("/healthz"))
    assert line.answer()[1][b"content-type"].startswith(b"application/vnd")
    assert line.answer()[1][b"content-type"] == b"application/json"
    assert line.is_quiet()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(TILE, b"GET", b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", 200),
        (request(TILE, b"POST", b"Content-Length: 0\r\n"), 405),
        (request(TILE, b"DELETE"), 405),
        (request(TILE + "?x=1"), 400),
        (request(TILE + "?datetime=2011-01-01"), 204),
        (request(TILE + ".png"), 400),
        (b"GET " + TILE.encode() + b" HTTP/1.0\r\n\r\n", 200),
        (request(TILE, b"GET", b"Connection: close\r\n"), 200),
        (request(TILE, b"GET", b"Bad Name: x\r\n"), 400),
        (request(TILE, b"GET", b"X: a\x00b\r\n"), 400),
        (b"GET " + TILE.encode() + b" HTTP/1.1\r\nHost: town\r\n folded\r\n\r\n", 400),
    ],
)
def test_the_unusual_goes_the_long_way(line: Line, sent: bytes, status: int) -> None:
    line.send(sent)
    assert line.answer()[0] == status


def test_request_ids(line: Line) -> None:
    line.send(request(TILE, b"GET", b"X-Request-Id: abc-1.2_3\r\n", GZIP))
    assert line.answer()[1][b"x-request-id"] == b"abc-1.2_3"
    seen = set()
    for _ in range(3):
        line.send(request(TILE, b"GET", b"X-Request-Id: a b\r\n", GZIP))
        seen.add(line.answer()[1][b"x-request-id"])
    assert len(seen) == 3
    assert {len(entry) for entry in seen} == {32}


def test_what_is_answered_is_counted(line: Line, client: httpx.Client) -> None:
    def count() -> tuple[float, float]:
        text = client.get("/metrics").text
        route = 'route="/tiles/{map}/{z}/{x}/{y}"'
        requests = re.search(
            rf'requests_total{{method="HEAD",{re.escape(route)},status="200"}} (\S+)', text
        )
        times = re.search(rf"seconds_count{{{re.escape(route)}}} (\S+)", text)
        assert times is not None
        return float(requests[1]) if requests else 0.0, float(times[1])

    before = count()
    line.send(request(TILE, b"HEAD", GZIP) * 5)
    for _ in range(5):
        line.answer(head=True)
    after = count()
    assert (after[0] - before[0], after[1] - before[1]) == (5, 5)


def test_a_client_that_does_not_read_is_not_written_to_without_end(town: str, line: Line) -> None:
    """Many requests in one go, and nobody reads: the server waits; then all answers come."""
    many = 3000
    line.send(request(TILE, b"GET", GZIP))
    line.answer()
    sender = Line(town)
    sender._socket.settimeout(0.5)
    piece = request(TILE, b"GET", GZIP)
    sent = 0
    try:
        while sent < many:
            sent += sender._socket.send(piece) == len(piece)
    except TimeoutError:
        pass
    sender._socket.settimeout(10)
    assert sent > 10
    assert {sender.answer()[0] for _ in range(sent)} == {200}
    sender.close()


def test_pages_of_other_sites_are_answered_as_the_setting_says(
    town_database: str, catalogue: Catalogue
) -> None:
    for origins in (("https://a.example", "https://b.example"), ("*",)):
        settings = ApiSettings(default_map="town", cors_origins=origins)
        with serving(settings, town_database, catalogue) as town:
            with httpx.Client(base_url=town) as client:
                wait_until_ready(client)
                client.get(TILE)
                client.get(TILE)
            opened = Line(town)
            for origin in (b"https://a.example", b"https://c.example"):
                line = b"Origin: " + origin + b"\r\n"
                opened.send(request(TILE, b"GET", GZIP, line))
                short = told(opened.answer())
                # A trailer that is announced makes the request take the long way.
                opened.send(request(TILE, b"GET", GZIP, line, b"TE: trailers\r\n"))
                long = told(opened.answer())
                for name in (b"access-control-allow-origin", b"access-control-expose-headers"):
                    assert short[1].get(name) == long[1].get(name)
            opened.close()


def test_versioned_addresses_last_as_long_as_the_version(client: httpx.Client, line: Line) -> None:
    document = client.get("/tiles/town.json").json()
    version = int(document["version"].removeprefix("1.0."))
    z, x, y = TILE.split("/")[3:]
    (template,) = document["versioned_tiles"]
    path = urlsplit(template.format(z=z, x=x, y=y)).path
    assert path == f"/tiles/town/v{version}/{z}/{x}/{y}"
    for _ in range(2):
        line.send(request(path, b"GET", GZIP))
        status, headers, body = line.answer()
        assert status == 200
        assert b"immutable" in headers[b"cache-control"]
    line.send(request(TILE, b"GET", GZIP))
    plain = line.answer()
    assert plain[1][b"cache-control"] == b"public, no-cache"
    assert plain[2] == body
    for other in (version - 1, version + 1):
        moved = client.get(f"/tiles/town/v{other}/{z}/{x}/{y}?datetime=2020-01-01")
        assert (moved.status_code, moved.headers["cache-control"]) == (307, "no-store")
        assert moved.next_request is not None
        assert moved.next_request.url.path == TILE
        assert moved.next_request.url.query == b"datetime=2020-01-01"
    in_grid = client.get(f"/tiles/town/v{version}/WorldCRS84Quad/5/50/10")
    assert in_grid.status_code in (200, 204)
    assert "immutable" in in_grid.headers["cache-control"]
    elsewhere = client.get("/tiles/town/v1/WorldCRS84Quad/5/50/10")
    assert elsewhere.next_request is not None
    assert elsewhere.next_request.url.path == "/tiles/town/WorldCRS84Quad/5/50/10"
    assert client.get(f"/tiles/nothing/v{version}/{z}/{x}/{y}").status_code == 404
