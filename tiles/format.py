"""What a tile format is: how tiles of some media type are cut from the city map."""

from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select

from layers.access import ANONYMOUS, Viewer
from layers.definition import LayerDefinition
from layers.queries import Box, Moment

#: A number as a value, or as an expression whose value is bound later.
Number = float | ColumnElement[float]


@dataclass(frozen=True)
class TileCut:
    """One tile to cut, as a plain value."""

    #: From bottom to top.
    layers: tuple[LayerDefinition, ...]
    z: int
    #: The tile's box in metres (EPSG:3857): west, south, east, north.
    box: tuple[Number, Number, Number, Number]
    #: The same in degrees, with the tile's buffer.
    degrees: Box
    viewer: Viewer = ANONYMOUS
    #: Valid and record time; ``None`` is now.
    at: Moment | None = None
    as_of: Moment | None = None


class TileFormat(Protocol):
    """A plug-in of ``tiles/formats``."""

    #: Short name, such as ``mvt``.
    name: str
    media_type: str
    #: Endings of addresses that ask for this format, without the dot.
    extensions: tuple[str, ...]

    def statement(self, cut: TileCut) -> Select[Any]:
        """Return the one statement, of one row and one column of bytes, that makes the tile."""
        ...
