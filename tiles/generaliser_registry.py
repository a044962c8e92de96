"""The methods of generalisation, found by scanning their folder, and the bands that use them."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from pydantic import ValidationError

from layers.definition import LayerDefinition, PyramidBand
from layers.errors import DefinitionError
from tiles import generalisers
from tiles.generaliser import Band, Generaliser


@cache
def tile_generalisers() -> MappingProxyType[str, Generaliser]:
    """Return name → method.

    Raises:
        DefinitionError: If a module has no ``GENERALISER``, or two share a name.
    """
    found: dict[str, Generaliser] = {}
    for module_name in sorted(module.name for module in iter_modules(generalisers.__path__)):
        module = import_module(f"{generalisers.__name__}.{module_name}")
        generaliser: Generaliser | None = getattr(module, "GENERALISER", None)
        if generaliser is None:
            raise DefinitionError(f"tiles/generalisers/{module_name}.py offers no GENERALISER")
        if generaliser.name in found:
            raise DefinitionError(f"two methods of generalisation are named '{generaliser.name}'")
        found[generaliser.name] = generaliser
    return MappingProxyType(found)


def band_of(layer: LayerDefinition, band: PyramidBand, fields: tuple[str, ...]) -> Band:
    """Return a band of a layer's pyramid as its method takes it.

    Args:
        layer: The layer.
        band: One of its bands.
        fields: The fields that the band's rows carry.

    Raises:
        DefinitionError: If the band names no method, or one that is not for this geometry, or
            parameters that the method does not take.
    """
    where = f"{layer.name}: tiles.pyramid: zooms {band.zooms[0]} to {band.zooms[1]}"
    known = tile_generalisers()
    if band.method not in known:
        raise DefinitionError(
            f"{where}: no method '{band.method}'; there are {', '.join(sorted(known))}"
        )
    method = known[band.method]
    if layer.geometry.dimension not in method.dimensions:
        raise DefinitionError(f"{where}: '{band.method}' is not for {layer.geometry.type} layers")
    try:
        parameters = method.parameters.model_validate(band.parameters)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise DefinitionError(f"{where}: {name}: {first['msg']}") from None
    read = method.fields(parameters)
    unknown = sorted(set(read) - set(layer.field_names))
    if unknown:
        raise DefinitionError(f"{where}: no field '{unknown[0]}' is defined")
    if getattr(parameters, "by", ()) is None:
        read = (*read, *fields)
    closed = [name for name in read if layer.field(name).requires_role]
    if closed:
        raise DefinitionError(
            f"{where}: the field '{closed[0]}' is not for every viewer, so nothing can be made "
            "one by it; name another"
        )
    zoom = band.cell_zoom
    chosen = method.cell_zoom(band.zooms, parameters) if zoom is None else zoom
    return Band(layer, band.zooms, parameters, chosen, fields)
