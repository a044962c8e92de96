"""``onemap serve``: the HTTP service over the database of ONEMAP_DATABASE_URL."""

import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.app import create_app
from api.middleware import RequestFrame
from api.settings import ApiSettings
from cli.city import catalogue_of, database_url, refuse_unready
from cli.crew import READY, Crew
from cli.serving import address_of, claimed_address, serve_until_stopped
from cli.settings import read_settings
from cli.signals import orderly_end
from etl.settings import EtlSettings
from etl.worker import die_with_parent
from layers.connection_room import refuse_want_of_room
from layers.errors import InvalidValue
from layers.settings import LayersSettings
from tiles.archives.reading import open_archive


def register(app: typer.Typer) -> None:
    """Add ``serve``, and what it starts for each process."""
    app.command("serve")(serve)
    app.command("serve-on", hidden=True)(serve_on)


def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; ONEMAP_HOST, 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port to listen on; ONEMAP_PORT, 8000."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Server processes on the one port.")
    ] = 1,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Serve a baked archive alone, without a database."),
    ] = None,
) -> None:
    """Serve the map, the tiles and the API over the database of ONEMAP_DATABASE_URL."""
    service = read_settings(ApiSettings)
    layers = read_settings(LayersSettings)
    if host is not None:
        service = service.model_copy(update={"host": host})
    if archive is not None:
        _serve_archive(service, layers, archive, port, workers)
        return
    url = database_url(layers)
    catalogue = catalogue_of(layers)
    with claimed_address(service.host, service.port if port is None else port) as claimed:
        refuse_unready(url, catalogue)
        refuse_want_of_room(url, workers, layers.pool_size)
        told = f"One Map serves on {address_of(claimed)}/"
        try:
            with orderly_end():
                if workers > 1:
                    command = ["serve-on", service.host]
                    Crew(command, claimed, workers).serve(lambda: typer.echo(told))
                else:
                    serve_until_stopped(
                        create_app(service, layers, catalogue, read_settings(EtlSettings)),
                        claimed,
                        lambda: typer.echo(told),
                    )
        except KeyboardInterrupt:
            typer.echo("Stopped.")


def _serve_archive(
    service: ApiSettings, layers: LayersSettings, archive: Path, port: int | None, workers: int
) -> None:
    """Serve one archive in this process.

    Raises:
        BadArchive: It cannot be used.
        InvalidValue: More than one process is wanted.
    """
    if workers > 1:
        raise InvalidValue("--archive is served by one process: leave --workers out")
    opened = open_archive(archive)
    scope = opened.contents.facts.scope
    opened.close()
    catalogue = catalogue_of(layers)
    catalogue.map(scope.map)
    service = service.model_copy(
        update={"archives": str(archive.resolve()), "default_map": scope.map}
    )
    alone = layers.model_copy(update={"database_url": None})
    app = create_app(service, alone, catalogue, read_settings(EtlSettings))
    with claimed_address(service.host, service.port if port is None else port) as claimed:
        told = f"One Map serves {archive.name} on {address_of(claimed)}/"
        try:
            with orderly_end():
                serve_until_stopped(app, claimed, lambda: typer.echo(told))
        except KeyboardInterrupt:
            typer.echo("Stopped.")


def serve_on(host: str, descriptor: int) -> None:
    """Serve as one of several processes, on a socket that this process was given."""
    die_with_parent()
    layers = read_settings(LayersSettings)
    service = read_settings(ApiSettings).model_copy(update={"host": host})
    app: RequestFrame = create_app(
        service, layers, catalogue_of(layers), read_settings(EtlSettings)
    )
    with socket.socket(fileno=descriptor) as claimed:
        try:
            serve_until_stopped(app, claimed, _say_ready)
        except KeyboardInterrupt:
            return


def _say_ready() -> None:
    sys.stdout.write(READY.decode())
    sys.stdout.flush()
