"""What the figures were measured on."""

import os
import platform
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import text

from benchmarks.tiles.peers import Tool, told_by
from tests.database import connected


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return "unknown"


def machine() -> str:
    """Return processor, cores, memory, kernel and system in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    return (
        f"{_field('/proc/cpuinfo', 'model name')}, {cores} cores, {memory:.0f} GiB, "
        f"Linux {platform.release()}, {system}; load average at the start {load:.1f}"
    )


def database(url: str) -> str:
    """Return the versions and the settings of the database that matter here."""
    names = (
        "shared_buffers", "work_mem", "jit", "max_parallel_workers_per_gather", "random_page_cost",
    )  # fmt: skip
    with connected(url) as connection:
        told = [
            str(connection.execute(text("SHOW server_version")).scalar_one()),
            str(connection.execute(text("SELECT postgis_full_version()")).scalar_one()),
        ]
        settings = [f"{n} {connection.execute(text(f'SHOW {n}')).scalar_one()}" for n in names]
    return f"PostgreSQL {told[0]}; {told[1]}; {', '.join(settings)}"


def versions(tools: Iterable[Tool]) -> list[list[str]]:
    """Return the rows of the table of programs."""
    rows = [[tool.name, tool.version, tool.note if tool.there else f"**not run**: {tool.note}"]
            for tool in tools]  # fmt: skip
    return [*rows, ["Python", platform.python_version(), told_by(["uname", "-m"])]]
