"""``onemap bake``: all tiles of a map in one file, made beforehand."""

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from api.settings import ApiSettings
from cli.city import catalogue_of, database_url, refuse_unready
from cli.settings import read_settings
from cli.signals import orderly_end
from cli.store_filling import fill_store
from gis.times import parse_instant
from layers.catalogue import Catalogue
from layers.errors import InvalidValue
from layers.map_definition import MapDefinition
from layers.settings import LayersSettings
from tiles.archives.facts import BakeScope
from tiles.archives.reading import open_archive
from tiles.baking.bake import Bake, Baked, BakeProgress
from tiles.baking.cluster import cluster_hands
from tiles.baking.hands import Hands, own_hands
from tiles.baking.work import BakeTask, bake_task, reader_of

_ZOOMS = re.compile(r"([0-9]{1,2})(?:-([0-9]{1,2}))?")
_INTERRUPTED = 130
_MEGABYTE = 1024 * 1024


def register(app: typer.Typer) -> None:
    """Add ``bake``."""
    app.command("bake")(bake)


def bake(
    city_map: Annotated[
        str | None, typer.Argument(metavar="MAP", help="The map; not needed with --refresh.")
    ] = None,
    zooms: Annotated[
        str | None, typer.Option(metavar="LOW-HIGH", help="Zooms; those of the map.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="DATE", help="The map as it was then; as it is now.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="As it was recorded then; as it is now.")
    ] = None,
    bbox: Annotated[
        str | None,
        typer.Option(metavar="W,S,E,N", help="A part of the map, in degrees; all of it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The archive; MAP.pmtiles.")
    ] = None,
    refresh: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Bring an archive up to date: only what changed."),
    ] = None,
    into_store: Annotated[
        bool,
        typer.Option("--into-store", help="Render what ONEMAP_TILE_STORE lacks, not an archive."),
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="With --into-store: again after each change.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Connections at once; one more than processors."),
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Render on a Dask cluster's workers.")
    ] = None,
) -> None:
    """Render all tiles of a map, as anybody may see them, into one PMTiles archive.

    What is there stays until the new archive is whole. A bake that was interrupted goes on where
    it was when it is started again.
    """
    settings = read_settings(LayersSettings)
    url, catalogue = database_url(settings), catalogue_of(settings)
    if refresh is None:
        scope = _scope(catalogue, city_map, zooms, at, as_of, bbox)
        target = out or Path(f"{scope.map}.pmtiles")
    else:
        if any(given is not None for given in (city_map, zooms, at, as_of, bbox, out)):
            raise InvalidValue("--refresh FILE bakes what the file says: give nothing else with it")
        target, scope = refresh, _scope_of(refresh)
        catalogue.map(scope.map)
    refuse_unready(url, catalogue)
    task = bake_task(settings, catalogue, scope)
    count = workers or (os.cpu_count() or 1) + 1
    if into_store or follow:
        if any(given is not None for given in (at, as_of, out, refresh, dask)):
            raise InvalidValue("--into-store renders the map of now here: give only zooms and bbox")
        fill_store(task, catalogue, read_settings(ApiSettings), count, follow=follow)
        return
    try:
        with orderly_end(), _shown() as show:
            hands = own_hands(task, count) if dask is None else cluster_hands(task, dask)
            done = asyncio.run(
                _bake(task, catalogue, target, hands, show, refresh=refresh is not None)
            )
    except KeyboardInterrupt:
        typer.echo(f"Stopped: what is rendered is kept in {target}.part for the next time.")
        raise typer.Exit(_INTERRUPTED) from None
    typer.echo(_summary(done))


async def _bake(
    task: BakeTask,
    catalogue: Catalogue,
    target: Path,
    hands: AbstractAsyncContextManager[Hands],
    tell: Callable[[BakeProgress], None],
    *,
    refresh: bool,
) -> Baked:
    reader = reader_of(task, (os.cpu_count() or 1) + 1)
    try:
        async with hands as lent:
            return await Bake(task, catalogue, reader, lent).run(target, tell, refresh=refresh)
    finally:
        await reader.close()


def _scope(
    catalogue: Catalogue,
    name: str | None,
    zooms: str | None,
    at: str | None,
    as_of: str | None,
    bbox: str | None,
) -> BakeScope:
    if name is None:
        raise InvalidValue("give the map to bake, or --refresh FILE")
    city_map = catalogue.map(name)
    return BakeScope(
        map=name,
        zooms=_zooms(city_map, zooms),
        bbox=city_map.bounds if bbox is None else _bbox(bbox),
        at=_moment("--at", at),
        as_of=_moment("--as-of", as_of),
    )


def _scope_of(archive: Path) -> BakeScope:
    file = open_archive(archive)
    file.close()
    return file.contents.facts.scope


def _zooms(city_map: MapDefinition, text: str | None) -> tuple[int, int]:
    if text is None:
        return (city_map.min_zoom, city_map.max_zoom)
    match = _ZOOMS.fullmatch(text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not city_map.min_zoom <= low <= high <= city_map.max_zoom:
        raise InvalidValue(
            f"--zooms: write two zooms from {city_map.min_zoom} to {city_map.max_zoom}, which "
            f"'{city_map.name}' has, such as {city_map.min_zoom}-{city_map.max_zoom}"
        )
    return (low, high)


def _bbox(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        west, south, east, north = 0.0, 0.0, 0.0, 0.0
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InvalidValue("--bbox: write west,south,east,north in degrees")
    return (west, south, east, north)


def _moment(option: str, text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_instant(text)
    except ValueError as error:
        raise InvalidValue(f"{option}: {error}") from error


@contextmanager
def _shown() -> Iterator[Callable[[BakeProgress], None]]:
    """Show how far it has come, on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with Progress(
        TextColumn("{task.completed}/{task.total} tiles"),
        BarColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        line = progress.add_task("bake", total=None, pace="looking for what to render")
        started = time.monotonic()

        def show(state: BakeProgress) -> None:
            speed = state.done / max(0.001, time.monotonic() - started)
            pace = f"{speed:,.0f} tiles/s, {state.bytes / _MEGABYTE:,.1f} MB"
            progress.update(line, completed=state.done, total=state.total, pace=pace)

        yield show


def _summary(done: Baked) -> str:
    speed = done.rendered / max(0.001, done.seconds)
    kept = f", {done.kept} found rendered before" if done.kept else ""
    verb = "brought up to date" if done.refreshed else "baked"
    return (
        f"{done.target} {verb}: {done.rendered} tiles rendered{kept} in {done.seconds:.1f} s "
        f"({speed:,.0f} tiles/s); {done.tiles} tiles that are not empty, "
        f"{done.bytes / _MEGABYTE:,.1f} MB"
    )
