"""``onemap version``: which version this is."""

from importlib.metadata import version as version_of

import typer


def register(app: typer.Typer) -> None:
    """Add ``version``."""
    app.command("version")(version)


def version() -> None:
    """Print the version of One Map."""
    typer.echo(version_of("onemap"))
