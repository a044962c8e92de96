"""The command groups: every module of ``cli/commands`` is a plug-in with ``register(app)``."""

import importlib
import pkgutil
from types import ModuleType
from typing import Protocol, cast

import typer

import cli.commands


class CommandGroup(Protocol):
    """What a module of ``cli/commands`` offers."""

    def register(self, app: typer.Typer) -> None:
        """Add the module's commands to ``app``."""


def command_groups() -> list[str]:
    """Return the names of all command groups, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(cli.commands.__path__))


def register_all(app: typer.Typer, wanted: str | None = None) -> None:
    """Add the commands of every group to ``app``, in the order of the groups' names.

    Args:
        app: The application.
        wanted: The command that is about to run, where known: a group of its name is enough then.
            What the other groups import (the whole service, say) need not be waited for.

    Raises:
        RuntimeError: A group has no ``register``, or two groups have a command of one name.
    """
    owners: dict[str, str] = {}
    groups = command_groups()
    if wanted in groups:
        only = typer.Typer()
        _group(wanted).register(only)
        if wanted in command_names(only):
            groups = [wanted]
    for group in groups:
        own = typer.Typer()
        _group(group).register(own)
        for command in command_names(own):
            if command in owners:
                raise RuntimeError(
                    f"the command '{command}' is in cli/commands/{owners[command]}.py "
                    f"and in cli/commands/{group}.py"
                )
            owners[command] = group
        app.registered_commands += own.registered_commands
        app.registered_groups += own.registered_groups


def _group(name: str) -> CommandGroup:
    module: ModuleType = importlib.import_module(f"cli.commands.{name}")
    if not hasattr(module, "register"):
        raise RuntimeError(f"cli/commands/{name}.py has no register(app)")
    return cast(CommandGroup, module)


def command_names(app: typer.Typer) -> list[str]:
    """Return the names of an app's commands and sub-groups."""
    commands = [
        entry.name or (entry.callback.__name__ if entry.callback else "")
        for entry in app.registered_commands
    ]
    return commands + [str(entry.name) for entry in app.registered_groups]
