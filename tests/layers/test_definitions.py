"""The layers, maps and code lists that ship, and what is said about a definition that is wrong."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layers.catalogue import Catalogue, load_catalogue
from layers.code_list import COLUMNS, CodeList, read_code_list
from layers.definition import Bilingual, FieldDefinition, LayerDefinition, Slot, StyleLayer, Theme
from layers.errors import DefinitionError
from layers.yaml_source import load_model

CATALOGUE = load_catalogue()
LAYERS = tuple(CATALOGUE.layers.values())
CODE_LISTS = tuple(CATALOGUE.codes.values())

THEMES = {
    Theme.LAND: {
        "land_parcel", "prime_farmland", "eco_redline", "plan_zone", "land_approval", "land_supply",
    },
    Theme.MINERAL: {"mining_right", "exploration_right", "mineral_deposit"},
    Theme.HAZARD: {
        "hazard_point", "threat_zone", "hazard_warning", "monitor_point", "treatment_project",
    },
    Theme.PIPELINE: {"pipe_node", "pipe_line", "corridor"},
    Theme.BUILDING: {"building", "building_floor", "building_unit"},
    Theme.COMPONENT: {"city_component", "grid_cell"},
    Theme.TOURISM: {"scenic_area", "scenic_spot", "poi"},
    Theme.FRAMEWORK: {"admin_division", "road", "water_body", "contour", "place_name"},
    Theme.IMAGERY: {"imagery_scene", "change_patch"},
    Theme.QUALITY: {"quarantine"},
}  # fmt: skip
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def by_name(value: object) -> str:
    return str(getattr(value, "name", value))


def fields_read(value: Any, layer: LayerDefinition) -> Iterator[str]:
    """Yield every field that a style value reads, by expression or by short form."""
    match value:
        case {"code_color": field}:
            yield field
        case {"label": True}:
            assert layer.label is not None, f"{layer.name} labels without a label"
            yield from filter(None, (layer.label.zh, layer.label.en))
        case dict():
            for part in value.values():
                yield from fields_read(part, layer)
        case ["get" | "has", str(field)]:
            yield field
        case list():
            for part in value:
                yield from fields_read(part, layer)


def code_colors(value: Any) -> Iterator[str]:
    """Yield the fields by whose codes a style value colours."""
    match value:
        case {"code_color": field}:
            yield field
        case dict():
            for part in value.values():
                yield from code_colors(part)
        case list():
            for part in value:
                yield from code_colors(part)


def codes_compared(value: Any) -> Iterator[tuple[str, str]]:
    """Yield (field, code) wherever an expression compares a field with constants."""
    if not isinstance(value, list):
        return
    match value:
        case ["match", ["get", field], *arms]:
            for labels in arms[:-1:2]:
                for label in labels if isinstance(labels, list) else [labels]:
                    yield field, str(label)
        case ["in", ["get", field], ["literal", [*codes]]]:
            yield from ((field, str(code)) for code in codes)
        case ["==" | "!=", ["get", field], str(code)]:
            yield field, code
    for part in value:
        yield from codes_compared(part)


def style_values(layer: LayerDefinition) -> Iterator[tuple[StyleLayer, Any]]:
    for entry in layer.style:
        for value in (entry.filter, *entry.layout.values(), *entry.paint.values()):
            yield entry, value


def texts(layer: LayerDefinition) -> Iterator[Bilingual]:
    yield layer.title
    yield layer.abstract
    yield from (field.title for field in layer.fields)
    yield from (field.description for field in layer.fields if field.description)
    yield from (entry.legend for entry in layer.style if entry.legend)
    yield from filter(None, (layer.provider, layer.update_cycle))


def coded(layer: LayerDefinition) -> Iterator[tuple[FieldDefinition, CodeList]]:
    for field in layer.fields:
        if field.codes is not None:
            yield field, CATALOGUE.code_list(field.codes)


def assert_bilingual(where: str, zh: str, en: str, *, latin_zh: bool = False) -> None:
    assert latin_zh or CHINESE.search(zh), f"{where}: '{zh}' is not Chinese"
    assert not CHINESE.search(en), f"{where}: '{en}' is not English"
    assert re.search(r"[A-Za-z0-9]", en), f"{where}: '{en}' says nothing"


def test_every_layer_of_the_city_map_is_there_under_its_theme() -> None:
    found = {theme: {layer.name for layer in LAYERS if layer.theme is theme} for theme in Theme}
    assert found == THEMES


@pytest.mark.parametrize("layer", LAYERS, ids=by_name)
def test_titles_are_in_chinese_and_english(layer: LayerDefinition) -> None:
    for text in texts(layer):
        assert_bilingual(layer.name, text.zh, text.en)


@pytest.mark.parametrize("layer", LAYERS, ids=by_name)
def test_a_layer_says_where_its_fields_and_data_come_from(layer: LayerDefinition) -> None:
    assert layer.standard
    assert layer.provider is not None
    assert layer.update_cycle is not None


@pytest.mark.parametrize("layer", LAYERS, ids=by_name)
def test_a_label_has_both_languages(layer: LayerDefinition) -> None:
    if "name" not in layer.field_names:
        return
    assert "name_en" in layer.field_names
    if layer.label is not None:
        assert (layer.label.zh, layer.label.en) == ("name", "name_en")


@pytest.mark.parametrize("layer", LAYERS, ids=by_name)
def test_styles_read_only_fields_that_tiles_carry(layer: LayerDefinition) -> None:
    carried = {*layer.tiles.fields, *layer.key}
    for entry, value in style_values(layer):
        missing = set(fields_read(value, layer)) - carried
        assert not missing, f"{layer.name}.{entry.id} reads {missing}, which no tile carries"


@pytest.mark.parametrize("layer", LAYERS, ids=by_name)
def test_a_field_is_in_tiles_before_a_style_reads_it(layer: LayerDefinition) -> None:
    """A style read at a zoom below the field's own would silently draw nothing."""
    for entry in layer.style:
        if entry.slot is Slot.LABEL:
            start = max(entry.min_zoom or 0, layer.tiles.min_zoom)
            read = set(fields_read([entry.filter, entry.layout], layer))
            late = {f for f in read if layer.tiles.field_zooms.get(f, 0) > start}
            assert not late, f"{layer.name}.{entry.id} reads {late} from zoom {start}"


@pytest.mark.parametrize("layer", LAYERS, ids=by_name)
def test_styles_colour_and_compare_by_codes_that_exist(layer: LayerDefinition) -> None:
    lists = {field.name: codes for field, codes in coded(layer)}
    for entry, value in style_values(layer):
        where = f"{layer.name}.{entry.id}"
        for name in code_colors(value):
            assert any(lists[name].color(code) for code in lists[name].codes), where
        for name, code in codes_compared(value):
            assert name not in lists or code in lists[name].codes, f"{where}: {name}={code}"


@pytest.mark.parametrize("layer", LAYERS, ids=by_name)
def test_every_layer_is_drawn_and_stands_in_the_legend(layer: LayerDefinition) -> None:
    assert any(entry.in_legend and entry.slot is not Slot.LABEL for entry in layer.style)


def test_heights_are_kept_where_the_survey_has_them() -> None:
    with_height = {layer.name for layer in LAYERS if layer.geometry.z}
    assert with_height >= {"pipe_node", "pipe_line", "contour", "building_floor"}


@pytest.mark.parametrize(
    ("layer", "field", "good", "bad"),
    [
        ("land_supply", "zddm", "421202001001GB00012", "421202001001XX00012"),
        ("building_unit", "bdcdyh", "421202001001GB00012F00010001", "421202001001GB00012F0001"),
        ("building_unit", "bdcdyh", "421202001001GB00012W00000000", "421202001001GB00012W00000001"),
        ("city_component", "objid", "4212020102000001", "42120201020001"),
        ("grid_cell", "bgid", "421202001001001", "4212020010010011"),
    ],
)
def test_codes_of_fixed_form_are_told_from_others(
    layer: str, field: str, good: str, bad: str
) -> None:
    pattern = CATALOGUE.layer(layer).field(field).pattern
    assert pattern is not None
    assert re.fullmatch(pattern, good)
    assert not re.fullmatch(pattern, bad)


@pytest.mark.parametrize("codes", CODE_LISTS, ids=by_name)
def test_code_lists_name_their_standard_and_both_languages(codes: CodeList) -> None:
    assert codes.scheme
    assert codes.edition
    assert codes.codes
    for code in codes.codes.values():
        latin = codes.name in ("imagery_sensor", "land_use_scheme")
        assert_bilingual(f"{codes.name} {code.code}", code.name_zh, code.name_en, latin_zh=latin)


@pytest.mark.parametrize("codes", CODE_LISTS, ids=by_name)
def test_every_code_list_has_all_its_colours_or_none(codes: CodeList) -> None:
    coloured = [codes.color(code) is not None for code in codes.codes]
    assert all(coloured) or not any(coloured)


def test_every_code_list_is_used_or_offered() -> None:
    used = {field.codes for layer in LAYERS for field in layer.fields}
    #: Lists that stand for themselves: editions to translate between, and sharing levels.
    # Other editions of lists that layers use, and what they are translated to.
    offered = {name for pair in CATALOGUE.translations.files for name in pair} - used
    offered.add("sharing")
    assert set(CATALOGUE.codes) - used == offered


def test_land_use_has_the_classes_of_the_standard() -> None:
    codes = CATALOGUE.code_list("land_use_2017").codes
    assert sum(code.parent is None for code in codes.values()) == 12
    assert sum(code.parent is not None for code in codes.values()) == 73
    assert (codes["0101"].name_zh, codes["1107"].name_zh) == ("水田", "沟渠")


def test_parcels_take_the_standard_s_and_the_third_survey_s_classes() -> None:
    both = set(CATALOGUE.code_list("land_use").codes)
    assert both >= set(CATALOGUE.code_list("land_use_2017").codes)
    assert both >= set(CATALOGUE.code_list("land_use_sd3").codes)
    assert {"05H1", "08H2A", "0201K", "1104A"} <= both


def test_old_land_use_codes_say_what_they_become() -> None:
    present = CATALOGUE.code_list("land_use_2017").codes
    for code in CATALOGUE.code_list("land_use_2007").codes.values():
        if code.parent is not None:
            assert code.note is not None
            successors = re.findall(r"\d{4}(?=[ ,])", code.note)
            assert successors
            assert set(successors) <= set(present), code.code


def test_pipelines_have_the_standard_s_colours() -> None:
    codes = CATALOGUE.code_list("pipe_class")
    expected = {
        "JP": "#00ffff", "WS": "#4c3926", "TR": "#ff00ff", "RS": "#ff8000",
        "GD": "#ff0000", "DH": "#00ff00", "QQ": "#000000", "BM": "#6600cc",
    }  # fmt: skip
    assert {code: codes.color(code) for code in expected} == expected


def test_the_maps_are_those_of_the_clients() -> None:
    assert set(CATALOGUE.maps) == {"city", "urban", "supervision", "tourism", "quality"}
    assert {entry.layer for entry in CATALOGUE.map("city").layers} == set(CATALOGUE.layers)


@pytest.mark.parametrize("name", sorted(CATALOGUE.maps))
def test_a_map_opens_inside_its_bounds_with_names(name: str) -> None:
    city_map = CATALOGUE.map(name)
    west, south, east, north = city_map.bounds
    assert west < city_map.center[0] < east
    assert south < city_map.center[1] < north
    assert city_map.min_zoom <= city_map.zoom <= city_map.max_zoom
    shown = {entry.layer for entry in city_map.layers if entry.visible}
    assert {"water_body", "road", "place_name"} <= shown
    for text in (city_map.title, city_map.abstract, *(group.title for group in city_map.groups)):
        assert_bilingual(name, text.zh, text.en)


def test_the_city_map_opens_with_something_of_every_theme() -> None:
    city_map = CATALOGUE.map("city")
    first = {
        CATALOGUE.layer(entry.layer).theme
        for entry in city_map.layers
        if entry.visible and CATALOGUE.layer(entry.layer).tiles.min_zoom <= city_map.zoom
    }
    assert first >= {
        Theme.LAND, Theme.MINERAL, Theme.HAZARD, Theme.PIPELINE, Theme.BUILDING, Theme.IMAGERY,
    }  # fmt: skip


GOOD = """\
name: bench
title: {zh: 座椅, en: Benches}
abstract: {zh: 街边座椅。, en: Seats along streets.}
theme: component
geometry: {type: point}
key: [code]
fields:
  - {name: code, title: {zh: 编号, en: Number}, required: true}
  - {name: name, title: {zh: 名称, en: Name}, aliases: [MC]}
tiles: {min_zoom: 14, fields: [name]}
style:
  - id: dot
    slot: point
    type: circle
    paint: {circle-color: '#335577'}
"""


def load_with(folder: Path, text: str, name: str = "bench") -> Catalogue:
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_catalogue(extra_layers=folder)


def test_a_further_layer_is_one_file(tmp_path: Path) -> None:
    catalogue = load_with(tmp_path, GOOD)
    assert catalogue.layer("bench").field("name").aliases == ("MC",)
    assert catalogue.sources["bench"] == tmp_path / "bench.yaml"
    assert set(catalogue.layers) == {*CATALOGUE.layers, "bench"}


@pytest.mark.parametrize(
    ("good", "bad", "line", "words"),
    [
        ("theme: component", "theme: sea", 4, "theme"),
        ("geometry: {type: point}", "geometry: {type: dot}", 5, "geometry.type"),
        ("{type: point}", "{type: geometry}", 1, "geometry of any type is for views only"),
        ("required: true}", "required: maybe}", 8, "fields.0.required"),
        ("name: name,", "name: Name,", 9, "fields.1.name"),
        ("name: name,", "name: geom,", 9, "fields.1"),
        ("aliases: [MC]", "alias: [MC]", 9, "fields.1.alias"),
        ("aliases: [MC]", "pattern: '(', aliases: [MC]", 9, "fields.1.pattern"),
        ("aliases: [MC]", "aliases: [CODE]", 1, "'code' stands for both"),
        ("key: [code]", "key: [name]", 1, "key fields must be required: name"),
        ("fields: [name]}", "fields: [height]}", 1, "tiles.fields names the field 'height'"),
        ("slot: point", "slot: sky", 13, "style.0.slot"),
        ("type: circle", "type: round", 14, "style.0.type"),
        ("key: [code]", "key: [code]\nkey: [name]", 7, "key 'key' is given twice"),
        ("key: [code]", "key: [code", 7, "expected"),
    ],
)
def test_a_wrong_definition_names_file_line_and_field(
    tmp_path: Path, good: str, bad: str, line: int, words: str
) -> None:
    assert good in GOOD
    path = tmp_path / "bench.yaml"
    path.write_text(GOOD.replace(good, bad), encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        load_model(path, LayerDefinition)
    message = str(caught.value)
    assert f"{path}:{line}: " in message
    assert words in message


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("theme: component", "theme: sea").replace("slot: point", "slot: sky")
    with pytest.raises(DefinitionError) as caught:
        load_with(tmp_path, text)
    assert len(str(caught.value).splitlines()) == 2


def test_unknown_code_lists_and_misnamed_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"bench\.yaml: fields\.name\.codes: .*'colours'"):
        load_with(tmp_path, GOOD.replace("aliases: [MC]", "codes: colours"))
    (tmp_path / "bench.yaml").unlink()
    with pytest.raises(DefinitionError, match="the file is named 'seat', not 'bench'"):
        load_with(tmp_path, GOOD, name="seat")
    (tmp_path / "seat.yaml").unlink()
    with pytest.raises(DefinitionError, match="already defined"):
        load_with(tmp_path, GOOD.replace("name: bench", "name: road"), name="road")


def test_a_map_of_unknown_layers_is_refused(tmp_path: Path) -> None:
    text = (
        "name: seats\ntitle: {zh: 座椅图, en: Seats}\nabstract: {zh: 座椅。, en: Seats.}\n"
        "center: [114.3, 29.8]\nzoom: 12\nbounds: [113, 29, 115, 30]\ngroups:\n"
        "  - {id: all, title: {zh: 全部, en: All}, layers: [{layer: bench}]}\n"
    )
    (tmp_path / "seats.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError, match=r"seats\.yaml: there is no layer 'bench'"):
        load_catalogue(extra_maps=tmp_path)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["S,1,a,,甲,A,red,"], ":2: color: 'red'"),
        (["S,1,a,,甲,A,,", "S,1,a,,乙,B,,"], ":3: a is given twice"),
        (["S,1,a,z,甲,A,,"], "its parent z is not listed"),
        (["S,1,a,b,甲,A,,", "S,1,b,a,乙,B,,"], "run in a circle"),
        (["S,1,a,,甲,A,,", "S,2,b,,乙,B,,"], "the same on every row"),
        (["S,1,a,,甲,,,"], ":2: name_en is empty"),
        (["S,1,a,,甲"], ":2: the row has not 8 columns"),
    ],
)
def test_a_wrong_code_list_names_file_and_fault(
    tmp_path: Path, rows: list[str], words: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        read_code_list(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
