"""Odd requests for tiles: answered at once, in order, never with a wrong tile or a failure."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.test_tiles import address

#: Tiles that are kept, with the very bytes of their answers.
TILES = [address(12), address(13), f"{address(14)}.mvt", "/tiles/town/14/0/0"]
PATIENCE_S = 10.0
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_FUZZ = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Answers:
    """What comes over a connection, answer by answer."""

    def __init__(self, town: str) -> None:
        parts = urlsplit(town)
        self.line = socket.create_connection((parts.hostname or "", parts.port or 0), PATIENCE_S)
        self._held = b""

    def next(self) -> tuple[int, bytes, bytes] | None:
        """Status, head and body of the next answer; nothing where the connection ends."""
        while b"\r\n\r\n" not in self._held:
            if not self._more():
                return None
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if b"transfer-encoding: chunked" in head.lower():
            return status, head, self._chunks()
        found = _LENGTH.search(head + b"\r\n")
        length = int(found[1]) if found and status not in (204, 304) else 0
        while len(self._held) < length:
            assert self._more(), "the answer is cut off"
        body, self._held = self._held[:length], self._held[length:]
        return status, head, body

    def _chunks(self) -> bytes:
        while not self._held.endswith(b"0\r\n\r\n"):
            assert self._more(), "the answer is cut off"
        body, self._held = self._held, b""
        return body

    def _more(self) -> bool:
        try:
            more = self.line.recv(65536)
        except ConnectionResetError:
            return False
        self._held += more
        return bool(more)

    def close(self) -> None:
        self.line.close()


@pytest.fixture(scope="module")
def bodies(town: str) -> dict[str, bytes]:
    """The bytes of each tile."""
    found = {}
    with httpx.Client(base_url=town) as client:
        for path in TILES:
            client.get(path)
            with client.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
                assert answer.headers["x-cache"] == "memory"
                found[path] = b"".join(answer.iter_raw())
    assert len(set(found.values())) == len(TILES)
    return found


@pytest.fixture
def answers(town: str) -> Iterator[Answers]:
    opened = Answers(town)
    yield opened
    opened.close()


def asking(path: str, *lines: str) -> bytes:
    head = [f"GET {path} HTTP/1.1", "Host: town", "Accept-Encoding: gzip", *lines]
    return "\r\n".join([*head, "", ""]).encode("latin-1")


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.integers(0, 30).map(str),
    st.sampled_from(["", "0x1", "1e3", "١٤", "14.0", "+1", "%31", "00012", "-0", "NaN", " 1"]),
)
PARTS = st.one_of(
    TEXT,
    NUMBERS,
    st.sampled_from(["town", "nowhere", "v3", "v", "..", ".", "%2e%2e", "%00", "WebMercatorQuad"]),
)
PARAMETERS = st.lists(
    st.tuples(
        st.sampled_from(["datetime", "asOf", "filter", "properties", "since", "f", "", "DATETIME"]),
        st.one_of(
            TEXT,
            st.sampled_from(
                [
                    "2014-05-01",
                    "2014-13-45",
                    "9999-12-31",
                    "0000-01-01",
                    "-infinity",
                    "../..",
                    "2014-01-01/..",
                    "use = '07'",
                    "use = '07' OR 1=1; DROP TABLE city.plot",
                    "(" * 400,
                    "use LIKE '%%%%%'",
                    "%ff%fe",
                    "a" * 9000,
                    "1" * 400,
                ]
            ),
        ),
    ),
    max_size=3,
)
ENDINGS = st.sampled_from(["", ".mvt", ".pbf", ".png", ".mvt.gz", "/", "?"])


@_FUZZ
@given(st.lists(PARTS, min_size=1, max_size=6), ENDINGS, PARAMETERS)
def test_no_address_breaks_the_service(
    town: str, parts: list[str], ending: str, parameters: list[tuple[str, str]]
) -> None:
    query = "&".join(f"{name}={value}" for name, value in parameters)
    target = f"/tiles/{'/'.join(parts)}{ending}" + (f"?{query}" if query else "")
    target = target.replace(" ", "%20").replace("#", "%23")
    opened = Answers(town)
    start = time.monotonic()
    opened.line.sendall(asking(target.encode().decode("latin-1"), "Connection: close"))
    answer = opened.next()
    opened.close()
    assert answer is not None
    status, head, body = answer
    assert time.monotonic() - start < PATIENCE_S / 2
    assert status < 500, body
    if status >= 400 and b"application/problem+json" in head:
        told = body.decode()
        for secret in ("Traceback", "SELECT", "city.", "/work", "asyncpg", "sqlalchemy"):
            assert secret not in told.replace(query, "")


HEADERS = st.lists(
    st.sampled_from(
        [
            "Accept-Encoding: identity;q=0",
            "Accept-Encoding: br;q=2, zstd;q=-1, gzip;q=x",
            "Accept-Encoding: " + "gzip," * 300,
            "If-None-Match: *",
            'If-None-Match: "',
            "If-None-Match: W/",
            "If-None-Match: " + '"x",' * 500,
            "Range: bytes=0-10",
            "Origin: null",
            "X-Request-Id: " + "a" * 5000,
            "X-Forwarded-Host: evil.example",
            "Cookie: " + "c=d; " * 200,
            "Content-Length: 0",
            "Expect: 100-continue",
            "Connection: keep-alive, x",
            "Accept: text/html;q=0.1",
        ]
    ),
    max_size=4,
)
TURNS = st.lists(st.tuples(st.sampled_from(TILES), HEADERS), min_size=1, max_size=6)


@_FUZZ
@given(TURNS, st.lists(st.integers(1, 4000), max_size=8))
def test_pipelined_requests_in_any_pieces_get_their_own_tiles_in_order(
    town: str, bodies: dict[str, bytes], turns: list[tuple[str, list[str]]], cuts: list[int]
) -> None:
    opened = Answers(town)
    with closing(opened):
        take_turns(opened, bodies, turns, cuts)


def take_turns(
    opened: Answers, bodies: dict[str, bytes], turns: list[tuple[str, list[str]]], cuts: list[int]
) -> None:
    whole = b"".join(asking(path, *lines) for path, lines in turns)
    # Two lengths break the protocol: the server closes, and its answers may be lost with what was
    # still under way to it.
    may_close = any(sum("Length" in line for line in lines) > 1 for _, lines in turns)
    start = 0
    for cut in (*cuts, len(whole)):
        try:
            opened.line.sendall(whole[start : start + cut])
        except (ConnectionResetError, BrokenPipeError):
            assert may_close
            return
        start += cut
    for path, _ in turns:
        answer = opened.next()
        while answer is not None and answer[0] == 100:
            answer = opened.next()
        if answer is None and may_close:
            return
        assert answer is not None
        status, head, body = answer
        assert status in (200, 204, 304, 400, 431)
        if status == 400:
            # The protocol was broken; the rest is not answered.
            break
        if status == 200 and b"content-encoding: gzip" in head.lower():
            assert body == bodies[path]
        if status == 204:
            assert bodies[path] == b""


JUNK = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from(
            [
                b"GET ",
                b"POST ",
                b"HEAD ",
                TILES[0].encode(),
                b"/tiles/",
                b" HTTP/1.1\r\n",
                b" HTTP/1.0\r\n",
                b" HTTP/9.9\r\n",
                b"Host: town\r\n",
                b"Host : town\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Content-Length: 5\r\n",
                b"Content-Length: 99999999999999999999\r\n",
                b"Content-Length: -1\r\n",
                b"\r\n",
                b"\n",
                b"\x00",
                b"5\r\nhello\r\n0\r\n\r\n",
                b"\xff\xfe",
                b" folded\r\n",
            ]
        ),
        max_size=12,
    ).map(b"".join),
)


@_FUZZ
@given(JUNK)
def test_what_is_no_request_hurts_nobody(town: str, bodies: dict[str, bytes], junk: bytes) -> None:
    broken, sound = Answers(town), Answers(town)
    try:
        broken.line.sendall(junk)
        broken.line.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    sound.line.sendall(asking(TILES[1]))
    answer = sound.next()
    assert answer is not None
    assert (answer[0], answer[2]) == (200, bodies[TILES[1]])
    # Whatever it is answered, the connection ends, and without a failure of the service.
    while (told := broken.next()) is not None:
        assert told[0] < 500
        if told[0] == 200 and b"content-encoding: gzip" in told[1]:
            assert told[2] == bodies[TILES[0]]
    broken.close()
    sound.close()


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/tiles/nowhere/3/1/1", 404, "Unknown map"),
        ("/tiles/town/14/16384/0", 404, "Tile out of range"),
        ("/tiles/town/14/0/99999999", 404, "Tile out of range"),
        ("/tiles/town/3/1/1", 404, "Tile out of range"),
        ("/tiles/town/30/1/1", 404, "Tile out of range"),
        ("/tiles/town/14/-1/0", 400, "Invalid parameter"),
        ("/tiles/town/14/1/1.png", 400, "Invalid parameter"),
        ("/tiles/town/14/1/1?datetime=soon", 400, None),
        ("/tiles/town/14/1/1?datetime=2014-01-01&datetime=2015-01-01", 400, "Invalid parameter"),
        ("/tiles/town/14/1/1?nonsense=1", 400, "Unknown parameter"),
        ("/tiles/town/14/1/1?filter=)(", 400, None),
        ("/tiles/town/14/1/1?datetime=%FF", 400, "Invalid parameter"),
        ("/tiles/town/14/1/1?" + "datetime=1&" * 150, 400, "Invalid parameter"),
        ("/api/collections/nothing/tiles/WebMercatorQuad/14/1/1", 404, "Unknown layer"),
        ("/api/maps/town/tiles/NoSuchQuad/14/1/1", 404, None),
    ],
)
def test_faults_are_told_at_once(
    client: httpx.Client, path: str, status: int, title: str | None
) -> None:
    start = time.monotonic()
    answer = client.get(path)
    assert time.monotonic() - start < 1
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert title is None or told["title"] == title
    assert told["requestId"] == answer.headers["x-request-id"]


def test_over_long_addresses_are_refused(answers: Answers) -> None:
    answers.line.sendall(asking("/tiles/town/14/1/" + "1" * 200_000))
    answer = answers.next()
    assert answer is None or 400 <= answer[0] < 500
