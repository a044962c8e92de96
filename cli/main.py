"""``onemap``: the command line of One Map."""

import gc
import sys

import typer

from cli.logs import configure_logs
from cli.registry import register_all
from layers.errors import OneMapError

EXPECTED = (OneMapError, OSError)


def build_app(wanted: str | None = None) -> typer.Typer:
    """Return the application with the commands of ``cli/commands``.

    Args:
        wanted: The command that is about to run, where known; the others may be left out.
    """
    app = typer.Typer(
        name="onemap",
        help="One Map: a server that gives a city one versioned map.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    # With a callback an application of one command still wants the command's name.
    app.callback()(_root)
    register_all(app, wanted)
    return app


def _root() -> None:
    """One Map: a server that gives a city one versioned map."""


def main() -> None:
    """Run ``onemap``; an expected failure is told on stderr, without a traceback, exit status 1."""
    configure_logs()
    # What is imported stays: looking through it for garbage takes a seventh of the start.
    gc.disable()
    try:
        app = build_app(next(iter(sys.argv[1:]), None))
        gc.freeze()
        gc.enable()
        app()
    except EXPECTED as error:
        print(f"onemap: {_told(error)}", file=sys.stderr)
        sys.exit(1)


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__
