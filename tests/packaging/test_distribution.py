"""The distribution: what the lock files, the wheel and the scripts must and must not hold."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROOMS = ("gis", "layers", "etl", "tiles", "api", "cli")
#: Part of its own interface, so used under their own names.
BROUGHT_BY_FASTAPI = {"starlette", "anyio"}
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-node.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--extra-index|--find-links|^-", text, re.MULTILINE)
    requirements = re.split(r"\n(?=\S)", text.strip())
    for requirement in requirements:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def pins(name: str) -> set[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return {line.split(" ")[0] for line in text.splitlines() if not line.startswith(" ")}


def test_the_development_lock_holds_the_other_one() -> None:
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_the_web_lock_names_no_registry() -> None:
    assert '"resolved"' not in (ROOT / "web" / "package-lock.json").read_text(encoding="utf-8")


def imported_packages() -> set[str]:
    """The top-level packages that the rooms import, without Python's own and the rooms."""
    found: set[str] = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - set(ROOMS)


def test_no_import_is_undeclared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {
        re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower()
        for line in project["dependencies"]
    }
    owners = packages_distributions()
    for package in imported_packages():
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in owners.get(package, [])}

        assert names & (declared | BROUGHT_BY_FASTAPI), f"pyproject.toml lacks what gives {package}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that the sources stay as they are."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    sources.mkdir()
    kept = ("pyproject.toml", "README.md", "LICENSE", *ROOMS)
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in kept), str(sources)], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(sources)], check=True)
    return next(folder.glob("onemap-*.whl"))


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    packed = names_in(wheel)
    sources = wheel.parent / "sources"
    for room in ROOMS:
        for path in (sources / room).rglob("*"):
            name = path.relative_to(sources).as_posix()
            if path.is_file() and "__pycache__" not in name:
                assert name in packed, f"the wheel lacks {name}: see package-data"


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names_in(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(ROOMS)
    assert any(name.endswith("licenses/LICENSE") for name in names_in(wheel))


def test_the_wheel_runs_outside_the_sources(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "elsewhere").mkdir()
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": os.environ["PATH"]}
    result = subprocess.run(
        [sys.executable, "-m", "cli", "layers", "show", "land_parcel"],
        cwd=tmp_path / "elsewhere",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "dlbm" in result.stdout


def test_compose_has_no_password_of_its_own() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    assert services["database"]["environment"]["POSTGRES_PASSWORD"].startswith(
        "${ONEMAP_DB_PASSWORD:?"
    )
    for name in ("database", "server"):
        assert "healthcheck" in services[name]
    assert services["server"]["ports"] == ["${ONEMAP_PUBLISH:-127.0.0.1:8000}:8000"]


def test_the_image_is_pinned_and_not_run_by_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases)
    last_stage = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    assert "USER 10001:10001" in last_stage
    assert any(line.startswith("HEALTHCHECK") for line in last_stage)


@pytest.mark.parametrize(
    "script", [*(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"], ids=lambda path: path.name
)
def test_scripts_parse_and_stop_at_the_first_error(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111


def test_bootstrap_refuses_an_unknown_argument() -> None:
    result = subprocess.run(
        [str(ROOT / "scripts" / "bootstrap.sh"), "--tset"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == (
        "bootstrap: unknown argument '--tset': scripts/bootstrap.sh [--tests] [--no-web]\n"
    )
