"""Families of tiles: what a tile set shows to those who may see the same of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType

from layers.access import ANONYMOUS, Viewer, access_class, may_know
from tiles.tileset import TileSet

#: The folders of a store: what anybody may see of a map, and everything else.
PUBLIC = "public"
OTHER = "other"


@dataclass(frozen=True, eq=False)
class TileFamily:
    """The tiles of a tile set for all viewers who see the same bytes, in the common grid.

    Families are told apart by identity, which costs nothing in the keys of tiles: a server has
    one object for each folder.
    """

    #: The folder of its tiles in a store: ``public/MAP``, or ``other/DIGEST``.
    folder: str
    #: Zoom → names of the layers in its tiles, in the tiles' order.
    layers: Mapping[int, tuple[str, ...]]

    def shows(self, layer: str, zoom: int) -> bool:
        """Tell whether tiles of a zoom hold a layer."""
        return layer in self.layers.get(zoom, ())


def tile_family(tileset: TileSet, viewer: Viewer) -> TileFamily:
    """Return the family of a tile set's tiles as ``viewer`` sees them."""
    layers = {
        zoom: tuple(layer.name for layer in tileset.layers_at(zoom))
        for zoom in range(tileset.min_zoom, tileset.max_zoom + 1)
    }
    definitions = [entry.definition for entry in tileset.layers]
    access = ";".join(access_class(layer, viewer).key for layer in definitions)
    kind, _, name = tileset.path.partition("/")
    is_public = all(
        may_know(layer, ANONYMOUS) and access_class(layer, ANONYMOUS) == access_class(layer, viewer)
        for layer in definitions
    )
    if kind == "maps" and is_public:
        folder = f"{PUBLIC}/{name}"
    else:
        digest = blake2b(f"{tileset.path}\n{access}".encode(), digest_size=12).hexdigest()
        folder = f"{OTHER}/{digest}"
    return TileFamily(folder, MappingProxyType(layers))
