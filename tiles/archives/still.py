"""A city without a database: what its archives hold, and nothing else."""

from collections.abc import Mapping, Sequence
from datetime import date

from layers.access import ANONYMOUS, Viewer
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.feature_query import BBox
from layers.reading import CityReader, LayerExtent
from layers.settings import LayersSettings
from tiles.archives.shelf import ArchiveShelf
from tiles.grids import TileOutOfRange
from tiles.request import RenderedTile, TileRequest


class StillCity(CityReader):
    """Answers what maps and tiles need; whatever needs rows, the database is missing for."""

    def __init__(self, settings: LayersSettings, catalogue: Catalogue, shelf: ArchiveShelf) -> None:
        super().__init__(settings, catalogue)
        self._shelf = shelf

    def start(self) -> None:
        """Listen to nobody: nothing changes."""

    @property
    def heard_until(self) -> float:
        """For ever."""
        return float("inf")

    @property
    def is_listening(self) -> bool:
        """Nothing is missed."""
        return True

    def data_versions(self) -> Mapping[str, int]:
        """Return the versions that the archives show."""
        return self.tile_versions()

    def tile_versions(self) -> Mapping[str, int]:
        """Return the versions that the archives show."""
        versions: dict[str, int] = {}
        for source in self._shelf.sources():
            versions |= source.contents.facts.tile_versions
        return versions

    async def bounds(self, layers: Sequence[str]) -> BBox | None:
        """Return nothing: where features are is not known."""
        return None

    async def epochs(self, layers: Sequence[str]) -> list[date]:
        """Return nothing: there is one state only."""
        return []

    async def extent(self, layer: LayerDefinition, viewer: Viewer = ANONYMOUS) -> LayerExtent:
        """Return that nothing is known of a layer's features."""
        return LayerExtent(None, None, None, 0)

    async def ready(self) -> list[str]:
        """Return what keeps the maps from being served."""
        return [] if self._shelf.sources() else ["there is no archive to serve from"]


async def render_nothing(request: TileRequest) -> RenderedTile:
    """Refuse to render.

    Raises:
        TileOutOfRange: Always.
    """
    z, x, y = request.place
    raise TileOutOfRange(
        f"the archive has no tile {z}/{x}/{y} of that kind, and nothing else is here"
    )
