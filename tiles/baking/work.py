"""The work of a bake, the same in this process, in others of this machine, and on a cluster."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import OneMapError
from layers.map_definition import MapDefinition
from layers.reading import CityReader
from layers.settings import LayersSettings
from tiles.archives.facts import BakeScope
from tiles.archives.tile_ids import tile_places
from tiles.baking.batches import BatchRenderer
from tiles.baking.chunks import Chunk, write_chunk
from tiles.generation import code_digest
from tiles.packing import pack
from tiles.registry import tile_formats
from tiles.request import RenderedTile
from tiles.tileset import TileSet, map_tiles

#: Baking has time: a statement renders many tiles, and low zooms read much.
_PATIENCE_S = 3600.0
_LONG_LINE = 100_000


class BakeFailed(OneMapError):
    """A chunk cannot be made, or one of those who make them cannot be used."""


@dataclass(frozen=True)
class BakeTask:
    """All that those who render need to know; it can be sent to other machines."""

    settings: LayersSettings
    city_map: MapDefinition
    layers: tuple[LayerDefinition, ...]
    scope: BakeScope
    #: The program that the tiles must be made by.
    code: bytes

    @property
    def tileset(self) -> TileSet:
        """What the tiles hold."""
        layers = {layer.name: layer for layer in self.layers}
        maps = {self.city_map.name: self.city_map}
        known = Catalogue(MappingProxyType(layers), MappingProxyType(maps), MappingProxyType({}))
        return map_tiles(known, self.city_map, ANONYMOUS)


def bake_task(settings: LayersSettings, catalogue: Catalogue, scope: BakeScope) -> BakeTask:
    """Return the task of baking a scope with this program.

    Raises:
        UnknownMap: If there is no such map.
    """
    city_map = catalogue.map(scope.map)
    layers = tuple(catalogue.layer(entry.layer) for entry in city_map.layers)
    return BakeTask(settings, city_map, layers, scope, code_digest())


def reader_of(task: BakeTask, connections: int) -> CityReader:
    """Return a reader for a bake."""
    changes = {
        "pool_size": connections,
        "pool_queue": _LONG_LINE,
        "pool_wait_s": _PATIENCE_S,
        "statement_timeout_s": _PATIENCE_S,
        "tile_timeout_s": _PATIENCE_S,
    }
    nothing = Catalogue(MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))
    return CityReader(task.settings.model_copy(update=changes), nothing)


def renderer_of(task: BakeTask, reader: CityReader) -> BatchRenderer:
    """Return what renders a task's tiles."""
    scope = task.scope
    return BatchRenderer(reader, tile_formats()["mvt"], task.tileset, scope.at, scope.as_of)


async def make_chunk(renderer: BatchRenderer, chunk: Chunk) -> bytes:
    """Render a chunk's tiles and return them as ``write_chunk`` writes them.

    Raises:
        DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the database cannot answer.
    """
    tiles = await render_chunk(renderer, chunk)
    packed = [pack(tile.data, "", tile.truncated) for tile in tiles]
    return write_chunk(chunk, oldest(tiles), packed)


async def render_chunk(renderer: BatchRenderer, chunk: Chunk) -> list[RenderedTile]:
    """Return a chunk's tiles in their order."""
    columns, rows = tile_places(chunk.zoom, np.array(chunk.ids, np.int64))
    places = list(zip(columns.tolist(), rows.tolist(), strict=True))
    return await renderer.render(chunk.zoom, places)


def oldest(tiles: Sequence[RenderedTile]) -> tuple[int, ...]:
    """Return the versions that all of some tiles of a zoom show."""
    return tuple(min(versions) for versions in zip(*(t.versions for t in tiles), strict=True))


class Workbench:
    """Makes chunks one after the other in a process of its own, over one connection."""

    def __init__(self, task: BakeTask) -> None:
        """Prepare.

        Raises:
            BakeFailed: If this process runs another program than the one that asks.
        """
        if task.code != code_digest():
            raise BakeFailed(
                "a worker runs another version of One Map, whose tiles may differ: "
                "install the same one on all machines"
            )
        self._runner = asyncio.Runner()
        self._reader = reader_of(task, 1)
        self._renderer = renderer_of(task, self._reader)

    def close(self) -> None:
        """Give back the connection."""
        self._runner.run(self._reader.close())
        self._runner.close()

    def make(self, chunk: Chunk) -> bytes:
        """Return what ``make_chunk`` makes of a chunk."""
        return self._runner.run(make_chunk(self._renderer, chunk))
