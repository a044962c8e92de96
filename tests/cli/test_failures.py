"""Expected failures: one line on stderr that says what is wrong, status 1, no traceback."""

import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def onemap(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEMAP_")}
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=cwd,
        env=clean | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def one_line_of(failed: subprocess.CompletedProcess) -> str:
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert failed.stdout == ""
    lines = failed.stderr.splitlines()
    assert len(lines) == 1, failed.stderr
    return lines[0]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize("command", ["migrate", "serve"])
def test_no_database_is_named(command: str) -> None:
    told = one_line_of(onemap(command, "--port=0") if command == "serve" else onemap(command))
    assert "ONEMAP_DATABASE_URL is not set" in told


@pytest.mark.parametrize("command", [("migrate",), ("serve", "--port=0"), ("demo", "--port=0")])
def test_an_unreachable_database(command: tuple[str, ...], closed_port: int) -> None:
    url = f"postgresql://nobody:secret@127.0.0.1:{closed_port}/nothing"
    told = one_line_of(onemap(*command, ONEMAP_DATABASE_URL=url))
    assert f"127.0.0.1:{closed_port}" in told
    assert "secret" not in told


def test_an_address_that_is_none() -> None:
    assert "postgresql://" in one_line_of(onemap("migrate", ONEMAP_DATABASE_URL="nonsense"))


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_in_use(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = "postgresql://nobody@127.0.0.1:1/nothing"
        told = one_line_of(onemap(command, f"--port={port}", ONEMAP_DATABASE_URL=url))
    assert f"port {port} on 127.0.0.1 is in use" in told


def test_an_address_of_another_machine() -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    told = one_line_of(onemap("serve", "--host=nowhere.invalid", ONEMAP_DATABASE_URL=url))
    assert "nowhere.invalid" in told


def test_an_unfit_setting_is_named_without_its_value() -> None:
    told = one_line_of(onemap("migrate", ONEMAP_POOL_SIZE="many-secrets"))
    assert "ONEMAP_POOL_SIZE" in told
    assert "many-secrets" not in told


def test_an_unmigrated_database(fresh_database: str) -> None:
    told = one_line_of(onemap("serve", "--port=0", ONEMAP_DATABASE_URL=fresh_database))
    assert "onemap migrate" in told


def test_samples_that_are_not_there(fresh_database: str, tmp_path: Path) -> None:
    result = onemap("demo", "--port=0", cwd=tmp_path, ONEMAP_DATABASE_URL=fresh_database)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "manifest.yaml" in result.stderr


def test_an_unknown_layer() -> None:
    assert "no layer 'nowhere'" in one_line_of(onemap("layers", "show", "nowhere"))


def test_no_cluster_runs(tmp_path: Path) -> None:
    told = one_line_of(onemap("database-url", cwd=tmp_path))
    assert "make demo" in told
    assert list(tmp_path.iterdir()) == []


def test_migrate_can_be_repeated(fresh_database: str) -> None:
    first = onemap("migrate", ONEMAP_DATABASE_URL=fresh_database)
    assert first.returncode == 0, first.stderr
    assert "layer land_parcel: table created" in first.stdout
    second = onemap("migrate", ONEMAP_DATABASE_URL=fresh_database)
    assert second.stdout == "The database is up to date.\n"


def test_version_is_the_distribution_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["version"]
    assert onemap("version").stdout == f"{declared}\n"


def test_layers_are_listed_and_shown() -> None:
    listed = onemap("layers", "list", COLUMNS="200").stdout
    assert "land_parcel" in listed
    assert "地类图斑" in listed
    shown = onemap("layers", "show", "land_parcel", COLUMNS="200").stdout
    assert "dlbm" in shown


def test_layers_check_tells_every_fault_with_its_line(tmp_path: Path) -> None:
    assert "are well" in onemap("layers", "check").stdout
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: wrong\ntheme: sorcery\n", encoding="utf-8")
    result = onemap("layers", "check", str(wrong))
    assert result.returncode == 1
    assert f"{wrong}:2: theme:" in result.stderr
    assert "title: Field required" in result.stderr
