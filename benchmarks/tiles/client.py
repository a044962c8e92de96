"""The asking side, a process of its own: replays tiles over kept-alive connections and times them.

    python benchmarks/tiles/client.py < job.json > outcome.json

A *tile* is one or more requests: servers that cannot compose layers are asked for all layers at
once, each over a connection of its own, and the tile is there when the last answer is. Nothing but
the standard library is used, bodies are counted and thrown away, and threads wait in system calls.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_CHUNK = 1 << 18


@dataclass
class Job:
    """What to ask, and how."""

    host: str
    port: int
    #: Sessions of tiles: each its name and the paths that make it up.
    sessions: list[list[tuple[str, list[str]]]]
    #: Visitors at once; each takes the next session when it is through with one.
    clients: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    #: Seconds after which no further tile is begun.
    budget: float = 60.0
    #: Seconds to wait for one answer.
    patience: float = 150.0


@dataclass
class Outcome:
    """What came of it."""

    #: Name, milliseconds, bytes over the wire (bodies), of every tile in the order of its end.
    tiles: list[tuple[str, float, int]] = field(default_factory=list)
    #: HTTP status → answers.
    statuses: Counter[str] = field(default_factory=Counter)
    #: The servers' own word on their cache (x-cache) → answers.
    caches: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class Connection:
    """One kept-alive connection."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._socket: socket.socket | None = None
        self._left = b""
        lines = [f"Host: {job.host}:{job.port}", *(f"{k}: {v}" for k, v in job.headers.items())]
        self._tail = (" HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, path: str) -> None:
        """Ask for a path."""
        if self._socket is None:
            address = (self._job.host, self._job.port)
            self._socket = socket.create_connection(address, self._job.patience)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"GET " + path.encode() + self._tail)

    def receive(self) -> tuple[int, str, int]:
        """Wait for the answer; return its status, its x-cache and the length of its body."""
        head, rest = self._head()
        lines = head.split(b"\r\n")
        status = int(lines[0].split(b" ", 2)[1])
        fields = dict(line.lower().split(b":", 1) for line in lines[1:])
        length = fields.get(b"content-length")
        if status in (204, 304):
            body, self._left = 0, rest
        elif length is not None:
            body = int(length)
            self._skip(rest, body)
        else:
            body = self._chunks(rest)
        if fields.get(b"connection", b"").strip() == b"close":
            self.close()
        return status, fields.get(b"x-cache", b"").strip().decode(), body

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._left = None, b""

    def _read(self) -> bytes:
        data = self._socket.recv(_CHUNK) if self._socket is not None else b""
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def _head(self) -> tuple[bytes, bytes]:
        data = self._left
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._read()
        return data[:end], data[end + 4 :]

    def _skip(self, rest: bytes, length: int) -> None:
        missing = length - len(rest)
        while missing > 0:
            rest = self._read()
            missing -= len(rest)
        self._left = rest[missing:] if missing < 0 else b""

    def _chunks(self, rest: bytes) -> int:
        total = 0
        while True:
            while (end := rest.find(b"\r\n")) < 0:
                rest += self._read()
            length = int(rest[:end].split(b";")[0], 16)
            self._skip(rest[end + 2 :], length + 2)
            rest, total = self._left, total + length
            if length == 0:
                return total


class _Visitors:
    """All clients of a job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._waiting = list(reversed(job.sessions))
        self._lock = threading.Lock()
        self._end = 0.0
        self.outcome = Outcome()

    def run(self) -> Outcome:
        start = time.perf_counter()
        self._end = start + self._job.budget
        threads = [threading.Thread(target=self._visit) for _ in range(self._job.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.outcome.seconds = time.perf_counter() - start
        return self.outcome

    def _visit(self) -> None:
        connections: list[Connection] = []
        while session := self._next():
            for name, paths in session:
                if time.perf_counter() >= self._end:
                    break
                connections += [Connection(self._job) for _ in range(len(paths) - len(connections))]
                self._tile(name, paths, connections)
        for connection in connections:
            connection.close()

    def _next(self) -> list[tuple[str, list[str]]]:
        with self._lock:
            return self._waiting.pop() if self._waiting else []

    def _tile(self, name: str, paths: list[str], connections: list[Connection]) -> None:
        used = list(zip(paths, connections, strict=False))
        start = time.perf_counter()
        answers = []
        try:
            for path, connection in used:
                connection.send(path)
            answers = [connection.receive() for _, connection in used]
        except OSError as error:
            for _, connection in used:
                connection.close()
            with self._lock:
                self.outcome.statuses[type(error).__name__] += 1
            return
        taken = (time.perf_counter() - start) * 1000
        with self._lock:
            self.outcome.tiles.append((name, taken, sum(answer[2] for answer in answers)))
            for status, cached, _ in answers:
                self.outcome.statuses[str(status)] += 1
                if cached:
                    self.outcome.caches[cached] += 1


def replay(job: Job) -> Outcome:
    """Ask for all tiles of a job, or as many as its budget allows."""
    return _Visitors(job).run()


def main() -> None:
    """Read a job, do it, write the outcome."""
    given: dict[str, Any] = json.load(sys.stdin)
    outcome = replay(Job(**given))
    json.dump(vars(outcome), sys.stdout)


if __name__ == "__main__":
    main()
