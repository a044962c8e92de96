"""``onemap migrate``: bring the database to the form that the layers need."""

import typer

from cli.city import catalogue_of, database_url, open_store
from cli.settings import read_settings
from layers.settings import LayersSettings


def register(app: typer.Typer) -> None:
    """Add ``migrate``."""
    app.command("migrate")(migrate)


def migrate() -> None:
    """Make or update the tables of all layers in the database of ONEMAP_DATABASE_URL.

    It can be repeated: what is there already is left as it is, and nothing is ever dropped.
    """
    settings = read_settings(LayersSettings)
    with open_store(database_url(settings), catalogue_of(settings)) as store:
        done = store.migrate()
    for step in done:
        typer.echo(step)
    typer.echo("The database is up to date.")
