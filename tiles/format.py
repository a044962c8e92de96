"""What a tile format is: how tiles of some media type are cut from the city map."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Select

from layers.access import ANONYMOUS, Viewer
from layers.definition import LayerDefinition
from layers.feature_query import BBox


@dataclass(frozen=True)
class TileCut:
    """One tile to cut, as a plain value."""

    #: From bottom to top.
    layers: tuple[LayerDefinition, ...]
    z: int
    #: The tile's box in metres (EPSG:3857) and, with its buffer, in degrees.
    box: BBox
    degrees: BBox
    viewer: Viewer = ANONYMOUS
    #: Valid and record time; ``None`` is now.
    at: datetime | None = None
    as_of: datetime | None = None


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
