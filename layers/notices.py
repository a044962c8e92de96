"""What the store tells its readers when a layer changed: PostgreSQL's NOTIFY."""

import orjson

#: The channel on which every applied load is announced.
CHANNEL = "onemap_layer"


def layer_changed(layer: str, data_version: int) -> str:
    """Return the notice that ``layer`` is now at ``data_version``."""
    return orjson.dumps({"layer": layer, "data_version": data_version}).decode()


def read_notice(payload: str) -> tuple[str, int]:
    """Return layer and data version of a notice."""
    notice = orjson.loads(payload)
    return str(notice["layer"]), int(notice["data_version"])
