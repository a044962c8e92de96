"""What the store tells its readers when a layer changed: PostgreSQL's NOTIFY."""

import orjson
from sqlalchemy import Connection, func, select

#: The channel on which every applied load is announced.
CHANNEL = "onemap_layer"
#: The channel on which every step of a load is announced; the payload is the load's id.
LOAD_CHANNEL = "onemap_load"


def layer_changed(layer: str, data_version: int) -> str:
    """Return the notice that ``layer`` is now at ``data_version``."""
    return orjson.dumps({"layer": layer, "data_version": data_version}).decode()


def read_notice(payload: str) -> tuple[str, int]:
    """Return layer and data version of a notice."""
    notice = orjson.loads(payload)
    return str(notice["layer"]), int(notice["data_version"])


def announce_load(connection: Connection, load_id: int) -> None:
    """Tell, at the end of the transaction, that something is new about a load."""
    connection.execute(select(func.pg_notify(LOAD_CHANNEL, str(load_id))))
