"""``onemap nginx-conf``: the configuration of nginx in front of the service."""

from typing import Annotated

import typer

from api.front_conf import OPEN_FILES, FrontConf, front_conf
from api.settings import ApiSettings
from cli.settings import InvalidSetting, read_settings
from etl.settings import EtlSettings

#: What would end a word or a line of the configuration.
_UNFIT = frozenset(" \t\r\n\"';{}\\$#")


def register(app: typer.Typer) -> None:
    """Add ``nginx-conf``."""
    app.command("nginx-conf")(nginx_conf)


def nginx_conf(
    listen: Annotated[str, typer.Option(help="Where nginx listens.")] = "80",
    name: Annotated[str, typer.Option(help="nginx's server name.")] = "_",
    upstream: Annotated[
        str | None, typer.Option(help="Where the service listens; ONEMAP_HOST:ONEMAP_PORT.")
    ] = None,
    open_files: Annotated[
        int, typer.Option(help="Tiles that each process of nginx holds open.", min=1)
    ] = OPEN_FILES,
) -> None:
    """Print the configuration of nginx that serves public tiles from ONEMAP_TILE_STORE itself."""
    settings = read_settings(ApiSettings)
    if settings.tile_store is None:
        raise InvalidSetting("ONEMAP_TILE_STORE is not set: there are no files for nginx to serve")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    wanted = FrontConf(
        store=settings.tile_store.absolute(),
        upstream=upstream or f"{host}:{settings.port}",
        listen=listen,
        name=name,
        tile_max_age_s=settings.tile_max_age_s,
        cors_origins=settings.cors_origins,
        max_upload_bytes=read_settings(EtlSettings).max_upload_bytes,
        open_files=open_files,
    )
    words = (str(wanted.store), wanted.upstream, listen, name, *wanted.cors_origins)
    for word in words:
        if not _UNFIT.isdisjoint(word):
            raise InvalidSetting(
                f"nginx cannot be told of '{word}': it has a blank or a sign in it"
            )
    typer.echo(front_conf(wanted), nl=False)
