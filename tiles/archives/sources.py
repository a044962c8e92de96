"""Where archives lie: in a file of this machine, or at an HTTP address that answers ranges."""

import asyncio
import re
from pathlib import Path
from typing import Protocol

import httpx

from tiles.archives.errors import BadArchive
from tiles.archives.header import ROOT_END, Header
from tiles.archives.reading import (
    ArchiveFile,
    Contents,
    Directory,
    file_identity,
    read_contents,
)
from tiles.archives.tile_ids import tile_id

_TIMEOUT_S = 10.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class ArchiveGone(Exception):
    """What was opened is not what is there now."""


class Source(Protocol):
    """An open archive."""

    contents: Contents

    async def packed(self, z: int, x: int, y: int) -> bytes:
        """Return a tile as it lies in the archive; nothing where it is empty.

        Raises:
            ArchiveGone: If another archive took its place.
            OSError: If it cannot be read.
        """
        ...

    async def is_gone(self) -> bool:
        """Tell whether it is not there any more, or another is in its place."""
        ...


def is_remote(address: str) -> bool:
    """Tell whether an archive's address is one of HTTP."""
    return address.startswith(("http://", "https://"))


async def open_source(address: str, client: httpx.AsyncClient | None) -> Source | None:
    """Open an archive; nothing where there is none.

    Args:
        address: A path, or an HTTP(S) address.
        client: Asks for the latter; nothing for a path.

    Raises:
        BadArchive: If it is damaged, or not of this program.
        OSError: If it cannot be read.
    """
    if client is not None:
        return await RemoteSource.open(address, client)
    try:
        return FileSource(await asyncio.to_thread(ArchiveFile, Path(address)))
    except FileNotFoundError:
        return None


class FileSource:
    """An archive in a file."""

    def __init__(self, archive: ArchiveFile) -> None:
        self.archive = archive
        self.contents = archive.contents

    async def packed(self, z: int, x: int, y: int) -> bytes:
        """Return a tile as it lies in the archive."""
        packed = await asyncio.to_thread(self.archive.packed, z, x, y)
        if not self.archive.is_as_opened:
            raise ArchiveGone
        return packed

    async def is_gone(self) -> bool:
        """Tell whether another file is in its place, or none, or somebody wrote to it."""
        try:
            found = await asyncio.to_thread(self.archive.path.stat)
        except OSError:
            return True
        return file_identity(found) != self.archive.identity


class RemoteSource:
    """An archive at an HTTP address, such as an object in a store that may be read by all."""

    def __init__(self, address: str, client: httpx.AsyncClient, etag: str) -> None:
        self._address = address
        self._client = client
        self._etag = etag
        self.contents: Contents
        self._directory: Directory

    @classmethod
    async def open(cls, address: str, client: httpx.AsyncClient) -> "RemoteSource | None":
        """Read the archive's directories.

        Raises:
            BadArchive: If it is damaged, not of this program, or the server cannot be used.
            OSError: If the server cannot be reached.
        """
        answer = await _get(client, address, 0, ROOT_END, {})
        if answer.status_code == 404:
            return None
        span = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        etag = answer.headers.get("etag", "")
        if answer.status_code != 206 or span is None or not etag or etag.startswith("W/"):
            raise BadArchive(
                f"{address} cannot be used: its server does not answer ranges with a strong ETag"
            )
        source = cls(address, client, etag)
        begin, size = answer.content, int(span[3])
        try:
            # Metadata and directories follow each other.
            header = Header.read(begin)
            whole = begin
            if header.leaves.end > len(begin):
                whole += await source._read(len(begin), header.leaves.end - len(begin))
            source.contents, entries = read_contents(
                begin, size, lambda offset, length: whole[offset : offset + length]
            )
        except BadArchive as error:
            raise BadArchive(f"the archive {address} cannot be used: {error}") from error
        except ArchiveGone:
            return None
        source._directory = Directory.of(entries)
        return source

    async def _read(self, offset: int, length: int) -> bytes:
        answer = await _get(self._client, self._address, offset, length, {"if-match": self._etag})
        if answer.status_code != 206 or answer.headers.get("etag") != self._etag:
            raise ArchiveGone
        return answer.content

    async def packed(self, z: int, x: int, y: int) -> bytes:
        """Return a tile as it lies in the archive."""
        found = self._directory.find(tile_id(z, x, y))
        if found is None:
            return b""
        return await self._read(self.contents.header.tiles.offset + found[0], found[1])

    async def is_gone(self) -> bool:
        """Tell whether another object is in its place, or none."""
        try:
            answer = await self._client.head(self._address, timeout=_TIMEOUT_S)
        except httpx.HTTPError:
            # It may come back as it was.
            return False
        return bool(answer.headers.get("etag") != self._etag)


async def _get(
    client: httpx.AsyncClient, address: str, offset: int, length: int, headers: dict[str, str]
) -> httpx.Response:
    span = {"range": f"bytes={offset}-{offset + length - 1}", "accept-encoding": "identity"}
    try:
        # The end of a server that sends everything is not waited for.
        async with client.stream(
            "GET", address, headers=headers | span, timeout=_TIMEOUT_S
        ) as answer:
            if answer.status_code == 206:
                await answer.aread()
            return answer
    except httpx.HTTPError as error:
        raise OSError(f"{address} cannot be reached") from error
