"""Which layers and attributes a request's parameters leave in its tiles."""

from layers.access import Viewer, access_class
from layers.definition import LayerDefinition
from layers.errors import InvalidValue, UnknownField
from layers.filters import Filter, fits
from tiles.request import TileRequest
from tiles.tile_grids import tile_grid
from tiles.tileset import TileSet


def check_selection(request: TileRequest) -> None:
    """Refuse parameters that name what no layer of the tile set has for this viewer.

    Raises:
        UnknownField: If an attribute is wanted that is nowhere.
        InvalidValue: If the filter fits no layer, there is no time between ``since`` and ``at``, or
            the grid has no tiles with such an offset.
    """
    layers = [entry.definition for entry in request.tileset.layers]
    if request.properties is not None:
        there = _fields(layers, request.viewer)
        unknown = [name for name in request.properties if name not in there]
        if unknown:
            raise UnknownField(f"properties: there is no field {', '.join(map(repr, unknown))}")
    if request.filter is not None and not filtered_layers(request.filter, layers, request.viewer):
        raise InvalidValue(_unfit(request.tileset, request.filter, layers, request.viewer))
    if request.datum is not None and tile_grid(request.grid).is_degrees:
        raise InvalidValue(f"crs: {request.datum} is for grids in Web Mercator")
    end = request.at or request.as_of
    if request.since is not None and end is not None and request.since > end:
        raise InvalidValue("since: lies after the time that the map shows")


def filtered_layers(
    wanted: Filter, layers: list[LayerDefinition], viewer: Viewer
) -> list[LayerDefinition]:
    """Return the layers that have all fields a filter names; of others nothing is shown."""
    return [layer for layer in layers if fits(wanted, access_class(layer, viewer))]


def _fields(layers: list[LayerDefinition], viewer: Viewer) -> set[str]:
    return {name for layer in layers for name in access_class(layer, viewer).fields}


def _unfit(tileset: TileSet, wanted: Filter, layers: list[LayerDefinition], viewer: Viewer) -> str:
    unknown = sorted(wanted.names - _fields(layers, viewer))
    if unknown:
        return f"filter: '{tileset.name}' has no field {', '.join(map(repr, unknown))}"
    return f"filter: no layer of '{tileset.name}' has all fields that the filter names"
