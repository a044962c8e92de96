"""The progress of a load as server-sent events (HTML standard, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import blake2b
from typing import Any

import orjson

from api.load_documents import load_document
from layers.errors import OneMapError
from layers.load_records import LoadRecord
from layers.reading import CityReader

#: Seconds between two looks where nothing is announced: nobody announces a death.
_LOOK_EVERY_S = 2.0
#: Seconds after which a comment tells proxies and clients that the connection lives.
_ALIVE_EVERY_S = 15.0
#: Shortest time between two events.
_PAUSE_S = 0.25
_RECONNECT_MS = 2000
#: What changes by itself and is no news.
_NO_NEWS = ("etaSeconds", "rowsPerSecond", "ahead")


def event_id(document: dict[str, Any]) -> str:
    """Return an id that is equal where a client would hear nothing new."""
    news = {name: value for name, value in document.items() if name not in _NO_NEWS}
    return blake2b(orjson.dumps(news, option=orjson.OPT_SORT_KEYS), digest_size=9).hexdigest()


async def load_events(
    reader: CityReader, record: LoadRecord, base: str, last_id: str | None
) -> AsyncIterator[bytes]:
    """Yield events until the load has ended: ``progress`` ones, then one ``end``.

    Each holds the load as ``GET`` gives it, so a client that comes back has missed nothing; what
    it heard last is not repeated.
    """
    yield f"retry: {_RECONNECT_MS}\n\n".encode()
    load_id, quiet = record.load_id, 0.0
    with reader.load_notices.following(load_id) as news:
        while True:
            document = load_document(record, base)
            current = event_id(document)
            if current != last_id or record.final:
                yield _event("end" if record.final else "progress", current, document)
                last_id, quiet = current, 0.0
            if record.final:
                return
            await asyncio.sleep(_PAUSE_S)
            heard = await _wait(news, _LOOK_EVERY_S)
            quiet += _PAUSE_S if heard else _LOOK_EVERY_S
            if quiet >= _ALIVE_EVERY_S:
                quiet = 0.0
                yield b": still here\n\n"
            try:
                record = await reader.load(load_id)
            except OneMapError:
                # The client comes back, and hears then what is the matter.
                return


async def _wait(news: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(news.wait(), seconds)
    heard = news.is_set()
    news.clear()
    return heard


def _event(kind: str, identity: str, document: dict[str, Any]) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (
        kind.encode(),
        identity.encode(),
        orjson.dumps(document),
    )
