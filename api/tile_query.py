"""The query parameters of tiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from api.errors import InvalidParameter
from api.times import record_time, valid_instant
from layers.access import Viewer
from layers.filters import Filter, read_filter
from tiles.datum_shift import GCJ02
from tiles.request import TileRequest
from tiles.selection import check_selection
from tiles.tileset import TileSet

#: Name → what it is, as the documentation of the service says it.
DESCRIPTIONS: Mapping[str, str] = {
    "datetime": "Valid time: an instant.",
    "asOf": "Record time: an instant.",
    "properties": "The attributes wanted, separated by commas; empty for none.",
    "filter": "Only features that this CQL2 filter lets through.",
    "filter-lang": "Language of the filter: cql2-text (the default) or cql2-json.",
    "since": "Show what changed since this valid time.",
    "crs": "gcj02: positions with the offset of commercial Chinese base maps.",
}
PARAMETERS = frozenset(DESCRIPTIONS)
_MOST_PROPERTIES = 200


@dataclass(frozen=True, slots=True)
class TileQuery:
    """What the parameters ask for."""

    at: datetime | None = None
    as_of: datetime | None = None
    filter: Filter | None = None
    properties: tuple[str, ...] | None = None
    since: datetime | None = None
    datum: str | None = None

    def request(
        self, tileset: TileSet, grid: str, place: tuple[int, int, int], viewer: Viewer
    ) -> TileRequest:
        """Return the request for a tile.

        Args:
            tileset: The tile set.
            grid: Name of the grid.
            place: Number of the matrix, column, row.
            viewer: Who asks.

        Raises:
            UnknownField: If an attribute is wanted that no layer of the tile set has.
            InvalidValue: If the filter fits no layer, or the times run backwards.
        """
        request = TileRequest(
            tileset,
            place,
            grid,
            viewer,
            self.at,
            self.as_of,
            self.filter,
            self.properties,
            self.since,
            self.datum,
        )
        if not request.is_plain:
            check_selection(request)
        return request


def read_tile_query(parameters: Mapping[str, str]) -> TileQuery:
    """Read the parameters of a tile.

    Raises:
        InvalidParameter: If a time cannot be read, or a parameter comes without its partner.
        InvalidValue: If the filter cannot be read.
    """
    if not parameters:
        return TileQuery()
    return TileQuery(
        valid_instant(parameters.get("datetime")),
        record_time(parameters.get("asOf")),
        _filter(parameters),
        _properties(parameters.get("properties")),
        valid_instant(parameters.get("since"), name="since"),
        _datum(parameters.get("crs")),
    )


def _filter(parameters: Mapping[str, str]) -> Filter | None:
    text, language = parameters.get("filter"), parameters.get("filter-lang")
    if text is None:
        if language is not None:
            raise InvalidParameter("filter-lang: there is no filter")
        return None
    return read_filter(text) if language is None else read_filter(text, language)


def _properties(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if len(names) > _MOST_PROPERTIES:
        raise InvalidParameter(f"properties: more than {_MOST_PROPERTIES} names")
    return names


def _datum(text: str | None) -> str | None:
    if text is not None and text != GCJ02:
        raise InvalidParameter(f"crs: '{text}' is not {GCJ02}; other systems come as other grids")
    return text
