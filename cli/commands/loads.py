"""``onemap loads``: loads that wait, run or have ended."""

from typing import Annotated

import typer

from cli.city import database_url, open_desk
from cli.load_history import diff_load, list_loads, revert_load, show_load
from cli.load_watch import follow, outcome_text
from cli.settings import read_settings
from cli.signals import orderly_end
from layers.settings import LayersSettings

loads = typer.Typer(help="Loads that wait, run or have ended.", no_args_is_help=True)
loads.command("list")(list_loads)
loads.command("show")(show_load)
loads.command("diff")(diff_load)
loads.command("revert")(revert_load)
_Number = Annotated[int, typer.Argument(metavar="LOAD", min=1, help="The load's number.")]
_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add ``loads``."""
    app.add_typer(loads, name="loads")


@loads.command("watch")
def watch(load: _Number) -> None:
    """Follow a load until it ends; status 1 if it does not end well.

    Ctrl-C ends the watching, not the load.
    """
    try:
        with orderly_end(), open_desk(_url()) as desk:
            record = follow(desk, load)
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    typer.echo(outcome_text(record))
    if record.status != "done":
        raise typer.Exit(1)


@loads.command("cancel")
def cancel(load: _Number) -> None:
    """Cancel a load that waits or runs; nothing of it stays."""
    with open_desk(_url()) as desk:
        desk.cancel(load)
        record = desk.record(load)
    if record.status == "running":
        typer.echo(f"load {load} was asked to stop")
    else:
        typer.echo(outcome_text(record))


@loads.command("retry")
def retry(load: _Number) -> None:
    """Put a load that failed or was cancelled into the queue again."""
    with open_desk(_url()) as desk:
        desk.retry(load)
        record = desk.record(load)
    typer.echo(outcome_text(record))


def _url() -> str:
    return database_url(read_settings(LayersSettings))
