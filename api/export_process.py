"""An export from its rows to its bytes: the database is read here, another process writes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import IO

import orjson
import structlog

from api.errors import ExportFailed, InvalidParameter, StorageFull
from api.export_worker import DISK_FULL, DONE, REFUSED
from api.exporting.format import ExportJob, told
from api.exporting.rows import LENGTH
from layers.feature_query import FeatureQuery
from layers.reading import CityReader

#: The project's folder, where the other process finds the same code.
_ROOT = Path(__file__).parent.parent
_PROGRAM = (
    "import runpy, sys; sys.path.insert(0, sys.argv[1]); "
    "runpy.run_module('api.export_worker', run_name='__main__')"
)
#: Bytes of rows that are handed on at once, and of the answer.
_FRAME, _CHUNK = 1 << 20, 1 << 18
_LONGEST_COMPLAINT = 20_000
_log = structlog.get_logger(__name__)


class _WriterGone(Exception):
    """The process ended before it had all rows; its exit status says why."""


class WriterProcess:
    """A process that writes one export."""

    def __init__(self, process: "subprocess.Popen[bytes]", complaints: IO[bytes]) -> None:
        self._process = process
        self._complaints = complaints
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._input: asyncio.StreamWriter | None = None
        self._output = asyncio.StreamReader(limit=_CHUNK)
        self._transport: asyncio.BaseTransport | None = None

    @classmethod
    async def start(cls, job: ExportJob, target: Path | None) -> "WriterProcess":
        """Start it; it writes to ``target``, or to its output, which ``read`` gives."""
        # In memory, so that a full disk can still be told of.
        complaints = os.fdopen(os.memfd_create("complaints"), "w+b")
        process = subprocess.Popen(  # noqa: S603, ASYNC220 -- our own program; it takes a millisecond
            [sys.executable, "-c", _PROGRAM, str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            bufsize=0,
        )
        writer = cls(process, complaints)
        try:
            await writer._connect()
            order = {"job": told(job), "target": None if target is None else str(target)}
            writer._write(orjson.dumps(order) + b"\n")
        except BaseException:
            await writer.kill()
            raise
        return writer

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        flow, _ = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), self._process.stdin
        )
        self._input = asyncio.StreamWriter(flow, flow.get_protocol(), None, loop)
        self._transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._output), self._process.stdout
        )

    async def feed(self, reader: CityReader, query: FeatureQuery, limit: int) -> None:
        """Hand it the features of a query; what goes wrong with them ends it."""
        try:
            await reader.copy(query, self._take, limit=limit)
            await self._send()
            self._write(LENGTH.pack(0))
            await self._drain()
        except _WriterGone:
            return
        except BaseException:
            self._process.kill()
            raise

    async def _take(self, rows: bytes) -> None:
        self._held.append(rows)
        self._held_bytes += len(rows)
        if self._held_bytes >= _FRAME:
            await self._send()

    async def _send(self) -> None:
        if self._held_bytes:
            self._write(LENGTH.pack(self._held_bytes))
            for rows in self._held:
                self._write(rows)
            self._held, self._held_bytes = [], 0
        await self._drain()

    def _write(self, data: bytes) -> None:
        assert self._input is not None  # noqa: S101 -- since it was started
        self._input.write(data)

    async def _drain(self) -> None:
        assert self._input is not None  # noqa: S101 -- since it was started
        try:
            await self._input.drain()
        except OSError as error:
            raise _WriterGone from error

    async def read(self) -> bytes:
        """Return the next bytes of its output; none when it has ended."""
        return await self._output.read(_CHUNK)

    async def finish(self) -> None:
        """Wait for its end.

        Raises:
            InvalidParameter: If what was asked for cannot be in the format.
            StorageFull: If there was no room for the file.
            ExportFailed: If it broke down.
        """
        status = await asyncio.to_thread(self._process.wait)
        if status == DONE:
            return
        self._complaints.seek(0)
        told_us = self._complaints.read(_LONGEST_COMPLAINT).decode("utf-8", "replace")
        if status == REFUSED:
            raise InvalidParameter(told_us)
        if status == DISK_FULL:
            raise StorageFull("no room is left to write the file: ask for less, or again later")
        _log.error("export.failed", status=status, complaints=told_us)
        raise ExportFailed("the file could not be written")

    async def kill(self) -> None:
        """End it, if it still runs, and let go of everything."""
        self._process.kill()
        # One that its other end has closed is done with.
        if self._input is not None and not self._input.transport.is_closing():
            self._input.transport.abort()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
        self._complaints.close()
        await asyncio.to_thread(self._process.wait)


async def exported(
    reader: CityReader, query: FeatureQuery, job: ExportJob, *, limit: int, target: Path | None
) -> AsyncGenerator[bytes]:
    """Yield the bytes of an export as they are written; none where they go to ``target``.

    It is whole only when the iterator has ended of itself. Query and writer end with the iterator:
    close it (``contextlib.aclosing``) where it is left early.

    Args:
        reader: Where the features come from.
        query: Which features.
        job: What they are, and how they are written.
        limit: The most features.
        target: The file to make, for formats that are not streamed.

    Raises:
        InvalidParameter, StorageFull, ExportFailed: See ``WriterProcess.finish``.
        DatabaseUnavailable, DatabaseBusy, QueryTimeout: See ``CityReader.batches``.
    """
    writer = await WriterProcess.start(job, target)
    feeding = asyncio.create_task(writer.feed(reader, query, limit))
    try:
        while chunk := await writer.read():
            yield chunk
        await feeding
        await writer.finish()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await writer.kill()
