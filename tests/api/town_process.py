"""The test town served by processes of their own, which can be killed.

Run as a program: ``python -m tests.api.town_process DESCRIPTOR STORE`` serves on a socket.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from api.app import create_app
from api.settings import ApiSettings
from cli.serving import serve_until_stopped
from layers.settings import LayersSettings
from tests.api.town import read_catalogue

_IN_STEP = "onemap_tile_store_in_step 1.0"
ROOT = Path(__file__).parents[2]


@dataclass
class TownProcess:
    """A server process."""

    process: "subprocess.Popen[bytes]"
    client: httpx.Client

    @property
    def address(self) -> str:
        return str(self.client.base_url)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def get(self, path: str) -> tuple[bytes, str]:
        """A tile's bytes, and where it came from."""
        answer = self.client.get(path)
        assert answer.status_code in (200, 204), answer.text
        return answer.content, answer.headers["x-cache"]


@contextmanager
def town_process(url: str, store: Path) -> Iterator[TownProcess]:
    """Serve the town of a database; ready when it hears of changes and its store is in step."""
    with socket.create_server(("127.0.0.1", 0)) as claimed:
        port = claimed.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.api.town_process", str(claimed.fileno()), str(store)],
            cwd=ROOT,
            env={**os.environ, "TOWN_DATABASE": url},
            pass_fds=(claimed.fileno(),),
            stdout=subprocess.DEVNULL,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            until_ready(client, store)
            yield TownProcess(process, client)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def until_ready(client: httpx.Client, store: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            figures = client.get("/metrics").text
            ready = client.get("/readyz").status_code == 200 and _IN_STEP in figures
        except httpx.TransportError:
            ready = False
        if ready and (store / "public").exists():
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def main() -> None:
    settings = ApiSettings(default_map="town", tile_store=Path(sys.argv[2]))
    layers = LayersSettings(database_url=SecretStr(os.environ["TOWN_DATABASE"]), pool_size=3)
    app = create_app(settings, layers, read_catalogue())
    with socket.socket(fileno=int(sys.argv[1])) as claimed:
        serve_until_stopped(app, claimed, lambda: None)


if __name__ == "__main__":
    main()
