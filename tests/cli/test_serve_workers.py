"""Several server processes on one port: one map, one store, and none that is missed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.cli.worker_process import ROOT, onemap, settings_of

_PATIENCE_S = 60.0


@contextmanager
def served(url: str, log: Path, workers: int, **settings: object) -> Iterator[tuple[str, int]]:
    """Server processes over a database; yields their address and the parent's process id."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "serve", "--port=0", f"--workers={workers}"],
            cwd=ROOT,
            env=settings_of(url, **settings),
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            assert process.stdout is not None
            told = process.stdout.readline().decode()
            found = re.search(r"http://[\d.:]+", told)
            assert found, log.read_text()
            yield found[0], process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()


def children_of(parent: int) -> set[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return {int(number) for number in listed}


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def migrated(fresh_database: str) -> str:
    assert onemap(fresh_database, "migrate").returncode == 0
    return fresh_database


def test_processes_are_replaced_and_end_together(migrated: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    store = tmp_path / "tiles"
    with served(migrated, log, 2, TILE_STORE=store) as (address, parent):
        first = children_of(parent)
        assert len(first) == 2
        assert answers(address)
        until((store / "public").exists)
        for process in first:
            os.kill(process, signal.SIGKILL)
        until(lambda: len(children_of(parent) - first) == 2)
        until(lambda: answers(address))
        until((store / "public").exists)
        last = children_of(parent)
    assert not any(map(is_alive, last))
    assert not (store / "public").exists()
    assert '"serve.process_died"' in log.read_text()


def test_processes_end_with_the_one_that_started_them(migrated: str, tmp_path: Path) -> None:
    store = tmp_path / "tiles"
    with served(migrated, tmp_path / "log", 2, TILE_STORE=store) as (_, parent):
        started = children_of(parent)
        until((store / "public").exists)
        os.kill(parent, signal.SIGKILL)
        until(lambda: not any(map(is_alive, started)))
        # Nobody lived to take the link away but the guards.
        until(lambda: not (store / "public").is_symlink())


def test_more_connections_than_there_are_are_refused(migrated: str) -> None:
    told = onemap(migrated, "serve", "--port=0", "--workers=9", POOL_SIZE=50)
    assert told.returncode == 1
    assert "9 server processes may want 495 connections" in told.stderr
    assert "ONEMAP_POOL_SIZE" in told.stderr
