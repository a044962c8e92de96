"""How keepers of tiles hear of changes."""

from collections.abc import Mapping
from typing import Protocol

from layers.tile_news import TileChange


class Heard(Protocol):
    """What keepers of tiles need of the reading side (``CityReader`` has it)."""

    @property
    def heard_until(self) -> float:
        """Until when (``time.monotonic``) changes count as heard."""
        ...

    def tile_versions(self) -> Mapping[str, int]:
        """Return layer → tile version, as last read."""
        ...

    async def tile_changes(self, layer: str, since: int, upto: int) -> list[TileChange]:
        """Return what changed in a layer's tiles between two of its tile versions."""
        ...

    async def database_identity(self) -> str:
        """Return a text that stands for the database."""
        ...
