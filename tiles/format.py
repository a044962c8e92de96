"""What a tile format is: how tiles of some media type are cut from the city map."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnClause, ColumnElement, Select, select
from sqlalchemy.sql.visitors import iterate

from layers.access import ANONYMOUS, Viewer
from layers.definition import LayerDefinition
from layers.filters import Filter
from layers.queries import Box, Moment
from layers.tables import TILE_SRID
from tiles.grids import BUFFER, EXTENT

#: Number as a value, or as an expression whose value is bound later.
Number = float | ColumnElement[float]
Numbers = tuple[Number, Number, Number, Number]


@dataclass(frozen=True)
class TileCut:
    """One tile to cut, as a plain value."""

    #: From bottom to top.
    layers: tuple[LayerDefinition, ...]
    #: The zoom of the common web map grid whose tiles are of this size.
    z: int
    #: The tile's box in its grid's coordinates: west, south, east, north.
    box: Numbers
    #: What the buffered tile covers, in degrees.
    degrees: Box
    #: The same in EPSG:3857.
    metres: ColumnElement[Any]
    #: EPSG code of the grid's coordinates.
    srid: int = TILE_SRID
    #: The tile's box as a geometry, and ``scaling`` of it; ``None``: computed in the statement.
    frame: ColumnElement[Any] | None = None
    scaling: Numbers | None = None
    #: Tile units along an edge, and those that the tile reaches beyond it.
    extent: int = EXTENT
    buffer: int = BUFFER
    viewer: Viewer = ANONYMOUS
    #: Valid and record time; ``None`` is now.
    at: Moment | None = None
    as_of: Moment | None = None
    #: Only these features; a layer that has not all fields it names has none of them.
    filter: Filter | None = None
    #: The attributes wanted; ``None`` is those that tiles of the zoom carry.
    properties: tuple[str, ...] | None = None
    #: The tile shows what changed between this valid time and ``at``, which are values then.
    since: datetime | None = None
    #: No layer gives more features than this; which ones it gives is open.
    ceiling: int | None = None
    #: For each layer, how many of its features are kept: the most important ones.
    keep: tuple[ColumnElement[int], ...] | None = None


def scaling(box: Numbers, extent: int) -> tuple[Any, Any, Any, Any]:
    """Return what turns coordinates into a tile's units, for ``ST_TransScale``.

    Args:
        box: The tile's box: west, south, east, north.
        extent: Tile units along an edge.

    Returns:
        What to add to x and y, and then the factors of x and y; rows count downwards.
    """
    west, south, east, north = box
    return (-west, -north, extent / (east - west), extent / (south - north))


def once(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an expression so that it is computed once a statement, not once a row, if it may be.

    One plan for all values cannot fold what is made of bound values; one of columns stays as it is.
    """
    if any(isinstance(part, ColumnClause) for part in iterate(expression)):
        return expression
    return select(expression).scalar_subquery()


class TileFormat(Protocol):
    """A plug-in of ``tiles/formats``."""

    #: Short name, such as ``mvt``.
    name: str
    media_type: str
    #: Endings of addresses that ask for this format, without the dot.
    extensions: tuple[str, ...]

    def statement(self, cut: TileCut) -> Select[Any]:
        """Return the one statement, of one row, that makes the tile.

        Its one column, ``layers``, is an array of ``bytea[3]``, one for each layer: the layer's
        part of the tile, and as big-endian 64-bit numbers how many features stand in it, and how
        many there are (the same, where ``cut.keep`` is not given).
        """
        ...

    def notes(self, cuts: dict[str, tuple[int, int]]) -> bytes:
        """Return the part of a tile that says which layers could not be shown whole.

        Args:
            cuts: Layer → features shown, features there are.
        """
        ...
