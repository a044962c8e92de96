"""Workers as processes of their own, and surveys big enough to be caught at work."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas
import shapely
from sqlalchemy import text

from layers.load_desk import LoadDesk
from layers.load_records import LoadRecord
from tests.database import connected

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 90.0


def survey(path: Path, count: int, start: int = 0) -> Path:
    """Write places for layer ``place_name``, on a grid 20 m apart."""
    numbers = range(start, start + count)
    frame = geopandas.GeoDataFrame(
        {
            "PLACEID": [f"D{number}" for number in numbers],
            "BZMC": [f"地名{number}" for number in numbers],
            "DMLB": ["village"] * count,
        },
        geometry=shapely.points(
            [(114.0 + number % 1000 / 5000, 29.5 + number // 1000 / 5000) for number in numbers]
        ),
        crs="EPSG:4490",
    )
    frame.to_file(path)
    return path


def settings_of(url: str, **settings: object) -> dict[str, str]:
    """The environment of a process that works on a database."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ONEMAP_")}
    quick = {"ETL_HEARTBEAT_S": 2, "ETL_RETRY_S": 0.5, "ETL_GRACE_S": 20} | settings
    return (
        ours
        | {"PYTHONPATH": str(ROOT), "ONEMAP_DATABASE_URL": url}
        | {f"ONEMAP_{name}": str(value) for name, value in quick.items()}
    )


def onemap(url: str, *arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run ``onemap`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *map(str, arguments)],
        env=settings_of(url, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


class WorkerProcess:
    """A worker that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def events(self, name: str | None = None) -> list[dict[str, object]]:
        """What the worker has logged so far."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in found if name is None or entry.get("event") == name]

    def wait_for(self, name: str) -> None:
        until(lambda: bool(self.events(name)), self._log.read_text)

    def stop(self) -> int:
        """End it in order, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(_PATIENCE_S)


@contextmanager
def worker(url: str, log: Path, *arguments: object, **settings: object) -> Iterator[WorkerProcess]:
    """A worker, ended after the block at the latest."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "worker", *map(str, arguments)],
            env=settings_of(url, **settings),
            stderr=stream,
        )
        made = WorkerProcess(process, log)
        try:
            made.wait_for("worker.alive")
            yield made
        finally:
            if process.poll() is None:
                made.stop()


def until(true: Callable[[], bool], explain: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def ended(desk: LoadDesk, load_id: int) -> LoadRecord:
    """The record of a load once it has ended."""
    until(lambda: desk.record(load_id).final, lambda: desk.record(load_id))
    return desk.record(load_id)


def rows(url: str, table: str = "city.place_name") -> int:
    with connected(url) as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


@contextmanager
def busy(url: str, layer: str) -> Iterator[None]:
    """Hold the lock of a layer's writer in the block, as another load would."""
    with connected(url) as connection:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:kind, hashtext(:layer))"),
            {"kind": 0x6F6E656D, "layer": layer},
        )
        yield


@contextmanager
def apply_hangs(url: str, layer: str = "place_name") -> Iterator[None]:
    """In the block, a load stops as soon as it writes its first row into the layer.

    A trigger waits for a lock that this session holds.
    """
    with connected(url, autocommit=True) as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION public.hang() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$"
            )
        )
        connection.execute(
            text(
                f"CREATE TRIGGER hang BEFORE INSERT ON city.{layer} "
                "FOR EACH STATEMENT EXECUTE FUNCTION public.hang()"
            )
        )
        connection.execute(text("SELECT pg_advisory_lock(4711)"))
        yield
        connection.execute(text("SELECT pg_advisory_unlock(4711)"))
