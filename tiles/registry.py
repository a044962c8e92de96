"""The tile formats, found by scanning their folder in sorted order."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from layers.errors import DefinitionError
from tiles import formats
from tiles.format import TileFormat


@cache
def tile_formats() -> MappingProxyType[str, TileFormat]:
    """Return name → format.

    Raises:
        DefinitionError: If a module has no ``FORMAT``, or two share a name or an ending.
    """
    found: dict[str, TileFormat] = {}
    endings: set[str] = set()
    for module_name in sorted(module.name for module in iter_modules(formats.__path__)):
        module = import_module(f"{formats.__name__}.{module_name}")
        tile_format: TileFormat | None = getattr(module, "FORMAT", None)
        if tile_format is None:
            raise DefinitionError(f"tiles/formats/{module_name}.py offers no FORMAT")
        if tile_format.name in found or endings & set(tile_format.extensions):
            raise DefinitionError(f"two tile formats are named '{tile_format.name}' or end alike")
        endings.update(tile_format.extensions)
        found[tile_format.name] = tile_format
    return MappingProxyType(found)
