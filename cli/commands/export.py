"""``onemap export``: a layer, or a part of it, as a file."""

import asyncio
import os
import tempfile
from contextlib import aclosing
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from api.crs import Systems
from api.export_jobs import export_job
from api.export_process import exported
from api.export_registry import export_formats, export_options
from api.exporting.format import ExportFormat, ExportJob
from api.feature_request import page_request
from api.settings import ApiSettings
from cli.city import catalogue_of, database_url
from cli.settings import read_settings
from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.errors import InvalidValue
from layers.feature_query import FeatureQuery
from layers.reading import CityReader
from layers.settings import LayersSettings

#: More than any layer has.
_ALL = 2**62


def register(app: typer.Typer) -> None:
    """Add ``export``."""
    app.command("export")(export)


def export(
    layer: Annotated[str, typer.Argument(help="The layer.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The file to make.")],
    form: Annotated[
        str | None,
        typer.Option("--format", "-f", help="The format; that of the file's ending without it."),
    ] = None,
    where: Annotated[
        str | None, typer.Option("--filter", metavar="CQL2", help="Only what this holds for.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="What was so then, or in an interval.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="What the map held then.")
    ] = None,
    bbox: Annotated[
        str | None, typer.Option(metavar="W,S,E,N", help="Only what meets this box, degrees.")
    ] = None,
    properties: Annotated[
        str | None, typer.Option(metavar="NAMES", help="The fields wanted, with commas between.")
    ] = None,
    sortby: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Fields to sort by; - before it descends.")
    ] = None,
    crs: Annotated[
        str | None, typer.Option(metavar="EPSG", help="Reference system, such as EPSG:4547.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The most features.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the format, such as encoding=GBK."),
    ] = None,
) -> None:
    """Write a layer to a file, which is there only when it is whole."""
    settings = read_settings(ApiSettings)
    layers = read_settings(LayersSettings)
    database_url(layers)
    catalogue = catalogue_of(layers)
    chosen = _format(form, out)
    asked = {
        "filter": where,
        "datetime": at,
        "asOf": as_of,
        "bbox": bbox,
        "properties": properties,
        "sortby": sortby,
        "crs": _uri(crs),
        **_options(option or []),
    }
    given = {name: text for name, text in asked.items() if text is not None}
    wanted = page_request(
        catalogue.layer(layer), ANONYMOUS, urlencode(given).encode(), Systems(settings.zones)
    )
    job, query = export_job(
        chosen,
        wanted.query,
        {name: given[name] for name in export_options() if name in given},
        wanted.query.system if crs is not None else None,
        settings.zones,
    )
    size = asyncio.run(_write(layers, catalogue, query, job, chosen, out.absolute(), limit))
    typer.echo(f"{out}: {size:,} bytes")


async def _write(
    settings: LayersSettings,
    catalogue: Catalogue,
    query: FeatureQuery,
    job: ExportJob,
    chosen: ExportFormat,
    out: Path,
    limit: int | None,
) -> int:
    """Write beside the place and move there at the end; return the bytes."""
    reader = CityReader(settings, catalogue)
    try:
        most = await _most(reader, query, chosen, _ALL if limit is None else limit)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".onemap-") as folder:
            part = Path(folder) / f"part.{chosen.extension}"
            await _fill(reader, query, job, chosen, part, most)
            size = part.stat().st_size
            os.replace(part, out)
            return size
    finally:
        await reader.close()


async def _most(reader: CityReader, query: FeatureQuery, chosen: ExportFormat, limit: int) -> int:
    if chosen.most is None or limit <= chosen.most:
        return limit
    if await reader.count(query, chosen.most) > chosen.most:
        raise InvalidValue(
            f"a file of format {chosen.name} holds at most {chosen.most:,} features, and more "
            "match: narrow it with --bbox or --filter, or give --limit"
        )
    return chosen.most


async def _fill(
    reader: CityReader,
    query: FeatureQuery,
    job: ExportJob,
    chosen: ExportFormat,
    part: Path,
    limit: int,
) -> None:
    target = None if chosen.is_streamed else part
    async with aclosing(exported(reader, query, job, limit=limit, target=target)) as chunks:
        if target is not None:
            async for _ in chunks:
                pass
            return
        with part.open("wb") as stream:
            async for chunk in chunks:
                stream.write(chunk)


def _format(name: str | None, out: Path) -> ExportFormat:
    for entry in export_formats():
        tokens = entry.representation.tokens
        if name in tokens or (name is None and out.name.endswith(f".{entry.extension}")):
            return entry
    known = ", ".join(entry.name for entry in export_formats())
    told = f"'{name}'" if name is not None else f"the ending of {out.name}"
    raise InvalidValue(f"--format: {told} is not one of {known}")


def _uri(text: str | None) -> str | None:
    if text is None or text.startswith("http"):
        return text
    code = text.upper().removeprefix("EPSG:")
    if code in ("CRS84", "OGC:CRS84"):
        return "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    return f"http://www.opengis.net/def/crs/EPSG/0/{code}"


def _options(given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in export_options():
            known = ", ".join(export_options())
            raise InvalidValue(f"--option: '{name}' is not one of {known}")
        found[name] = value
    return found
