"""What a worker does beside loads: pyramids that are behind are brought up to the last load."""

import asyncio
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

import structlog

from cli.pyramid_follow_up import open_pyramids
from layers.catalogue import Catalogue
from layers.errors import OneMapError
from layers.pyramid_store import PyramidStore

#: Seconds between two looks at what is behind.
_LOOK_S = 2.0
#: Seconds after which a layer whose pyramid could not be built is tried again.
_AGAIN_S = 60.0
#: Seconds that a building gets to roll back once it was told to end.
_ROLL_BACK_S = 10.0
_log = structlog.get_logger(__name__)


async def keep_pyramids(url: str, catalogue: Catalogue, stop: asyncio.Event) -> None:
    """Build what is behind, in a process of its own, until ``stop`` is set."""
    failed: dict[str, float] = {}
    with open_pyramids(url) as store:
        while not stop.is_set():
            now = time.monotonic()
            behind = await _behind(store, catalogue)
            due = [name for name in behind if failed.get(name, now) <= now]
            if due and not await _build(due, stop):
                failed |= dict.fromkeys(due, time.monotonic() + _AGAIN_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_S)


async def _behind(store: PyramidStore, catalogue: Catalogue) -> list[str]:
    try:
        return await asyncio.to_thread(store.behind, list(catalogue.layers.values()))
    except OneMapError as error:
        _log.warning("pyramids.cannot_look", reason=str(error))
        return []


async def _build(layers: list[str], stop: asyncio.Event) -> bool:
    """Build some layers' pyramids; tell whether that went well, or was ended by ``stop``."""
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "pyramid", "build", *layers),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,
    )
    said = asyncio.create_task(process.communicate())
    told = asyncio.create_task(stop.wait())
    await asyncio.wait({said, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not said.done():
        await _end(process, said)
        return True
    seconds = round(time.monotonic() - started, 1)
    if process.returncode == 0:
        _log.info("pyramids.built", layers=layers, seconds=seconds)
        return True
    lines = said.result()[1].decode(errors="replace").strip().splitlines()
    _log.warning("pyramids.failed", layers=layers, reason=lines[-1] if lines else "")
    return False


async def _end(process: Process, said: "asyncio.Task[tuple[bytes, bytes]]") -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(said, _ROLL_BACK_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
