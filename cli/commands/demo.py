"""``onemap demo``: the sample city on a PostGIS of its own, with one command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from pydantic import SecretStr

from api.app import create_app
from api.settings import ApiSettings
from cli.city import catalogue_of, open_store
from cli.postgres_tools import ClusterError
from cli.private_cluster import PrivateCluster
from cli.samples import load_samples
from cli.serving import address_of, claimed_address, serve_until_stopped
from cli.settings import CliSettings, read_settings
from cli.side_worker import side_worker
from cli.signals import orderly_end
from etl.settings import EtlSettings
from layers.catalogue import Catalogue
from layers.settings import LayersSettings

#: What the page, the API and other programs are reached by, under the base address.
_PLACES = {
    "地图 map": "/",
    "接口 API": "/api",
    "入库 loads": "/api/loads",
    "接口文档 API documentation": "/api/docs",
    "瓦片 tiles": "/tiles/city.json",
    "样式 style": "/styles/city.json",
}
_INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Add ``demo`` and ``database-url``."""
    app.command("demo")(demo)
    app.command("database-url")(print_database_url)


def demo(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; ONEMAP_HOST, 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port to listen on; ONEMAP_PORT, 8000."),
    ] = None,
) -> None:
    """Load the sample city into a private PostGIS and serve it until Ctrl-C.

    With ONEMAP_DATABASE_URL set, that database is used instead. What an earlier run made and
    loaded is used again.
    """
    settings = read_settings(CliSettings)
    service = read_settings(ApiSettings)
    if host is not None:
        service = service.model_copy(update={"host": host})
    etl = read_settings(EtlSettings)
    layers = read_settings(LayersSettings)
    catalogue = catalogue_of(layers)
    serving = False

    def announce() -> None:
        nonlocal serving
        serving = True
        _print_addresses(address_of(claimed))

    try:
        with (
            orderly_end(),
            claimed_address(service.host, service.port if port is None else port) as claimed,
            _database(settings, layers) as url,
        ):
            _prepare(url, settings, catalogue)
            reading = layers.model_copy(update={"database_url": SecretStr(url)})
            with side_worker(url, settings.state_dir):
                app = create_app(service, reading, catalogue, etl)
                serve_until_stopped(app, claimed, announce)
    except KeyboardInterrupt:
        typer.echo("Stopped: everything is kept for the next time.")
        if not serving:
            raise typer.Exit(_INTERRUPTED) from None


def print_database_url() -> None:
    """Print the address of the database that a running ``onemap demo`` uses."""
    settings = read_settings(CliSettings)
    layers = read_settings(LayersSettings)
    if layers.database_url is not None:
        typer.echo(layers.database_url.get_secret_value())
        return
    directory = settings.state_dir / "cluster"
    if not directory.is_dir():
        raise ClusterError(f"there is no private cluster in {directory}: start one with make demo")
    typer.echo(PrivateCluster(directory).running_url("onemap"))


@contextmanager
def _database(settings: CliSettings, layers: LayersSettings) -> Iterator[str]:
    """The address of the database to use: the one that is set, else a private cluster's."""
    if layers.database_url is not None:
        yield layers.database_url.get_secret_value()
        return
    with PrivateCluster(settings.state_dir / "cluster").running() as cluster:
        yield cluster.ensure_database("onemap")


def _prepare(url: str, settings: CliSettings, catalogue: Catalogue) -> None:
    with open_store(url, catalogue) as store:
        if store.migrate():
            typer.echo(f"The tables of {len(catalogue.layers)} layers are made.")
        load_samples(settings.samples_dir, store, catalogue, read_settings(EtlSettings), typer.echo)


def _print_addresses(base: str) -> None:
    typer.echo("\nOne Map is serving 一张图已就绪:")
    for what, path in _PLACES.items():
        typer.echo(f"  {base}{path}  {what}")
    typer.echo("Ctrl-C stops it.")
