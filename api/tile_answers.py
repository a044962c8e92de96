"""Tiles as HTTP answers: from the cache or rendered, in some coding, or "not modified"."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from api.asgi import Scope, header, names_etag
from api.hot_tiles import Head, HotTile
from api.service import Service, TilePlan
from api.tile_codings import IDENTITY, codings_wanted
from tiles.memory import KeptTile, recode
from tiles.registry import tile_formats
from tiles.request import TileRequest
from tiles.tile_grids import tile_grid

Headers = list[tuple[bytes, bytes]]
GZIP = b"gzip"
_IMMUTABLE = b"public, max-age=31536000, immutable"
#: Tiles from this size on are brought into another coding in another thread.
_LARGE = 32 * 1024
_SUFFIXES = {GZIP: "", IDENTITY: "-id"}


@dataclass(frozen=True, slots=True)
class TileAnswer:
    """A whole HTTP answer."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class TileWish:
    """A tile of a plan, as somebody asks for it."""

    plan: TilePlan
    request: TileRequest
    #: The version of the map that the address names, which is the map's version of now.
    pinned: int | None = None
    #: The address, if answers to it may be prepared.
    path: bytes | None = None


class TileAnswers:
    """Answers requests for tiles of any plan."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._media_type = tile_formats()["mvt"].media_type.encode()
        age = service.settings.tile_max_age_s
        self._cache_control = b"public, max-age=%d" % age if age else b"public, no-cache"
        self._codings: Sequence[bytes] = [
            coding.encode() for coding in service.settings.tile_codings
        ]

    async def answer(self, scope: Scope, wish: TileWish) -> TileAnswer:
        """Return the answer for a tile.

        Raises:
            TileOutOfRange: If the grid has no such tile.
            DatabaseUnavailable, DatabaseBusy, QueryTimeout: If the tile cannot be rendered.
        """
        service, plan, request = self._service, wish.plan, wish.request
        tile_grid(request.grid).check(*request.place)
        keeper = service.keeper
        start = perf_counter()
        kept, level = await keeper.get(plan.family, request, service.render)
        seconds = perf_counter() - start
        coding = codings_wanted(header(scope, b"accept-encoding"), self._codings)[0]
        if coding not in kept.others and coding != GZIP and kept.tile.size:
            await self._recode(kept, coding)
        is_pinned = wish.pinned is not None and self._is_current(wish, keeper.is_trusted)
        if wish.path is not None and (wish.pinned is None or is_pinned):
            self._prepare(kept, wish, wish.path)
        headers = self._headers(kept, coding, immutable=is_pinned)
        version = kept.version
        if version == 0 or service.memory.holds(kept):
            # What changed since it was made did not touch it.
            version = max(version, service.tile_version(plan.layers))
        headers += [(b"x-data-version", b"%d" % version), (b"x-cache", level.encode())]
        if level != "memory":
            headers.append((b"server-timing", b"%s;dur=%.1f" % (level.encode(), seconds * 1000)))
        status, body = 200, b""
        if names_etag(header(scope, b"if-none-match"), headers[0][1]):
            status = 304
        elif kept.tile.size == 0:
            status = 204
        else:
            headers += self._body_headers(coding)
            body = kept.coded(coding)
        service.telemetry.tile(plan.tileset.name, request.zoom, level, seconds, len(body))
        return TileAnswer(status, headers, body)

    async def _recode(self, kept: KeptTile, coding: bytes) -> None:
        if kept.tile.size < _LARGE:
            body = recode(kept.tile, coding)
        else:
            body = await asyncio.to_thread(recode, kept.tile, coding)
        if coding != IDENTITY:
            self._service.memory.add_form(kept, coding, body)

    def _is_current(self, wish: TileWish, trusted: bool) -> bool:
        names = self._service.map_layers(wish.plan.tileset)
        return trusted and wish.pinned == self._service.tile_version(names)

    def _prepare(self, kept: KeptTile, wish: TileWish, path: bytes) -> None:
        tile = HotTile(
            kept,
            wish.plan.tileset.name,
            wish.request.zoom,
            wish.plan.layers,
            wish.pinned,
            self._service.map_layers(wish.plan.tileset),
            self._head,
        )
        self._service.hot.add(path, tile)

    def _head(self, kept: KeptTile, coding: bytes, immutable: bool) -> Head | None:
        """Return the beginning of answers in a coding, if the tile is there in it."""
        if kept.tile.size and coding != GZIP and coding not in kept.others:
            return None
        headers = self._headers(kept, coding, immutable=immutable)
        headers.append((b"x-cache", b"memory"))
        not_modified = b"HTTP/1.1 304 Not Modified\r\n" + _lines(headers)
        if kept.tile.size == 0:
            nothing = b"HTTP/1.1 204 No Content\r\n" + _lines(headers)
            return Head(headers[0][1], nothing, not_modified, b"")
        body = kept.coded(coding)
        headers += [*self._body_headers(coding), (b"content-length", b"%d" % len(body))]
        found = b"HTTP/1.1 200 OK\r\n" + _lines(headers)
        return Head(headers[0][1], found, not_modified, body)

    def _headers(self, kept: KeptTile, coding: bytes, *, immutable: bool) -> Headers:
        suffix = _SUFFIXES.get(coding, f"-{coding.decode()}") if kept.tile.size else ""
        headers = [
            (b"etag", f'"{kept.tile.tag}{suffix}"'.encode()),
            (b"cache-control", _IMMUTABLE if immutable else self._cache_control),
            (b"vary", b"accept-encoding"),
        ]
        if kept.tile.truncated:
            headers.append((b"x-truncated", ",".join(kept.tile.truncated).encode()))
        return headers

    def _body_headers(self, coding: bytes) -> Headers:
        headers = [(b"content-type", self._media_type)]
        if coding != IDENTITY:
            headers.append((b"content-encoding", coding))
        return headers


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % (name, value) for name, value in headers)
