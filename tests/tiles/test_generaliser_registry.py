import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from layers.definition import PyramidBand, TileDefinition
from layers.errors import DefinitionError
from layers.pyramid_bands import band_fields, bands_of
from tests.tiles.coverages import CATALOGUE
from tiles.generaliser import Band
from tiles.generaliser_registry import band_of, tile_generalisers


def test_the_methods_are_those_of_the_folder() -> None:
    assert list(tile_generalisers()) == [
        "cluster",
        "dissolve",
        "merge",
        "mosaic",
        "simplify",
        "thin",
    ]


def test_every_layer_has_bands_that_its_methods_take() -> None:
    drawn = {}
    for layer in CATALOGUE.layers.values():
        bands = bands_of(layer)
        methods = {band_of(layer, band, band_fields(layer, band)).layer for band in bands}
        drawn[layer.name] = methods
        assert all(band.zooms[0] <= band.zooms[1] for band in bands)
        zooms = [zoom for band in bands for zoom in range(band.zooms[0], band.zooms[1] + 1)]
        expected = [] if layer.view else list(range(layer.tiles.min_zoom, layer.tiles.detail_zoom))
        assert zooms == expected, layer.name
    assert drawn["quarantine"] == set()


def test_a_layer_that_names_no_bands_has_the_usual_ones() -> None:
    for name, method in (("poi", "thin"), ("road", "simplify"), ("land_parcel", "simplify")):
        layer = CATALOGUE.layer(name)
        tiles = layer.tiles.model_copy(update={"pyramid": None})
        bands = bands_of(layer.model_copy(update={"name": f"{name}_bare", "tiles": tiles}))
        assert {band.method for band in bands} == {method}
        assert bands[0].zooms[0] == layer.tiles.min_zoom
        assert bands[-1].zooms[1] == layer.tiles.detail_zoom - 1


def with_band(name: str, zooms: tuple[int, int] = (12, 12), **given: object) -> Band:
    layer = CATALOGUE.layer(name)
    return band_of(layer, PyramidBand(zooms=zooms, **given), ("name",))


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("road", {"method": "melt"}, "road: tiles.pyramid: zooms 12 to 12: no method 'melt'"),
        ("road", {"method": "thin"}, "'thin' is not for multilinestring layers"),
        ("road", {"method": "merge", "by": ["klass"]}, "no field 'klass' is defined"),
        ("road", {"method": "merge", "tolerance": -1}, "tolerance: Input should be greater"),
        ("road", {"method": "merge", "toler": 1}, "toler: Extra inputs are not permitted"),
        ("building", {"method": "mosaic"}, "by: Field required"),
    ],
)
def test_a_wrong_band_is_refused_with_a_sentence(name, given, said) -> None:
    with pytest.raises(DefinitionError, match=re.escape(said)):
        with_band(name, **given)


def test_nothing_is_made_one_by_a_field_that_some_may_not_see() -> None:
    road = CATALOGUE.layer("road")
    fields = tuple(
        field.model_copy(update={"requires_role": ("planner",)}) if field.name == "name" else field
        for field in road.fields
    )
    closed = road.model_copy(update={"fields": fields})
    for given in ({"by": ["name"]}, {}):
        band = PyramidBand(zooms=(12, 12), method="merge", **given)
        with pytest.raises(DefinitionError, match="'name' is not for every viewer"):
            band_of(closed, band, ("name",))


def test_bands_follow_each_other() -> None:
    def tiles(*zooms: tuple[int, int]) -> TileDefinition:
        bands = [{"zooms": pair, "method": "simplify"} for pair in zooms]
        return TileDefinition.model_validate({"min_zoom": 10, "pyramid": bands})

    assert tiles((10, 12), (13, 15)).pyramid is not None
    for wrong in ([(9, 12), (13, 15)], [(10, 12), (12, 15)], [(10, 12)], [(10, 16)]):
        with pytest.raises(ValidationError, match="pyramid: the band"):
            tiles(*wrong)


def test_every_method_and_parameter_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "generalisation.md").read_text(encoding="utf-8")
    for name, method in tile_generalisers().items():
        assert f"| `{name}` |" in page
        for parameter in method.parameters.model_fields:
            assert f"`{parameter}`" in page, (name, parameter)
