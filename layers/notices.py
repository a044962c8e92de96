"""What the store tells its readers when a layer changed: PostgreSQL's NOTIFY."""

from typing import NamedTuple

import orjson
from sqlalchemy import Connection, func, select

#: The channel on which every applied load is announced.
CHANNEL = "onemap_layer"
#: The channel on which every step of a load is announced; the payload is the load's id.
LOAD_CHANNEL = "onemap_load"


class LayerNotice(NamedTuple):
    """That a layer, or what tiles show of it, changed."""

    layer: str
    data_version: int
    #: See ``onemap.tile_change``.
    tile_version: int


def announce_layer(connection: Connection, notice: LayerNotice) -> None:
    """Tell, at the end of the transaction, that a layer changed."""
    payload = orjson.dumps(notice._asdict()).decode()
    connection.execute(select(func.pg_notify(CHANNEL, payload)))


def read_notice(payload: str) -> LayerNotice:
    """Read what ``announce_layer`` wrote."""
    notice = orjson.loads(payload)
    version = int(notice["data_version"])
    return LayerNotice(str(notice["layer"]), version, int(notice.get("tile_version", version)))


def announce_load(connection: Connection, load_id: int) -> None:
    """Tell, at the end of the transaction, that something is new about a load."""
    connection.execute(select(func.pg_notify(LOAD_CHANNEL, str(load_id))))
