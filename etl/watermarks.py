"""What the last load of a server's collection kept, so that the next need not load it again."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from etl.reader import SourceInfo
from layers.load_records import harvests_query
from layers.store import Store

_ASKED, _CARRIED = "asked", "carried"
#: After so many harvests in a row that brought nothing new, all is fetched once more.
_LOOKED_AT = 100


def digest_of(asked: Mapping[str, Any]) -> str:
    """Return a digest of what a load was asked for: what it changes, changes what is loaded."""
    text = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(text).hexdigest()


def known_watermark(store: Store, layer: str, source: str, asked: str) -> Mapping[str, Any] | None:
    """Return the watermark of the last load from an address, if it still holds.

    It does not if that load, or one after it, was taken back, or was asked for something else.

    Args:
        store: The records.
        layer: The layer to load into.
        source: The address.
        asked: The digest of what the load is asked for.
    """
    for row in store.fetch(harvests_query(layer, source, _LOOKED_AT)):
        kept = row.watermark
        if row.reverted_by is not None or not isinstance(kept, dict) or kept.get(_ASKED) != asked:
            return None
        if not kept.get(_CARRIED):
            return kept
    return None


def kept_watermark(info: SourceInfo, asked: str) -> dict[str, Any] | None:
    """Return a source's watermark as it is kept with the load.

    Args:
        info: Of the source; one that brought nothing new carries on the watermark it was given.
        asked: The digest of what the load is asked for.
    """
    if info.watermark is None:
        return None
    return {**info.watermark, _ASKED: asked, _CARRIED: info.unchanged}
