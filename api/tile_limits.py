"""The limits of tilesets: beyond them there are no tiles (OGC 20-057, requirement 6)."""

from api.service import Service, TilePlan
from layers.errors import DatabaseBusy, DatabaseUnavailable, QueryTimeout
from layers.feature_query import BBox
from tiles.grids import TileOutOfRange
from tiles.tile_grids import tile_grid


class TileLimits:
    """Where each tileset has anything, asked for once for each state of its layers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        #: Names of layers → the state that was asked for, and the box.
        self._known: dict[tuple[str, ...], tuple[int, BBox | None]] = {}

    async def check(self, plan: TilePlan, grid: str, place: tuple[int, int, int]) -> None:
        """Refuse a tile beyond the limits that its tileset's metadata give.

        Without a database nobody knows them, and nothing is refused.

        Raises:
            TileOutOfRange: The message names the range.
        """
        number, column, row = place
        box = await self._box(plan)
        if box is None:
            return
        west, north, east, south = tile_grid(grid).over(box, number)
        if not (west <= column <= east and north <= row <= south):
            raise TileOutOfRange(
                f"tile {number}/{column}/{row} is beyond the tileset: in matrix {number} its "
                f"columns are {west} to {east} and its rows {north} to {south}"
            )

    async def _box(self, plan: TilePlan) -> BBox | None:
        names = self._service.map_layers(plan.tileset)
        try:
            version = self._service.tile_version(names)
            known = self._known.get(names)
            if known is None or known[0] != version:
                known = (version, await self._service.reader.bounds(names))
                self._known[names] = known
        except (DatabaseUnavailable, DatabaseBusy, QueryTimeout):
            return None
        return known[1] or plan.tileset.bounds
