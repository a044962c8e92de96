"""Expected failures: one line on stderr that says what is wrong, status 1, no traceback."""

import os
import socket
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.main import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a call of ``onemap`` ended."""

    status: int
    stdout: str
    stderr: str

    def told(self) -> str:
        """The one line of an expected failure."""
        assert self.status == 1, self.stdout + self.stderr
        assert self.stdout == ""
        assert self.stderr.count("\n") == 1, self.stderr
        return self.stderr


Onemap = Callable[..., Ended]


@pytest.fixture
def onemap(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Onemap:
    """Calls ``onemap`` in this process, which spares a start of Python each time."""
    for name in os.environ:
        if name.startswith("ONEMAP_"):
            monkeypatch.delenv(name)
    # The records' stream would outlive this test's standard error.
    monkeypatch.setattr("cli.main.configure_logs", lambda: None)

    def call(*arguments: str, **environment: str) -> Ended:
        with monkeypatch.context() as changed:
            changed.setattr(sys, "argv", ["onemap", *arguments])
            for name, value in environment.items():
                changed.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        captured = capfd.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize("command", ["migrate", "serve"])
def test_no_database_is_named(onemap: Onemap, command: str) -> None:
    assert "ONEMAP_DATABASE_URL is not set" in onemap(command).told()


@pytest.mark.parametrize("command", [("migrate",), ("serve", "--port=0"), ("demo", "--port=0")])
def test_an_unreachable_database(
    onemap: Onemap, command: tuple[str, ...], closed_port: int
) -> None:
    url = f"postgresql://nobody:secret@127.0.0.1:{closed_port}/nothing"
    told = onemap(*command, ONEMAP_DATABASE_URL=url).told()
    assert f"127.0.0.1:{closed_port}" in told
    assert "secret" not in told


@pytest.mark.parametrize("address", ["nonsense", "", "postgresql://user@127.0.0.1:port/city"])
def test_an_address_that_is_none(onemap: Onemap, address: str) -> None:
    assert "postgresql://" in onemap("migrate", ONEMAP_DATABASE_URL=address).told()


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_in_use(onemap: Onemap, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        url = "postgresql://nobody@127.0.0.1:1/nothing"
        told = onemap(command, f"--port={port}", ONEMAP_DATABASE_URL=url).told()
    assert f"port {port} on 127.0.0.1 is in use" in told


def test_an_address_of_another_machine(onemap: Onemap) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    told = onemap("serve", "--host=nowhere.invalid", ONEMAP_DATABASE_URL=url).told()
    assert "nowhere.invalid" in told


def test_an_unfit_setting_is_named_without_its_value(onemap: Onemap) -> None:
    told = onemap("migrate", ONEMAP_POOL_SIZE="many-secrets").told()
    assert "ONEMAP_POOL_SIZE" in told
    assert "many-secrets" not in told


def test_a_setting_that_is_no_json_is_named(onemap: Onemap) -> None:
    told = onemap("serve", ONEMAP_CORS_ORIGINS="http://a.example").told()
    assert "cors_origins" in told
    assert "a.example" not in told


@pytest.mark.parametrize("setting", ["ONEMAP_POOL_SIZE", "ONEMAP_ETL_MAX_BAD"])
def test_an_unfit_setting_stops_a_load(onemap: Onemap, setting: str) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    arguments = ("load", "x.gpkg", "--layer", "poi")
    told = onemap(*arguments, **{"ONEMAP_DATABASE_URL": url, setting: "many"}).told()
    assert setting in told


def test_a_failed_load_leaves_one_line(onemap: Onemap) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    told = onemap("load", "no.gpkg", "--layer", "poi", ONEMAP_DATABASE_URL=url).told()
    assert "no.gpkg: there is no such file" in told


def test_an_unmigrated_database(onemap: Onemap, fresh_database: str) -> None:
    told = onemap("serve", "--port=0", ONEMAP_DATABASE_URL=fresh_database).told()
    assert "onemap migrate" in told


def test_samples_that_are_not_there(
    onemap: Onemap, fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = onemap("demo", "--port=0", ONEMAP_DATABASE_URL=fresh_database)
    assert result.status == 1
    assert result.stderr.count("\n") == 1
    assert "manifest.yaml" in result.stderr


def test_an_unknown_layer(onemap: Onemap) -> None:
    assert "no layer 'nowhere'" in onemap("layers", "show", "nowhere").told()


def test_no_cluster_runs(onemap: Onemap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = onemap("database-url").told()
    assert "make demo" in told
    assert list(tmp_path.iterdir()) == []


def test_migrate_can_be_repeated(onemap: Onemap, fresh_database: str) -> None:
    first = onemap("migrate", ONEMAP_DATABASE_URL=fresh_database)
    assert first.status == 0, first.stderr
    assert "layer land_parcel: table created" in first.stdout
    second = onemap("migrate", ONEMAP_DATABASE_URL=fresh_database)
    assert second.stdout == "The database is up to date.\n"


def test_version_is_the_distribution_s(onemap: Onemap) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["version"]
    assert onemap("version").stdout == f"{declared}\n"


def test_layers_are_listed_and_shown(onemap: Onemap) -> None:
    listed = onemap("layers", "list", COLUMNS="200").stdout
    assert "land_parcel" in listed
    assert "地类图斑" in listed
    shown = onemap("layers", "show", "land_parcel", COLUMNS="200").stdout
    assert "dlbm" in shown


def test_layers_check_tells_every_fault_with_its_line(onemap: Onemap, tmp_path: Path) -> None:
    assert "are well" in onemap("layers", "check").stdout
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: wrong\ntheme: sorcery\n", encoding="utf-8")
    result = onemap("layers", "check", str(wrong))
    assert result.status == 1
    assert f"{wrong}:2: theme:" in result.stderr
    assert "title: Field required" in result.stderr
