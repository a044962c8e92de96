"""What a set of tiles holds: the layers of a map, or one layer alone."""

from dataclasses import dataclass

from layers.access import Viewer, may_know
from layers.catalogue import Catalogue
from layers.definition import Bilingual, LayerDefinition
from layers.feature_query import BBox
from layers.map_definition import MapDefinition, TileLimits
from layers.tile_fields import tile_fields
from tiles.grids import TileOutOfRange

#: From this zoom on tiles cut without a pyramid carry the surveyed geometry and every feature.
FULL_DETAIL_ZOOM = 14
#: Deepest zoom of the tiles of a single layer; front ends draw deeper zooms from these.
LAYER_MAX_ZOOM = 18
_USUAL_LIMITS = TileLimits()


@dataclass(frozen=True)
class TileLayer:
    """One layer of a tile set and the zooms it is in."""

    definition: LayerDefinition
    min_zoom: int
    max_zoom: int


@dataclass(frozen=True)
class TileSet:
    """Layers that share tiles, from bottom to top."""

    #: Its path below the service's address of documents: ``maps/NAME`` or ``collections/NAME``.
    path: str
    name: str
    title: Bilingual
    abstract: Bilingual
    min_zoom: int
    max_zoom: int
    layers: tuple[TileLayer, ...]
    #: Degrees (EPSG:4490), longitude first; ``None`` where only the data know.
    bounds: BBox | None = None
    center: tuple[float, float] | None = None
    zoom: float | None = None
    limits: TileLimits = _USUAL_LIMITS

    def __hash__(self) -> int:
        """Hash by path, so that requests for its tiles can be keys."""
        return hash(self.path)

    def layers_at(self, z: int) -> tuple[LayerDefinition, ...]:
        """Return the layers that tiles of zoom ``z`` hold.

        Raises:
            TileOutOfRange: If the set has no tiles at that zoom.
        """
        if not self.min_zoom <= z <= self.max_zoom:
            raise TileOutOfRange(
                f"'{self.name}' has no tiles at zoom {z}: its zooms are "
                f"{self.min_zoom} to {self.max_zoom}"
            )
        return tuple(
            entry.definition for entry in self.layers if entry.min_zoom <= z <= entry.max_zoom
        )


def map_tiles(catalogue: Catalogue, city_map: MapDefinition, viewer: Viewer) -> TileSet:
    """Return the tile set of a map, with the layers that the viewer may know of."""
    entries = []
    for entry in city_map.layers:
        layer = catalogue.layer(entry.layer)
        if not may_know(layer, viewer):
            continue
        lowest = layer.tiles.min_zoom if entry.min_zoom is None else entry.min_zoom
        highest = city_map.max_zoom if entry.max_zoom is None else entry.max_zoom
        entries.append(TileLayer(layer, lowest, min(highest, city_map.max_zoom)))
    return TileSet(
        f"maps/{city_map.name}",
        city_map.name,
        city_map.title,
        city_map.abstract,
        city_map.min_zoom,
        city_map.max_zoom,
        tuple(entries),
        city_map.bounds,
        city_map.center,
        city_map.zoom,
        city_map.tile_limits,
    )


def layer_tiles(layer: LayerDefinition) -> TileSet:
    """Return the tile set of one layer alone."""
    highest = max(LAYER_MAX_ZOOM, layer.tiles.min_zoom)
    entry = TileLayer(layer, layer.tiles.min_zoom, highest)
    return TileSet(
        f"collections/{layer.name}",
        layer.name,
        layer.title,
        layer.abstract,
        layer.tiles.min_zoom,
        highest,
        (entry,),
    )


def deepest_fields(entry: TileLayer) -> tuple[str, ...]:
    """Return all attributes that a layer ever carries within a tile set."""
    return tile_fields(entry.definition, entry.max_zoom)
