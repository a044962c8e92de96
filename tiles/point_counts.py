"""How many points a row of a cluster stands for, as tiles tell it."""

from functools import cache

from layers.definition import Bilingual, LayerDefinition
from layers.pyramid_bands import band_at
from tiles.generaliser_registry import tile_generalisers
from tiles.tileset import TileLayer

#: The attribute, named as in the clusters that MapLibre makes.
POINT_COUNT = "point_count"
POINT_COUNT_TITLE = Bilingual(zh="点数", en="Number of points")


@cache
def has_counts(layer: LayerDefinition, z: int) -> bool:
    """Tell whether features of a layer in tiles of zoom ``z`` may have ``point_count``.

    They have it where they stand for more than one. A field of that name keeps its own meaning.
    """
    band = band_at(layer, z)
    if band is None or POINT_COUNT in layer.field_names:
        return False
    method = tile_generalisers().get(band.method)
    return method is not None and method.counts


def ever_has_counts(entry: TileLayer) -> bool:
    """Tell whether features of a layer of a tile set may have ``point_count`` at any zoom."""
    zooms = range(entry.min_zoom, entry.max_zoom + 1)
    return any(has_counts(entry.definition, z) for z in zooms)
