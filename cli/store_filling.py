"""Rendering what the tile store lacks, once or again after each change of the map."""

import asyncio

import typer

from api.settings import ApiSettings
from cli.signals import orderly_end
from layers.catalogue import Catalogue
from layers.errors import InvalidValue
from tiles.baking.filling import StoreFiller
from tiles.baking.work import BakeTask, reader_of
from tiles.store_keeper import StoreKeeper, StorePlace, public_families

_MEGABYTE = 1024 * 1024


def fill_store(
    task: BakeTask, catalogue: Catalogue, settings: ApiSettings, workers: int, *, follow: bool
) -> None:
    """Fill the store, and with ``follow`` fill it again whenever the map changed, until stopped.

    Raises:
        InvalidValue: There is no store.
        StoreUnready: It cannot be opened, written, or is full.
    """
    if settings.tile_store is None:
        raise InvalidValue("ONEMAP_TILE_STORE is not set: give the folder that tiles are kept in")
    place = StorePlace(settings.tile_store, settings.tile_store_mb * _MEGABYTE)
    try:
        with orderly_end():
            asyncio.run(_fill(task, catalogue, place, workers, follow=follow))
    except KeyboardInterrupt:
        typer.echo("Stopped: what is rendered is in the store.")


async def _fill(
    task: BakeTask, catalogue: Catalogue, place: StorePlace, workers: int, *, follow: bool
) -> None:
    reader = reader_of(task, workers)
    keeper = StoreKeeper(place, reader, catalogue, public_families(catalogue))
    reader.follow_tiles(keeper.hear)
    filler = StoreFiller(task, reader, keeper, workers)
    reader.start()
    keeper.start()
    try:
        while True:
            done = await filler.fill()
            typer.echo(
                f"{task.scope.map}: {done.rendered} tiles rendered into {place.root} in "
                f"{done.seconds:.1f} s"
            )
            if not follow:
                break
            await filler.changed()
    finally:
        await keeper.stop()
        await reader.close()
