"""Answers for tiles in memory, prepared as bytes, by the very path they are asked for."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

from api.asgi import names_etag
from api.tile_codings import codings_wanted
from tiles.memory import KeptTile, TileMemory

#: Headers that change what a request means, or who asks: such requests go the long way.
_UNUSUAL = frozenset(
    {
        b"authorization",
        b"content-length",
        b"cookie",
        b"expect",
        b"if-match",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_SINGLE = frozenset({b"host", b"accept-encoding", b"origin", b"x-request-id", b"if-none-match"})
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TAG_LINE = b"\r\nIf-None-Match: "
#: Header blocks of clients that are remembered; clients of one kind send the same again and again.
_MOST_WISHES = 2048
#: Paths under which one tile is known: without ending and with each, with and without version.
_MOST_PATHS = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client's headers ask for."""

    codings: tuple[bytes, ...]
    #: Header lines that answer its ``Origin``.
    cors: bytes
    request_id: bytes | None
    if_none_match: bytes | None


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a tile's answers in one content coding."""

    etag: bytes
    ok: bytes
    not_modified: bytes
    body: bytes


@dataclass(slots=True)
class HotTile:
    """A tile under one of its paths."""

    kept: KeptTile
    #: Name of the map, and zoom.
    map: str
    zoom: int
    layers: tuple[str, ...]
    #: The version of the map that the path names, if it names one, and the map's layers.
    pinned: int | None
    map_layers: tuple[str, ...]
    make_head: Callable[[KeptTile, bytes, bool], Head | None]
    heads: dict[bytes, Head] = field(default_factory=dict)
    epoch: int = -1
    version_line: bytes = b""


@dataclass(frozen=True, slots=True)
class HotAnswer:
    """An answer, but for the headers that every answer of the server has."""

    status: int
    #: Status line and headers, up to and with the end of a line.
    head: bytes
    body: bytes
    #: The caller's own, if it sent one.
    request_id: bytes | None
    tile: HotTile


class HotTiles:
    """The tiles of one process that can be answered without looking any further."""

    def __init__(
        self,
        memory: TileMemory,
        codings: tuple[bytes, ...],
        cors: Callable[[bytes], bytes],
    ) -> None:
        """Begin with none.

        Args:
            memory: Where the tiles are kept.
            codings: The codings offered, in the order of preference.
            cors: Gives the header lines for an origin.
        """
        self._memory = memory
        self._codings = codings
        self._cors = cors
        self._paths: dict[bytes, HotTile] = {}
        self._of_tile: dict[KeptTile, list[bytes]] = {}
        self._wishes: dict[bytes, Wish | None] = {}
        self._versions: Mapping[str, int] = {}
        self._epoch = 0
        #: Gives the time (``time.monotonic``) until which what is kept may be served.
        self.trusted_until: Callable[[], float] = lambda: 0.0

    def __len__(self) -> int:
        """Return how many paths are known."""
        return len(self._paths)

    def hear(self, versions: Mapping[str, int]) -> None:
        """Note the tile versions of all layers."""
        if versions != self._versions:
            self._versions = versions
            self._epoch += 1

    def add(self, path: bytes, tile: HotTile) -> None:
        """Know a tile by a path from now on, as long as it is kept."""
        kept = tile.kept
        if self._memory.get(kept.key) is not kept:
            return
        paths = self._of_tile.get(kept)
        if paths is None:
            paths = self._of_tile[kept] = []
            kept.on_drop = lambda: self._drop(kept)
        if path not in paths:
            if len(paths) >= _MOST_PATHS:
                self._paths.pop(paths.pop(0), None)
            paths.append(path)
        self._paths[path] = tile

    def _drop(self, kept: KeptTile) -> None:
        for path in self._of_tile.pop(kept, ()):
            self._paths.pop(path, None)

    def answer(self, path: bytes, headers: bytes) -> HotAnswer | None:
        """Return the answer to a request; nothing if it must go the long way.

        Args:
            path: The request's target.
            headers: The lines of its headers, each with its end.
        """
        tile = self._paths.get(path)
        if tile is None or monotonic() >= self.trusted_until():
            return None
        wish = self._wish(headers)
        if wish is None:
            return None
        if tile.epoch != self._epoch and not self._renew(path, tile):
            return None
        coding = wish.codings[0]
        head = tile.heads.get(coding)
        if head is None:
            head = tile.make_head(tile.kept, coding, tile.pinned is not None)
            if head is None:
                return None
            tile.heads[coding] = head
        self._memory.touch(tile.kept)
        lines = tile.version_line + wish.cors
        tags = wish.if_none_match
        if tags is not None and (tags == head.etag or names_etag(tags, head.etag)):
            return HotAnswer(304, head.not_modified + lines, b"", wish.request_id, tile)
        status = 200 if head.body else 204
        return HotAnswer(status, head.ok + lines, head.body, wish.request_id, tile)

    def _renew(self, path: bytes, tile: HotTile) -> bool:
        """Bring what a tile's answer says of versions up to date, or forget an outdated path."""
        known = self._versions
        if tile.pinned is not None:
            if tile.pinned != sum(known.get(name, 0) for name in tile.map_layers):
                del self._paths[path]
                return False
        # A tile may have been rendered after a change that is not heard of yet.
        version = max(sum(known.get(name, 0) for name in tile.layers), tile.kept.version)
        tile.version_line = b"x-data-version: %d\r\n" % version
        tile.epoch = self._epoch
        return True

    def _wish(self, headers: bytes) -> Wish | None:
        tags = None
        start = headers.find(_TAG_LINE)
        if start >= 0:
            end = headers.find(b"\r\n", start + 2)
            tags = headers[start + len(_TAG_LINE) : end]
            headers = headers[:start] + headers[end:]
        wish = self._wishes.get(headers)
        if wish is None and headers not in self._wishes:
            wish = self._read_wish(headers)
            if wish is None or (wish.request_id is None and wish.if_none_match is None):
                if len(self._wishes) >= _MOST_WISHES:
                    self._wishes.clear()
                self._wishes[headers] = wish
        if tags is None or wish is None:
            return wish
        if wish.if_none_match is not None:
            return None
        return Wish(wish.codings, wish.cors, wish.request_id, tags)

    def _read_wish(self, headers: bytes) -> Wish | None:
        found: dict[bytes, bytes] = {}
        for line in headers.split(b"\r\n"):
            if not line:
                continue
            name, colon, value = line.partition(b":")
            if not colon or not _NAME.fullmatch(name) or _BAD_VALUE.search(value):
                return None
            name, value = name.lower(), value.strip(b" \t")
            if name in _UNUSUAL or (name in _SINGLE and name in found):
                return None
            if name == b"connection" and value.lower() != b"keep-alive":
                return None
            found[name] = value
        if b"host" not in found:
            return None
        request_id = found.get(b"x-request-id")
        if request_id is not None and not _SANE_ID.fullmatch(request_id):
            request_id = None
        origin = found.get(b"origin")
        return Wish(
            codings_wanted(found.get(b"accept-encoding"), self._codings),
            self._cors(origin) if origin is not None else b"",
            request_id,
            found.get(b"if-none-match"),
        )
