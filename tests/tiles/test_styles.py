"""Styles and legends composed from the layers' definitions."""

from typing import Any

import pytest

from layers.access import ANONYMOUS, Viewer
from layers.catalogue import Catalogue, load_catalogue
from layers.definition import LayerDefinition, Slot
from layers.errors import DefinitionError
from layers.tile_fields import tile_fields, used_fields
from tests.api.town import read_catalogue
from tiles.icon_shapes import ICON_NAMES
from tiles.legends import layer_legend
from tiles.style_values import Language, expand, images_in, representative
from tiles.styles import compose_style, used_icons
from tiles.tileset import map_tiles

TOWN = read_catalogue()
SHIPPED = load_catalogue()


def style(
    catalogue: Catalogue = TOWN,
    name: str = "town",
    language: Language = Language.BOTH,
    viewer: Viewer = ANONYMOUS,
) -> dict[str, Any]:
    return compose_style(
        catalogue,
        catalogue.map(name),
        viewer,
        language,
        tilejson_url="https://map.example/tiles/town.json",
        sprite_url="https://map.example/sprites/onemap",
    )


def by_id(composed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in composed["layers"]}


def test_slots_come_before_the_order_of_the_map() -> None:
    assert list(by_id(style())) == [
        "background",
        "plot.fill",
        "plot.outline",
        "lane.line",
        "lamp.icon",
        "lane.label",
    ]


def test_a_layer_that_the_viewer_may_not_know_of_is_not_there() -> None:
    officer = Viewer(roles=frozenset({"officer"}))
    assert "secret.dot" in by_id(style(viewer=officer))
    assert "secret" not in str(style())


def test_codes_become_colours_with_the_parent_s_where_a_code_has_none() -> None:
    color = by_id(style())["plot.fill"]["paint"]["fill-color"]
    assert color == [
        "match",
        ["get", "use"],
        ["01", "0101"],
        "#f2e6a0",
        ["07"],
        "#e8a0a0",
        "#b9b7b1",
    ]


@pytest.mark.parametrize("language", list(Language))
def test_labels_are_in_the_language_of_the_page(language: Language) -> None:
    text = str(by_id(style(language=language))["lane.label"]["layout"]["text-field"])
    assert ("name_en" in text) == (language is not Language.CHINESE)
    assert ("format" in text) == (language is Language.BOTH)
    assert "'name'" in text


def test_zooms_and_visibility_are_the_map_s() -> None:
    layers = by_id(style())
    assert layers["lane.line"]["minzoom"] == 11
    assert layers["plot.outline"]["minzoom"] == 14
    assert layers["plot.fill"]["minzoom"] == 8
    assert layers["lamp.icon"]["layout"]["visibility"] == "none"
    assert layers["plot.fill"]["layout"]["visibility"] == "visible"


def test_the_short_forms_are_gone_and_no_glyphs_are_named() -> None:
    for name in SHIPPED.maps:
        composed = style(SHIPPED, name)
        assert "code_color" not in str(composed)
        assert "{'label'" not in str(composed)
        assert "glyphs" not in composed


def test_a_style_that_names_what_is_not_there_is_refused() -> None:
    bare = TOWN.layer("bare")
    with pytest.raises(DefinitionError, match="no label"):
        expand({"label": True}, bare, TOWN, Language.BOTH)
    with pytest.raises(DefinitionError, match="not defined"):
        expand({"code_color": "nothing"}, bare, TOWN, Language.BOTH)
    with pytest.raises(DefinitionError, match="no codes"):
        expand({"code_color": "code"}, bare, TOWN, Language.BOTH)


@pytest.mark.parametrize("name", sorted(SHIPPED.maps))
def test_every_icon_of_a_shipped_map_is_on_the_sprite_sheet(name: str) -> None:
    assert set(used_icons(style(SHIPPED, name))) <= set(ICON_NAMES)


@pytest.mark.parametrize("name", sorted(SHIPPED.maps))
def test_style_layers_of_a_shipped_map_are_well_formed(name: str) -> None:
    composed = style(SHIPPED, name)
    ids = [entry["id"] for entry in composed["layers"]]
    assert len(ids) == len(set(ids))
    in_tiles = {
        entry.definition.name for entry in map_tiles(SHIPPED, SHIPPED.map(name), ANONYMOUS).layers
    }
    for entry in composed["layers"][1:]:
        assert entry["source-layer"] in in_tiles
        assert entry["metadata"]["onemap:layer"] == entry["source-layer"]
        assert entry["minzoom"] < entry.get("maxzoom", 25)


@pytest.mark.parametrize("name", SHIPPED.layer_names)
def test_what_a_style_draws_by_is_in_the_tiles(name: str) -> None:
    layer = SHIPPED.layer(name)
    assert set(used_fields(layer)) <= set(tile_fields(layer, 22))


@pytest.mark.parametrize("name", SHIPPED.layer_names)
def test_every_styled_layer_has_a_bilingual_legend(name: str) -> None:
    layer: LayerDefinition = SHIPPED.layer(name)
    entries = layer_legend(layer, SHIPPED)
    shown = [part for part in layer.style if part.in_legend and part.slot is not Slot.LABEL]
    assert bool(entries) == bool(shown)
    for entry in entries:
        assert entry["title"]["zh"]
        assert entry["title"]["en"]
        assert entry["kind"] in {"fill", "line", "circle", "icon", "extrusion"}
        sign = entry["icon"] if entry["kind"] == "icon" else entry["color"]
        assert isinstance(sign, str)
        if entry["kind"] == "icon":
            assert sign in ICON_NAMES


def test_a_legend_names_each_code_with_a_sign_of_its_own() -> None:
    assert layer_legend(TOWN.layer("plot"), TOWN) == [
        {
            "kind": "fill",
            "opacity": 0.8,
            "title": {"zh": "耕地", "en": "Cropland"},
            "color": "#f2e6a0",
            "code": "01",
        },
        {
            "kind": "fill",
            "opacity": 0.8,
            "title": {"zh": "住宅", "en": "Housing"},
            "color": "#e8a0a0",
            "code": "07",
        },
    ]
    icons = layer_legend(TOWN.layer("lamp"), TOWN)
    assert [(entry["icon"], entry["title"]["en"]) for entry in icons] == [
        ("component", "Cropland"),
        ("poi-service", "Housing, Paddy"),
    ]


def test_a_value_that_varies_with_the_zoom_is_shown_as_in_the_middle() -> None:
    assert representative(["interpolate", ["linear"], ["zoom"], 10, 1, 14, 3, 20, 9]) == 3
    assert representative(["step", ["zoom"], "a", 12, "b", 16, "c"]) == "b"
    assert representative(["match", ["get", "x"], "1", "#111111", "#222222"]) == "#222222"
    assert representative("#333333") == "#333333"
    assert representative(["get", "x"]) is None


def test_images_are_found_in_every_form_of_expression() -> None:
    value = [
        "case",
        ["==", ["get", "a"], 1],
        "one",
        ["match", ["get", "b"], ["x"], ["image", "two"], "three"],
    ]
    assert list(images_in(value)) == ["one", "two", "three"]
    assert list(images_in(["step", ["zoom"], "low", 12, "high"])) == ["low", "high"]
    assert list(images_in(None)) == []
