"""The operators' pages name every setting, command and option, and none that is gone."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic_settings import BaseSettings

from cli.main import build_app

ROOT = Path(__file__).parents[2]
ROOMS = ("layers", "etl", "tiles", "api", "cli")
#: Read by compose.yaml itself.
OF_COMPOSE = {"ONEMAP_DB_PASSWORD", "ONEMAP_PUBLISH"}


def variables() -> set[str]:
    found: set[str] = set()
    for room in ROOMS:
        if not (ROOT / room / "settings.py").is_file():
            continue
        module = importlib.import_module(f"{room}.settings")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, BaseSettings) and kind.model_fields:
                prefix = kind.model_config.get("env_prefix", "")
                found |= {f"{prefix}{name}".upper() for name in kind.model_fields}
    return found


def test_the_page_of_settings_is_complete() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(ONEMAP_[A-Z_]+)`", page))
    assert documented - OF_COMPOSE == variables()
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert all(name in compose for name in OF_COMPOSE)


def commands() -> dict[str, Any]:
    """Full name of a command → the command."""
    found: dict[str, Any] = {}

    def walk(prefix: str, command: Any) -> None:
        inner = getattr(command, "commands", None)
        if inner is None:
            found[prefix] = command
            return
        for name, child in inner.items():
            walk(f"{prefix} {name}", child)

    walk("onemap", typer.main.get_command(build_app()))
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_the_page_of_commands_has(name: str) -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.search(rf"`{re.escape(name)}[` ]", page), f"docs/cli.md lacks {name}"
    # The part of the page from this command's heading to the next one.
    group = " ".join(name.split()[:2])
    part = page.split(f"## `{group}`", 1)[1].split("\n## ", 1)[0]
    for parameter in commands()[name].params:
        for option in parameter.opts:
            if option.startswith("-") and option != "--help":
                assert f"`{option}`" in part, f"docs/cli.md lacks {name} {option}"


def test_links_between_the_pages_hold() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert pages
    for page in pages:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} leads to {target}"
