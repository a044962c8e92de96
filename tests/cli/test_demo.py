"""``onemap demo``: serves, keeps what it made, and leaves nothing running."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from tests.database import connected

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "data" / "samples"
PATIENCE_S = 120


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A folder with the first few sample files, and a manifest of them."""
    folder = tmp_path / "samples"
    folder.mkdir()
    loads = yaml.safe_load((SAMPLES / "manifest.yaml").read_text(encoding="utf-8"))["loads"][:6]
    for entry in loads:
        shutil.copy(SAMPLES / entry["file"], folder)
    (folder / "manifest.yaml").write_text(yaml.safe_dump({"loads": loads}), encoding="utf-8")
    return folder


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, samples: Path) -> Iterator[Start]:
    """Starts ``onemap``; what still runs at the end, and the cluster's folder, are removed."""
    started: list[subprocess.Popen[str]] = []
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEMAP_")}
    state = {"ONEMAP_STATE_DIR": str(tmp_path / "state"), "ONEMAP_SAMPLES_DIR": str(samples)}

    def start_one(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "cli", *arguments],
            cwd=ROOT,
            env=clean | state | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    location = tmp_path / "state" / "cluster" / "location"
    if location.is_file():
        shutil.rmtree(location.read_text().strip())


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    """What the process prints, up to the line with ``wanted``."""
    told = ""
    assert process.stdout is not None
    for line in process.stdout:
        told += line
        if wanted in line:
            return told
    pytest.fail(f"it ended without saying {wanted!r}:\n{told}")


def base_address(told: str) -> str:
    return next(word for word in told.split() if word.startswith("http://")).rstrip("/")


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own server
        return answer.read()


def readiness(base: str) -> dict[str, Any]:
    try:
        found = get(f"{base}/readyz")
    except urllib.error.HTTPError as refused:
        found = refused.read()
    return json.loads(found)


def wait_until_ready(base: str) -> None:
    """Wait until the server hears of changes, for which it connects beside its work."""
    deadline = time.monotonic() + 30
    while (found := readiness(base))["status"] != "ready":
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cluster_port(tmp_path: Path) -> int:
    return int((tmp_path / "state" / "cluster" / "port").read_text())


def test_two_runs(start: Start, tmp_path: Path) -> None:
    first = start("demo", "--port=0")
    told = read_until(first, "Ctrl-C stops it.")
    assert told.count(" rows") == 6
    base = base_address(told)
    wait_until_ready(base)
    assert (
        json.loads(get(f"{base}/api/collections/water_body/items?limit=1"))["numberReturned"] == 1
    )

    address = start("database-url")
    url, _ = address.communicate(timeout=PATIENCE_S)
    with connected(url.strip()) as connection:
        assert connection.execute(text("SELECT count(*) FROM onemap.load")).scalar_one() == 6

    first.send_signal(signal.SIGINT)
    rest, _ = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 0
    assert rest == "Stopped: everything is kept for the next time.\n"
    assert not is_listening(cluster_port(tmp_path))

    began = time.monotonic()
    second = start("demo", "--port=0")
    told = read_until(second, "Ctrl-C stops it.")
    assert time.monotonic() - began < 10
    assert " rows" not in told
    wait_until_ready(base_address(told))
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0
    assert not is_listening(cluster_port(tmp_path))


def test_interrupted_while_it_loads(start: Start, tmp_path: Path) -> None:
    process = start("demo", "--port=0")
    read_until(process, " rows")
    process.send_signal(signal.SIGTERM)
    # An impatient second signal must not cut the stopping of the cluster short.
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert told.endswith("Stopped: everything is kept for the next time.\n")
    assert "Traceback" not in told
    assert not is_listening(cluster_port(tmp_path))

    again = start("demo", "--port=0")
    assert 0 < read_until(again, "Ctrl-C stops it.").count(" rows") < 6
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 0


def test_killed_and_started_again(start: Start, tmp_path: Path) -> None:
    killed = start("demo", "--port=0")
    read_until(killed, "Ctrl-C stops it.")
    killed.kill()
    killed.communicate(timeout=PATIENCE_S)
    assert is_listening(cluster_port(tmp_path))

    again = start("demo", "--port=0")
    assert " rows" not in read_until(again, "Ctrl-C stops it.")
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 0
    assert not is_listening(cluster_port(tmp_path))


def test_on_a_database_of_one_s_own(start: Start, fresh_database: str, tmp_path: Path) -> None:
    process = start("demo", "--port=0", ONEMAP_DATABASE_URL=fresh_database)
    assert read_until(process, "Ctrl-C stops it.").count(" rows") == 6
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert not (tmp_path / "state").exists()


def test_serve_after_migrate(start: Start, fresh_database: str) -> None:
    assert start("migrate", ONEMAP_DATABASE_URL=fresh_database).wait(PATIENCE_S) == 0
    process = start("serve", "--port=0", ONEMAP_DATABASE_URL=fresh_database)
    told = read_until(process, "One Map serves on")
    assert get(f"{base_address(told)}/healthz")
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, rest) == (0, "Stopped.\n")
