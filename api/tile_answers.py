"""Tiles as HTTP answers: from the cache or rendered, compressed or not, or "not modified"."""

from dataclasses import dataclass
from datetime import datetime

from api.asgi import Scope, accepts_gzip, header, names_etag
from api.service import Service, TilePlan
from layers.access import Viewer
from tiles.cache import StoredTile, store
from tiles.grids import check_tile
from tiles.registry import tile_formats
from tiles.request import TileRequest


@dataclass(frozen=True, slots=True)
class TileAnswer:
    """A whole HTTP answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class TileAnswers:
    """Answers requests for tiles of any plan."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._media_type = tile_formats()["mvt"].media_type.encode()
        age = service.settings.tile_max_age_s
        self._cache_control = b"public, max-age=%d" % age if age else b"public, no-cache"

    async def answer(
        self,
        scope: Scope,
        plan: TilePlan,
        place: tuple[int, int, int],
        viewer: Viewer,
        times: tuple[datetime | None, datetime | None] = (None, None),
    ) -> TileAnswer:
        """Return the answer for the tile at ``place`` (zoom, column, row).

        Args:
            scope: The ASGI scope, for its request headers.
            plan: What the tile is made of.
            place: Zoom, column, row.
            viewer: Who asks.
            times: Valid time and record time; ``None`` is now.

        Raises:
            TileOutOfRange: If the grid has no such tile.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the tile cannot be rendered.
        """
        check_tile(*place)
        service = self._service
        version = service.data_version(plan.layers)
        tile, source = await self._tile(plan, place, viewer, times, version)
        service.telemetry.tile(plan.tileset.name, place[0], source)
        return self._respond(scope, tile, version, source)

    async def _tile(
        self,
        plan: TilePlan,
        place: tuple[int, int, int],
        viewer: Viewer,
        times: tuple[datetime | None, datetime | None],
        version: int,
    ) -> tuple[StoredTile, str]:
        service = self._service

        async def render() -> bytes:
            at, as_of = times
            request = TileRequest(plan.tileset, place, viewer=viewer, at=at, as_of=as_of)
            return (await service.renderer.render(request)).data

        if not service.reader.is_listening:
            # The version may be old, so what is kept under it may be, too.
            return store(await render()), "rendered"
        # The version was read before the rows: they are as new or newer, never older.
        key = (plan.tileset.path, place, times, plan.access, version)
        return await service.cache.get(key, render)

    def _respond(self, scope: Scope, tile: StoredTile, version: int, source: str) -> TileAnswer:
        packed = tile.size > 0 and accepts_gzip(header(scope, b"accept-encoding"))
        etag = f'"{tile.digest}{"-gz" if packed else ""}"'.encode()
        headers = [
            (b"etag", etag),
            (b"cache-control", self._cache_control),
            (b"vary", b"accept-encoding"),
            (b"x-data-version", b"%d" % version),
            (b"x-cache", source.encode()),
        ]
        if names_etag(header(scope, b"if-none-match"), etag):
            return TileAnswer(304, headers, b"")
        if tile.size == 0:
            return TileAnswer(204, headers, b"")
        headers.append((b"content-type", self._media_type))
        if not packed:
            return TileAnswer(200, headers, tile.unpacked())
        headers.append((b"content-encoding", b"gzip"))
        return TileAnswer(200, headers, tile.packed)
