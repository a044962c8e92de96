"""The catalogue: every layer, map and code list, found by scanning their folders."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from layers.code_list import CodeList, read_code_list
from layers.code_translation import Translations, read_translations
from layers.definition import LayerDefinition
from layers.errors import DefinitionError, UnknownCodeList, UnknownLayer, UnknownMap
from layers.map_definition import MapDefinition
from layers.yaml_source import load_model

_ROOM = Path(__file__).parent
#: Names of collections that the service itself has.
_TAKEN = frozenset({"catalogue"})


@dataclass(frozen=True)
class Catalogue:
    """All definitions of one city map; made once at a door and passed down."""

    layers: MappingProxyType[str, LayerDefinition]
    maps: MappingProxyType[str, MapDefinition]
    codes: MappingProxyType[str, CodeList]
    sources: MappingProxyType[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    translations: Translations = field(default_factory=lambda: Translations({}, {}))

    def layer(self, name: str) -> LayerDefinition:
        """Return the layer of that name.

        Raises:
            UnknownLayer: If there is none.
        """
        if name not in self.layers:
            raise UnknownLayer(f"there is no layer '{name}'")
        return self.layers[name]

    def map(self, name: str) -> MapDefinition:
        """Return the map of that name.

        Raises:
            UnknownMap: If there is none.
        """
        if name not in self.maps:
            raise UnknownMap(f"there is no map '{name}'")
        return self.maps[name]

    def code_list(self, name: str) -> CodeList:
        """Return the code list of that name.

        Raises:
            UnknownCodeList: If there is none.
        """
        if name not in self.codes:
            raise UnknownCodeList(f"there is no code list '{name}'")
        return self.codes[name]

    @cached_property
    def layer_names(self) -> tuple[str, ...]:
        """The names of all layers, sorted."""
        return tuple(sorted(self.layers))


def load_catalogue(
    *,
    extra_layers: Path | None = None,
    extra_maps: Path | None = None,
) -> Catalogue:
    """Scan the folders of definitions, maps and code lists in sorted order.

    Args:
        extra_layers: A further folder of layer definitions, beside the ones shipped.
        extra_maps: A further folder of maps.

    Returns:
        The catalogue, with every reference between its files checked.

    Raises:
        DefinitionError: If any file is wrong; the message names file, line and field.
    """
    codes = {path.stem: read_code_list(path) for path in sorted((_ROOM / "codes").glob("*.csv"))}
    layers: dict[str, LayerDefinition] = {}
    sources: dict[str, Path] = {}
    for path in _yaml_files(_ROOM / "definitions", extra_layers):
        layer = load_model(path, LayerDefinition)
        _refuse_misnamed(path, layer.name, layers)
        if layer.name in _TAKEN:
            raise DefinitionError(f"{path}: name: '{layer.name}' is a collection of the service")
        _refuse_unknown_codes(path, layer, codes)
        layers[layer.name] = layer
        sources[layer.name] = path
    maps: dict[str, MapDefinition] = {}
    for path in _yaml_files(_ROOM / "maps", extra_maps):
        city_map = load_model(path, MapDefinition)
        _refuse_misnamed(path, city_map.name, maps)
        for entry in city_map.layers:
            if entry.layer not in layers:
                raise DefinitionError(f"{path}: there is no layer '{entry.layer}'")
        maps[city_map.name] = city_map
    return Catalogue(
        MappingProxyType(layers),
        MappingProxyType(maps),
        MappingProxyType(codes),
        MappingProxyType(sources),
        read_translations(_ROOM / "codes" / "translations", codes),
    )


def _yaml_files(*folders: Path | None) -> list[Path]:
    files: list[Path] = []
    for folder in folders:
        if folder is None:
            continue
        if not folder.is_dir():
            raise DefinitionError(f"{folder}: there is no such folder")
        files.extend(sorted(folder.glob("*.yaml")))
    return files


def _refuse_misnamed(path: Path, name: str, known: Collection[str]) -> None:
    if name in known:
        raise DefinitionError(f"{path}: name: '{name}' is already defined by another file")
    if name != path.stem:
        raise DefinitionError(f"{path}: name: the file is named '{path.stem}', not '{name}'")


def _refuse_unknown_codes(path: Path, layer: LayerDefinition, codes: dict[str, CodeList]) -> None:
    for entry in layer.fields:
        if entry.codes and entry.codes not in codes:
            raise DefinitionError(
                f"{path}: fields.{entry.name}.codes: there is no code list '{entry.codes}'"
            )
        for name in entry.editions.lists.values() if entry.editions else ():
            if name not in codes:
                raise DefinitionError(
                    f"{path}: fields.{entry.name}.editions: there is no code list '{name}'"
                )
