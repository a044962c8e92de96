"""``onemap serve``: the HTTP service over the database of ONEMAP_DATABASE_URL."""

from typing import Annotated

import typer

from api.app import create_app
from api.settings import ApiSettings
from cli.city import catalogue_of, database_url, refuse_unready
from cli.serving import address_of, claimed_address, serve_until_stopped
from cli.settings import read_settings
from cli.signals import orderly_end
from etl.settings import EtlSettings
from layers.settings import LayersSettings


def register(app: typer.Typer) -> None:
    """Add ``serve``."""
    app.command("serve")(serve)


def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; ONEMAP_HOST, 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port to listen on; ONEMAP_PORT, 8000."),
    ] = None,
) -> None:
    """Serve the map, the tiles and the API over the database of ONEMAP_DATABASE_URL."""
    service = read_settings(ApiSettings)
    layers = read_settings(LayersSettings)
    url = database_url(layers)
    catalogue = catalogue_of(layers)
    if host is not None:
        service = service.model_copy(update={"host": host})
    with claimed_address(service.host, service.port if port is None else port) as claimed:
        refuse_unready(url, catalogue)
        try:
            with orderly_end():
                serve_until_stopped(
                    create_app(service, layers, catalogue, read_settings(EtlSettings)),
                    claimed,
                    lambda: typer.echo(f"One Map serves on {address_of(claimed)}/"),
                )
        except KeyboardInterrupt:
            typer.echo("Stopped.")
