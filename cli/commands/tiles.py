"""``onemap tiles``: what is in a tile, and what it costs."""

import asyncio
import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import orjson
import typer
from rich.console import Console

from api.settings import ApiSettings
from cli.city import catalogue_of, database_url
from cli.settings import read_settings
from cli.tile_report import show
from cli.tile_sources import rendered_report, served_report, wanted_tiles
from gis.times import parse_instant
from layers.errors import InvalidValue
from layers.settings import LayersSettings

_PLACE = re.compile(r"([0-9]{1,2})/([0-9]{1,9})/([0-9]{1,9})")
tiles = typer.Typer(help="What is in a tile, and what it costs.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add ``tiles``."""
    app.add_typer(tiles, name="tiles")


@tiles.callback()
def _group() -> None:
    """What is in a tile, and what it costs."""


@tiles.command("inspect")
def inspect(
    tile: Annotated[
        str, typer.Argument(metavar="Z/X/Y", help="Zoom, column and row in WebMercatorQuad.")
    ],
    name: Annotated[
        str | None, typer.Option("--map", "-m", help="The map; ONEMAP_DEFAULT_MAP, city.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="DATE", help="The tile as of this day or time.")
    ] = None,
    layer: Annotated[str | None, typer.Option("--layer", "-l", help="Only this layer.")] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ask this server, with its cache, not the database."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Tell layer by layer what is in a tile: features, vertices, bytes, times, attributes."""
    place = _place(tile)
    moment = None if at is None else _instant(at)
    wanted = read_settings(ApiSettings).default_map if name is None else name
    if url is not None:
        report = served_report(url, wanted, layer, place, at)
    else:
        settings = read_settings(LayersSettings)
        database_url(settings)
        catalogue = catalogue_of(settings)
        tileset = wanted_tiles(catalogue, wanted, layer)
        report = asyncio.run(rendered_report(settings, catalogue, tileset, place, moment))
    if as_json:
        typer.echo(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2).decode())
    else:
        show(report, at, Console())


def _place(text: str) -> tuple[int, int, int]:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise InvalidValue(f"'{text}' is no tile: write it as Z/X/Y, such as 14/13393/6775")
    return int(match[1]), int(match[2]), int(match[3])


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise InvalidValue(f"--at: {error}") from error
