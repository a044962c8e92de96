"""Which tile is wanted, and what rendering it gives: plain values."""

from dataclasses import dataclass, field
from datetime import datetime

from layers.access import ANONYMOUS, Viewer
from layers.definition import LayerDefinition
from layers.filters import Filter
from tiles.grids import WEB_MERCATOR_QUAD
from tiles.tile_grids import tile_grid
from tiles.tileset import TileSet


@dataclass(frozen=True, slots=True)
class TileRequest:
    """One tile of a tile set, for one viewer, with all that its bytes depend on but the data."""

    tileset: TileSet
    #: Zoom, column, row.
    place: tuple[int, int, int]
    #: Id of the grid (tile matrix set) that ``place`` is of.
    grid: str = WEB_MERCATOR_QUAD
    viewer: Viewer = field(default=ANONYMOUS)
    #: Valid time; ``None`` is now.
    at: datetime | None = None
    #: Record time: what the map held then; ``None`` is what it holds now.
    as_of: datetime | None = None
    #: Which features are shown; ``None`` is all.
    filter: Filter | None = None
    #: The attributes wanted, in this order; ``None`` is those that tiles of the zoom carry.
    properties: tuple[str, ...] | None = None
    #: The tile shows what changed between this valid time and ``at``.
    since: datetime | None = None
    #: The offset that positions are shown with: ``gcj02``, or none.
    datum: str | None = None

    @property
    def zoom(self) -> int:
        """The zoom of the common grid whose tiles are of this size."""
        return tile_grid(self.grid).zoom(self.place[0])

    @property
    def layers(self) -> tuple[LayerDefinition, ...]:
        """The layers that the tile set has at this zoom, whatever the tile shows of them.

        Raises:
            TileOutOfRange: If the set has no tiles at that zoom.
        """
        return self.tileset.layers_at(self.zoom)

    @property
    def is_plain(self) -> bool:
        """Whether it is a tile as all see it: the common grid, and nothing picked or compared."""
        return (
            self.grid == WEB_MERCATOR_QUAD
            and self.filter is None
            and self.properties is None
            and self.since is None
            and self.datum is None
        )


@dataclass(frozen=True, slots=True)
class RenderedTile:
    """A tile, and what of the data it shows."""

    #: The tile before compression; empty where there is nothing to be seen.
    data: bytes
    #: The tile versions of the layers of that zoom, in their order, as of the very rows shown.
    versions: tuple[int, ...]
    #: Names of the layers of which the tile could not hold everything.
    truncated: tuple[str, ...] = ()

    @property
    def version(self) -> int:
        """One number that grows with any of the versions."""
        return sum(self.versions)
