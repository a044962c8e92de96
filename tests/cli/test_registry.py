"""The command groups: found by scanning, pinned here, refused when they collide."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import cli.commands
from cli.registry import command_groups, command_names, register_all


def test_the_groups_are_these() -> None:
    assert command_groups() == [
        "bake",
        "demo",
        "export",
        "layers",
        "lineage",
        "load",
        "loads",
        "migrate",
        "nginx",
        "pyramid",
        "quarantine",
        "serve",
        "tiles",
        "version",
        "worker",
    ]


def test_the_commands_are_these() -> None:
    app = typer.Typer()
    register_all(app)
    assert sorted(command_names(app)) == [
        "bake",
        "database-url",
        "demo",
        "export",
        "layers",
        "lineage",
        "load",
        "loads",
        "migrate",
        "nginx-conf",
        "pyramid",
        "quarantine",
        "run-load",
        "serve",
        "serve-on",
        "tiles",
        "version",
        "worker",
    ]


@pytest.fixture
def foreign_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second folder of command groups, forgotten afterwards."""
    monkeypatch.setattr(cli.commands, "__path__", [str(tmp_path)])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("cli.commands."):
            del sys.modules[name]


GROUP = """
def register(app):
    app.command("same")(same)

def same():
    pass
"""


def test_two_commands_of_one_name_are_refused(foreign_groups: Path) -> None:
    (foreign_groups / "zz_first.py").write_text(GROUP)
    (foreign_groups / "zz_second.py").write_text(GROUP)
    with pytest.raises(RuntimeError, match=r"'same' is in .*zz_first.py and in .*zz_second.py"):
        register_all(typer.Typer())


def test_a_module_without_register_is_refused(foreign_groups: Path) -> None:
    (foreign_groups / "zz_empty.py").write_text("")
    with pytest.raises(RuntimeError, match=r"zz_empty.py has no register"):
        register_all(typer.Typer())


def test_a_command_that_is_known_to_run_is_enough(
    foreign_groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (foreign_groups / "zz_other.py").write_text("raise ImportError('not wanted')\n")
    (foreign_groups / "same.py").write_text(GROUP)
    app = typer.Typer()
    register_all(app, "same")
    assert command_names(app) == ["same"]
    with pytest.raises(ImportError, match="not wanted"):
        register_all(typer.Typer(), "version")
