"""What one server process holds: settings, catalogue, reader, tile cache and figures."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TypeVar

import structlog

from api.cors import cors_lines
from api.crs import Systems
from api.edit_tokens import EditTokens
from api.export_places import ExportPlaces
from api.hot_tiles import HotTiles
from api.page_marks import PageMarks
from api.pictures import PictureDesk
from api.record_shelf import RecordShelf
from api.settings import ApiSettings
from api.telemetry import Telemetry
from etl.settings import EtlSettings
from gis.scratch import sweep_scratch
from layers.access import Viewer, may_know
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import DatabaseUnavailable, UnknownLayer
from layers.load_desk import LoadDesk
from layers.pool import PoolFigures
from layers.reading import CityReader
from layers.settings import LayersSettings
from layers.store import Store
from layers.tile_news import TileNews
from tiles.archives.shelf import ArchiveShelf
from tiles.archives.still import StillCity, render_nothing
from tiles.families import TileFamily, tile_family
from tiles.keeper import TileKeeper
from tiles.memory import TileMemory
from tiles.registry import tile_formats
from tiles.rendering import TileRenderer
from tiles.request import RenderedTile, TileRequest
from tiles.store_keeper import StoreKeeper, StorePlace, public_families
from tiles.style_values import Language
from tiles.tile_store import TileStore
from tiles.tileset import TileSet, layer_tiles, map_tiles

Part = TypeVar("Part")
_MEGABYTE = 1024 * 1024
NO_DATABASE = "ONEMAP_DATABASE_URL is not set, or is no address of a PostgreSQL database"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TilePlan:
    """What tiles of one set, zoom and access class are made of."""

    tileset: TileSet
    #: Names of the layers in the tiles of this zoom.
    layers: tuple[str, ...]
    #: What viewers who see the same bytes share.
    family: TileFamily


class Service:
    """The state of the service, made by ``create_app`` and opened by the server's start."""

    def __init__(
        self,
        settings: ApiSettings,
        layers_settings: LayersSettings,
        catalogue: Catalogue,
        etl_settings: EtlSettings,
    ) -> None:
        self.settings = settings
        self.etl = etl_settings
        self.catalogue = catalogue
        #: The records of the catalogue.
        self.records = RecordShelf(catalogue)
        #: Style, its layers and version of SLD → the document.
        self.stylesheets: dict[tuple[str, tuple[str, ...], str], bytes] = {}
        self.systems = Systems(settings.zones)
        self.page_marks = PageMarks()
        self.pictures = PictureDesk()
        #: Path of a tile set, language of names, viewer → the layers of its style as JSON.
        self.picture_styles: dict[tuple[str, Language, Viewer], bytes] = {}
        #: The WMTS's address, viewer → data version of all layers, and what it offers.
        self.wmts_documents: dict[tuple[str, Viewer], tuple[int, bytes]] = {}
        self.edit_tokens = EditTokens(settings.edit_tokens)
        self.telemetry = Telemetry()
        self.telemetry.watch_pool(self._pool_figures)
        self.exports = ExportPlaces(settings.export_jobs)
        self.memory = TileMemory(settings.tile_cache_mb * _MEGABYTE)
        self.hot = HotTiles(
            self.memory,
            tuple(coding.encode() for coding in settings.tile_codings),
            partial(cors_lines, settings.cors_origins),
        )
        self._layers_settings = layers_settings
        self._reader: CityReader | None = None
        self._desk: LoadDesk | None = None
        self._store: Store | None = None
        self._renderer: TileRenderer | None = None
        self._keeper: TileKeeper | None = None
        self._store_keeper: StoreKeeper | None = None
        #: Archives that tiles are served from.
        self.archives: ArchiveShelf | None = None
        self._is_still = False
        #: One object for each folder.
        self._families: dict[str, TileFamily] = {}
        self._plans: dict[tuple[str, int, Viewer], TilePlan] = {}
        self._layer_plans: dict[tuple[str, int, Viewer], TilePlan] = {}

    async def start(self) -> None:
        """Open the reader; the database may come up later, its address must be there."""
        # What exports of a server that was killed left.
        await asyncio.to_thread(sweep_scratch)
        if not _has_address(self._layers_settings):
            await self._start_without_database()
            return
        reader = CityReader(self._layers_settings, self.catalogue)
        self._store_keeper = self._tile_store(reader)
        self.archives = self._shelf(reader)
        self._keeper = TileKeeper(reader, self.memory, self._store_keeper, self.archives)
        self.hot.trusted_until = lambda: reader.heard_until
        reader.follow_tiles(self._hear)
        reader.start()
        if self._store_keeper is not None:
            self._store_keeper.start()
        if self.archives is not None:
            self.archives.start()
        self._reader = reader
        self._desk = LoadDesk(self._layers_settings.url())
        self._store = Store(self._layers_settings.url(), self.catalogue)
        self._renderer = TileRenderer(self._reader, tile_formats()["mvt"])

    def _shelf(self, heard: CityReader | None) -> ArchiveShelf | None:
        place = self.settings.archives
        if place is None:
            return None
        failed = self.telemetry.archive_failed
        return ArchiveShelf(place, self.catalogue, heard, failed, self.memory.clear)

    async def _start_without_database(self) -> None:
        """Serve archives alone, if there are any to look for."""
        shelf = self.archives = self._shelf(None)
        if shelf is None:
            _log.error("service.no_database_address")
            return
        self._is_still = True
        self._reader = StillCity(self._layers_settings, self.catalogue, shelf)
        self._keeper = TileKeeper(self._reader, self.memory, None, shelf)
        self.hot.trusted_until = lambda: float("inf")
        await shelf.look()
        shelf.start()

    def _tile_store(self, reader: CityReader) -> StoreKeeper | None:
        if self.settings.tile_store is None:
            return None
        place = StorePlace(self.settings.tile_store, self.settings.tile_store_mb * _MEGABYTE)
        public = public_families(self.catalogue)
        return StoreKeeper(place, reader, self.catalogue, public, self.telemetry.store_failed)

    def _hear(self, news: TileNews) -> None:
        self.keeper.hear(news)
        self.hot.hear(news.versions)

    async def stop(self) -> None:
        """Close the reader."""
        self.hot.trusted_until = lambda: 0.0
        self.pictures.close()
        if self._store_keeper is not None:
            await self._store_keeper.stop()
        if self.archives is not None:
            await self.archives.stop()
        if self._reader is not None:
            await self._reader.close()
        for writer in (self._desk, self._store):
            if writer is not None:
                writer.close()
        self._reader = self._renderer = self._desk = self._store = None

    @property
    def reader(self) -> CityReader:
        """The reading side.

        Raises:
            DatabaseUnavailable: If the service was started without a database's address.
        """
        return _there(self._reader)

    @property
    def desk(self) -> LoadDesk:
        """Where loads are handed in; its methods wait for the database and belong in a thread.

        Raises:
            DatabaseUnavailable: If the service was started without a database's address.
        """
        return _there(self._desk)

    @property
    def store(self) -> Store:
        """Where loads are taken back; like the desk, for a thread.

        Raises:
            DatabaseUnavailable: If the service was started without a database's address.
        """
        return _there(self._store)

    @property
    def keeper(self) -> TileKeeper:
        """Where tiles are kept.

        Raises:
            DatabaseUnavailable: If the service was started without a database's address.
        """
        return _there(self._keeper)

    @property
    def tile_store(self) -> TileStore | None:
        """Where tiles are kept on disk, while it can be used."""
        return self._store_keeper.store if self._store_keeper is not None else None

    @property
    def renderer(self) -> TileRenderer:
        """What cuts tiles.

        Raises:
            DatabaseUnavailable: If the service was started without a database's address.
        """
        return _there(self._renderer)

    async def render(self, request: TileRequest) -> RenderedTile:
        """Cut a tile, which counts in the figures; errors as in ``TileRenderer.render``."""
        if self._is_still:
            return await render_nothing(request)
        start = perf_counter()
        rendered = await self.renderer.render(request)
        self.telemetry.rendered(
            request.tileset.name,
            request.zoom,
            perf_counter() - start,
            truncated=bool(rendered.truncated),
        )
        return rendered

    def _pool_figures(self) -> PoolFigures | None:
        return None if self._reader is None else self._reader.pool_figures()

    def layer(self, name: str, viewer: Viewer) -> LayerDefinition:
        """Return a layer that the viewer may know of.

        Raises:
            UnknownLayer: If there is none of that name, or not for this viewer.
        """
        layer = self.catalogue.layer(name)
        if not may_know(layer, viewer):
            raise UnknownLayer(f"there is no layer '{name}'")
        return layer

    def layers(self, viewer: Viewer) -> list[LayerDefinition]:
        """Return all layers that the viewer may know of, by name."""
        known = (self.catalogue.layers[name] for name in self.catalogue.layer_names)
        return [layer for layer in known if may_know(layer, viewer)]

    def map_tiles(self, name: str, viewer: Viewer) -> TileSet:
        """Return the tile set of a map.

        Raises:
            UnknownMap: If there is none of that name.
        """
        return map_tiles(self.catalogue, self.catalogue.map(name), viewer)

    def map_plan(self, name: str, z: int, viewer: Viewer) -> TilePlan:
        """Return the plan of a map's tiles at zoom ``z``.

        Raises:
            UnknownMap: If there is no map of that name.
            TileOutOfRange: If the map has no tiles at that zoom.
        """
        key = (name, z, viewer)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(self.map_tiles(name, viewer), z, viewer)
        return plan

    def _plan(self, tileset: TileSet, z: int, viewer: Viewer) -> TilePlan:
        layers = tuple(layer.name for layer in tileset.layers_at(z))
        made = tile_family(tileset, viewer)
        return TilePlan(tileset, layers, self._families.setdefault(made.folder, made))

    def layer_plan(self, name: str, z: int, viewer: Viewer) -> TilePlan:
        """Return the plan of one layer's own tiles at zoom ``z``.

        Raises:
            UnknownLayer: If there is no layer of that name for this viewer.
            TileOutOfRange: If the layer has no tiles at that zoom.
        """
        key = (name, z, viewer)
        plan = self._layer_plans.get(key)
        if plan is None:
            tileset = layer_tiles(self.layer(name, viewer))
            plan = self._layer_plans[key] = self._plan(tileset, z, viewer)
        return plan

    def data_version(self, layers: tuple[str, ...]) -> int:
        """Return one number that grows whenever any of ``layers`` changes.

        It is the sum of their data versions: as each only grows, equal sums mean equal versions.
        """
        versions: Mapping[str, int] = self.reader.data_versions()
        return sum(versions.get(name, 0) for name in layers)

    @staticmethod
    def map_layers(tileset: TileSet) -> tuple[str, ...]:
        """Return the names of all layers of a tile set."""
        return tuple(entry.definition.name for entry in tileset.layers)

    def tile_version(self, layers: tuple[str, ...]) -> int:
        """Return one number that grows whenever tiles of any of ``layers`` change."""
        versions: Mapping[str, int] = self.reader.tile_versions()
        return sum(versions.get(name, 0) for name in layers)


def _there(part: Part | None) -> Part:
    """Return what a service over a database has."""
    if part is None:
        raise DatabaseUnavailable(NO_DATABASE)
    return part


def _has_address(settings: LayersSettings) -> bool:
    try:
        settings.url()
    except DatabaseUnavailable:
        return False
    return True
