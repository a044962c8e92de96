"""The arithmetic and the traces of ``benchmarks/tiles``, and its client."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.tiles import figures, traces
from benchmarks.tiles.client import Job, replay
from tiles.grids import check_tile, tiles_over


def test_the_recorded_traces_are_what_their_seed_writes() -> None:
    recorded = traces.written(traces.pan_and_zoom())
    assert traces.RECORDED.read_text(encoding="utf-8") == recorded
    assert traces.UNIFORM.read_text(encoding="utf-8") == traces.written(traces.uniform())
    assert traces.read(traces.RECORDED) == traces.pan_and_zoom()


@pytest.mark.parametrize("path", [traces.RECORDED, traces.UNIFORM])
def test_every_tile_of_a_trace_lies_within_the_map(path) -> None:
    for session in traces.read(path):
        for z, x, y in session:
            check_tile(z, x, y)
            west, north, east, south = tiles_over(traces.BOUNDS, z)
            assert traces.MIN_ZOOM <= z <= traces.MAX_ZOOM
            assert west <= x <= east
            assert north <= y <= south


def test_a_visitor_asks_for_no_tile_twice_and_zooms_from_the_city_to_a_street() -> None:
    for session in traces.pan_and_zoom():
        assert len(set(session)) == len(session)
        assert session[0][0] <= 8
        assert max(place[0] for place in session) == traces.MAX_ZOOM


def test_warm_up_leaves_the_measured_tiles_alone() -> None:
    measured = traces.distinct(traces.pan_and_zoom(), 14)
    warm = traces.others(measured, 14, 30)
    assert len(warm) == 30
    assert not set(warm) & set(measured)
    assert traces.sampled(measured, 7) == traces.sampled(measured, 7)
    assert len(set(traces.sampled(measured, 7))) == 7
    assert traces.sampled(measured[:3], 7) == measured[:3]


def test_figures() -> None:
    assert figures.percentile([5, 1, 3, 2, 4], 0.95) == 5
    assert figures.percentile(list(range(1, 101)), 0.95) == 95
    assert figures.medians([{"a": 1.0, "b": 9.0}, {"a": 3.0}, {"a": 10.0}]) == {"a": 3.0, "b": 9.0}
    # Only tiles that both answered count: c is not held against the one that got that far.
    assert figures.shared_ratio({"a": 1.0, "b": 1.0, "c": 50.0}, {"a": 4.0, "b": 2.0}) == 3.0
    assert figures.shared_ratio({"a": 1.0}, {"b": 1.0}) is None
    assert [figures.ratio(r) for r in (None, 1.234, 1234.5)] == ["–", "1.23 ×", "1,234 ×"]
    assert [figures.size(s) for s in (None, 24_000, 2_500_000)] == ["–", "24.0 KB", "2.5 MB"]
    assert figures.table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    with pytest.raises(ValueError, match="no values"):
        figures.percentile([], 0.5)


class _Tiles(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n")
            return
        body = b"t" * 300_000 if self.path == "/large" else b""
        self.send_response({"/large": 200, "/empty": 204}.get(self.path, 503))
        if self.path != "/empty":
            self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Cache", "rendered")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Tiles) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_client_reads_every_kind_of_answer_and_tells_errors(port: int) -> None:
    session = [
        ("composite", ["/large", "/empty", "/chunked"]),
        ("one", ["/large"]),
        ("wrong", ["/nothing"]),
        ("again", ["/chunked"]),
    ]
    outcome = replay(Job("127.0.0.1", port, [session, session], clients=2))
    assert outcome.statuses == {"200": 8, "204": 2, "503": 2}
    assert outcome.caches == {"rendered": 8}
    sizes = {name: size for name, _, size in outcome.tiles}
    assert sizes == {"composite": 301_027, "one": 300_000, "wrong": 0, "again": 1027}
    assert all(milliseconds > 0 for _, milliseconds, _ in outcome.tiles)


def test_the_client_begins_nothing_after_its_budget(port: int) -> None:
    session = [(str(number), ["/large"]) for number in range(100_000)]
    outcome = replay(Job("127.0.0.1", port, [session], budget=0.3))
    assert 0 < len(outcome.tiles) < 100_000
    assert outcome.seconds < 5
