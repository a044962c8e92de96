"""The bands of a layer's pyramid: which zooms are cut from what."""

import hashlib
from functools import cache

import orjson

from layers.definition import LayerDefinition, PyramidBand
from layers.tile_fields import tile_fields


def _usual(method: str, zooms: tuple[tuple[int, int], ...]) -> tuple[PyramidBand, ...]:
    return tuple(PyramidBand(zooms=pair, method=method) for pair in zooms)


#: Bands of layers that name none, by the dimension of their geometry and whether it is a
#: coverage. They are cut to the zooms that the layer has.
DEFAULT_BANDS: dict[tuple[int, bool], tuple[PyramidBand, ...]] = {
    (0, False): _usual("thin", ((0, 7), (8, 11), (12, 22))),
    (1, False): _usual("simplify", ((0, 6), (7, 9), (10, 12), (13, 22))),
    (2, False): _usual("simplify", ((0, 6), (7, 9), (10, 12), (13, 22))),
    (2, True): _usual("simplify", ((0, 9), (10, 11), (12, 12), (13, 13), (14, 22))),
}
#: Raised when the rows of all bands change their form or meaning.
_FORM = 2


@cache
def bands_of(layer: LayerDefinition) -> tuple[PyramidBand, ...]:
    """Return the bands of a layer's pyramid, from the coarsest to the finest; often none."""
    if layer.view is not None or layer.geometry.mixed:
        return ()
    if layer.tiles.pyramid is not None:
        return tuple(sorted(layer.tiles.pyramid, key=lambda band: band.zooms))
    kind = (layer.geometry.dimension, layer.geometry.coverage)
    lowest, deepest = layer.tiles.min_zoom, layer.tiles.detail_zoom - 1
    return tuple(
        band.model_copy(update={"zooms": (max(low, lowest), min(high, deepest))})
        for band in DEFAULT_BANDS.get(kind, ())
        for low, high in [band.zooms]
        if max(low, lowest) <= min(high, deepest)
    )


def band_at(layer: LayerDefinition, z: int) -> PyramidBand | None:
    """Return the band that tiles of zoom ``z`` are cut from; ``None`` is the layer itself."""
    for band in bands_of(layer):
        if band.zooms[0] <= z <= band.zooms[1]:
            return band
    return None


def finer_band(layer: LayerDefinition, band: PyramidBand) -> PyramidBand | None:
    """Return the band that ``band`` is made from; ``None`` is the layer itself."""
    if not band.is_of_finer:
        return None
    bands = bands_of(layer)
    place = bands.index(band) + 1
    return bands[place] if place < len(bands) else None


@cache
def band_fields(layer: LayerDefinition, band: PyramidBand) -> tuple[str, ...]:
    """Return the fields that tiles of any of a band's zooms carry."""
    names: dict[str, None] = {}
    for z in range(band.zooms[0], band.zooms[1] + 1):
        names.update(dict.fromkeys(tile_fields(layer, z)))
    return tuple(names)


@cache
def band_digest(layer: LayerDefinition, band: PyramidBand) -> str:
    """Return a text that changes with anything of the definition that a band's rows depend on."""
    finer = finer_band(layer, band)
    facts = {
        "form": _FORM,
        "zooms": band.zooms,
        "method": band.method,
        "source": band.source,
        "cell_zoom": band.cell_zoom,
        "parameters": band.parameters,
        "fields": [(name, layer.field(name).type) for name in band_fields(layer, band)],
        "geometry": layer.geometry.model_dump(mode="json"),
        "importance": layer.tiles.importance,
        "finer": None if finer is None else band_digest(layer, finer),
    }
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
