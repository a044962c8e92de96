"""Expressions, code lists of other editions, units and measures in mappings."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from etl.columns import Column, build_columns
from etl.editions import detect, settle
from etl.mapping import Mapping, read_mapping
from etl.measures import measure
from etl.plan import plan_columns
from etl.reader import SourceBatch
from layers.catalogue import Catalogue, load_catalogue
from layers.definition import LayerDefinition
from layers.errors import DefinitionError, LoadRefused, UnknownField

CATALOGUE: Catalogue = load_catalogue()
SQUARE = shapely.from_wkt("POLYGON ((114 30, 114.001 30, 114.001 30.001, 114 30.001, 114 30))")


def batch_of(columns: dict[str, Any]) -> SourceBatch:
    table = pa.table(columns)
    return SourceBatch(11, table, pa.nulls(table.num_rows, pa.binary()))


def built(layer: str, fields: dict[str, Any], columns: dict[str, Any]) -> dict[str, Column]:
    mapping = Mapping.model_validate({"layer": layer, "source": "a test", "fields": fields})
    plans = plan_columns(CATALOGUE.layer(layer), mapping, tuple(columns), CATALOGUE)
    batch = batch_of(columns)
    shapes = np.full(batch.attributes.num_rows, SQUARE)
    return {
        column.field.name: column
        for column in build_columns(plans, batch, lambda name: measure(name, shapes))
    }


def values(columns: dict[str, Column]) -> dict[str, list[Any]]:
    return {name: column.values.to_pylist() for name, column in columns.items()}


def messages(column: Column) -> list[str | None]:
    told: list[str | None] = [None] * len(column.values)
    for fault in column.faults:
        for row in np.flatnonzero(fault.rows).tolist():
            told[row] = fault.describe(row)
    return told


# Expressions


def test_an_expression_makes_values_and_refuses_the_rows_it_cannot() -> None:
    columns = built(
        "land_parcel",
        {
            "bsm": {"expression": "'P-' || lpad(text(NO), 4, '0') || '-' || row()"},
            "dlbm": {"expression": "if(trim(USE) in ('paddy', 'rice'), '0101', '0103')"},
            "tbmj": {"expression": "number(AREA) * 2", "default": 5},
            "sjnf": {"expression": "year(SURVEYED)"},
            "kcmj": {"expression": "round(area(), -3)"},
        },
        {
            "NO": [1, 2],
            "USE": [" rice ", "wheat"],
            "AREA": ["12.5", "n/a"],
            "SURVEYED": pa.array([None, 0], pa.date32()),
        },
    )
    assert values(columns) == {
        "bsm": ["P-0001-11", "P-0002-12"],
        "dlbm": ["0101", "0103"],
        "tbmj": [25.0, None],
        "sjnf": [None, 1970],
        "kcmj": [11000.0, 11000.0],
    }
    assert messages(columns["tbmj"]) == [None, "tbmj cannot be computed from AREA = 'n/a'"]
    assert columns["tbmj"].faults[0].rule == "tbmj: expression"
    assert columns["tbmj"].refused.tolist() == [False, True]


def test_a_column_of_another_kind_is_a_fault_of_the_mapping(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "layer: land_parcel\nsource: x\nfields:\n  bsm: NO\n  dlbm: USE\n"
        "  tbmj:\n    default: 0\n    expression: USE * 2\n",
        encoding="utf-8",
    )
    columns = {"NO": ["1"], "USE": ["0101"]}
    plans = plan_columns(
        CATALOGUE.layer("land_parcel"), read_mapping(path), tuple(columns), CATALOGUE
    )
    with pytest.raises(LoadRefused) as caught:
        build_columns(plans, batch_of(columns), lambda _: np.zeros(1))
    assert str(caught.value) == (
        "m.yaml:8: fields.tbmj.expression: character 5: '*' takes a number, not text; "
        "number(…) reads text as a number"
    )


# Codes of other editions


def test_codes_of_another_edition_are_translated_and_kept() -> None:
    columns = built(
        "land_parcel",
        {"bsm": "NO", "dlbm": {"from": "DL", "codes": {"from": "land_use_2007"}}},
        {"NO": ["1", "2", "3", "4", "5"], "DL": ["011", "031", "0101", None, "023"]},
    )
    assert values(columns) == {
        "bsm": ["1", "2", "3", "4", "5"],
        "dlbm": ["0101", None, None, None, "0204"],
        "dlbm_source": ["011", "031", "0101", None, "023"],
        "class_scheme": ["gb2007"] * 5,
    }
    assert messages(columns["dlbm"]) == [
        None,
        "dlbm = '031' (有林地) of land_use_2007 may be 0301, 0302, 0303, 0304 in land_use: "
        'the mapping must choose one, as in choose: {"031": "0301"}',
        "dlbm = '0101' is no code of land_use_2007 (GB/T 21010, 2007)",
        None,
        None,
    ]


def test_a_mapping_chooses_where_the_translation_leaves_a_choice() -> None:
    codes = {"from": "land_use_sd2", "to": "land_use", "choose": {"031": "0301", 203: "0702"}}
    columns = built(
        "land_parcel",
        {"bsm": "NO", "dlbm": {"from": "DL", "codes": codes}, "class_scheme": "KIND"},
        {"NO": ["1", "2"], "DL": ["031", "203"], "KIND": ["sd2", None]},
    )
    assert values(columns)["dlbm"] == ["0301", "0702"]
    assert values(columns)["class_scheme"] == ["sd2", None]
    otherwise = built(
        "land_parcel",
        {"bsm": "NO", "dlbm": {"from": "DL", "codes": {"from": "land_use_2007"},
                               "otherwise": "12"}},
        {"NO": ["1", "2", "3"], "DL": ["031", "x", None]},
    )  # fmt: skip
    assert values(otherwise)["dlbm"] == ["12", "12", None]


def test_names_of_codes_become_codes() -> None:
    columns = built(
        "land_parcel",
        {"bsm": "NO", "dlbm": {"from": "MC", "codes": {"from": "names"}}},
        {"NO": ["1", "2", "3"], "MC": ["水田", "TEA garden", "rice"]},
    )
    assert values(columns)["dlbm"] == ["0101", "0202", None]
    assert messages(columns["dlbm"])[2] == "dlbm = 'rice' is no name of a code of land_use"


def settled(layer: LayerDefinition, columns: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    batch = batch_of(columns)
    plans, notes = settle(
        layer, plan_columns(layer, None, tuple(columns), CATALOGUE), batch, CATALOGUE
    )
    made = build_columns(plans, batch, lambda _: np.zeros(batch.attributes.num_rows))
    return values({column.field.name: column for column in made}), notes


def test_the_edition_is_detected_and_translated_where_the_layer_says_so() -> None:
    parcels, notes = settled(
        CATALOGUE.layer("land_parcel"), {"BSM": ["1", "2"], "DLBM": ["011", "071"]}
    )
    assert parcels["dlbm"] == ["0101", "0701"]
    assert parcels["dlbm_source"] == ["011", "071"]
    assert parcels["class_scheme"] == ["gb2007", "gb2007"]
    assert notes == [
        "dlbm: 100% of its values are codes of land_use_2007 (GB/T 21010, 2007): translated to "
        "land_use; as surveyed they are in dlbm_source"
    ]


def test_codes_that_need_no_translation_pass_and_the_edition_is_told() -> None:
    parcels, notes = settled(
        CATALOGUE.layer("land_parcel"), {"BSM": ["1", "2"], "DLBM": ["05H1", "0101"]}
    )
    assert parcels == {"bsm": ["1", "2"], "dlbm": ["05H1", "0101"]}
    assert notes == ["dlbm: 100% of its values are codes of land_use_sd3 (2019)"]


def test_older_classes_of_pipelines_are_translated() -> None:
    pipes, notes = settled(
        CATALOGUE.layer("pipe_line"),
        {"S_EXP": ["a", "b"], "E_EXP": ["b", "c"], "GXLB": ["DX", "WS"]},
    )
    assert pipes["pipe_class"] == ["TX", "WS"]
    assert "pipe_class_2003" in notes[0]


def test_editions_with_the_same_letters_cannot_be_told_apart() -> None:
    area = CATALOGUE.layer("scenic_area")
    codes = [CATALOGUE.code_list(n) for n in ("tourism_resource", "tourism_resource_2003")]
    found = detect(pa.array(["A", "E", None]), codes)
    assert found.shares == {"tourism_resource": 1.0, "tourism_resource_2003": 1.0}
    assert found.rows == 2
    key = area.key[0]
    rule = {"from": "KIND", "codes": {"from": "tourism_resource_2003"}}
    asked = built(
        "scenic_area",
        {key: "NO", **{name: "NO" for name in area.field_names if area.field(name).required},
         "resource_class": rule},
        {"NO": ["1", "2"], "KIND": ["E", "F"]},
    )  # fmt: skip
    assert values(asked)["resource_class"] == ["F", "E"]


# Units


@pytest.mark.parametrize(
    ("rule", "given", "expected"),
    [
        ({"from": "V", "unit": "mu"}, [15.0, None], [10_000.0, None]),
        ({"from": "V", "unit": "亩", "null": [0]}, [0, 3], [None, 2000.0]),
        ({"from": "V", "unit": {"from": "ha", "to": "m2"}}, ["1.5", "x"], [15_000.0, None]),
        ({"expression": "number(V) + 1", "unit": "ha"}, ["1", "2"], [20_000.0, 30_000.0]),
        ({"from": "V", "scale": 0.0}, [1.0, None], [0.0, None]),
    ],
)
def test_values_in_another_unit(
    rule: dict[str, Any], given: list[Any], expected: list[Any]
) -> None:
    columns = built(
        "land_parcel", {"bsm": "B", "dlbm": "B", "tbmj": rule}, {"V": given, "B": given}
    )
    assert values(columns)["tbmj"] == pytest.approx(expected)


def test_whole_numbers_are_rounded_not_cut() -> None:
    fields = {
        "s_exp": "B",
        "e_exp": "B",
        "pipe_class": "B",
        "totalhole": {"from": "V", "scale": 0.1},
    }
    columns = built("pipe_line", fields, {"V": [29, 31], "B": ["a", "b"]})
    assert values(columns)["totalhole"] == [3, 3]


def test_heights_may_be_in_feet() -> None:
    mapping = Mapping.model_validate(
        {"layer": "pipe_line", "source": "x", "heights": {"start": "A", "unit": "ftUS"}}
    )
    assert mapping.heights is not None
    assert mapping.heights.metres == pytest.approx(1200 / 3937)


# Measures


def test_measures_of_geometries() -> None:
    shapes = np.array([SQUARE, None, shapely.Point(114, 30, 12.5)], dtype=object)
    assert measure("centroid_x", shapes) == pytest.approx([114.0005, np.nan, 114.0], nan_ok=True)
    assert measure("y", shapes) == pytest.approx([30.0005, np.nan, 30.0], nan_ok=True)
    assert measure("inner_x", shapes)[0] == pytest.approx(114.0005)
    assert measure("inner_y", shapes)[0] == pytest.approx(30.0005)
    # A degree of latitude here is 110.9 km, one of longitude 96.5 km.
    assert measure("area", shapes)[0] == pytest.approx(110.86 * 96.49, rel=1e-3)
    assert measure("perimeter", shapes) == pytest.approx(
        [2 * (110.86 + 96.49), np.nan, np.nan], rel=1e-3, nan_ok=True
    )
    assert measure("z_min", shapes) == pytest.approx([np.nan, np.nan, 12.5], nan_ok=True)
    assert measure("z_max", np.array([None], dtype=object)) == pytest.approx([np.nan], nan_ok=True)


def test_a_measure_comes_in_the_unit_of_its_field() -> None:
    area = next(
        (layer, field)
        for layer in CATALOGUE.layers.values()
        for field in layer.fields
        if field.unit == "km2"
    )
    layer, field = area
    fields: dict[str, Any] = {name.name: "B" for name in layer.fields if name.required}
    fields[field.name] = {"geometry": "area"}
    columns = built(layer.name, fields, {"B": ["1"]})
    assert values(columns)[field.name] == pytest.approx([0.010697], rel=1e-3)


# Faults of mappings


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("{expression: 'A +'}",
         ":5: fields.tbmj.expression: Value error, character 4: a value was expected"),
        ("{expression: 'areas()'}", "there is no function 'areas'; did you mean area"),
        ("{from: A, expression: A}", "give exactly one of from"),
        ("{from: A, unit: furlong}", ":5: fields.tbmj.unit: Value error, there is no unit 'furl"),
        ("{from: A, unit: {from: ft, to: m2}}", "'ft' is a unit of length, 'm2' one of area"),
        ("{from: A, unit: mu, scale: 2}", "give either unit, or scale and offset"),
        ("{geometry: area, unit: mu}", "comes in the field's unit by itself"),
        ("{geometry: volume}", ":5: fields.tbmj.geometry: "),
        ("{from: A, otherwise: 1}", "otherwise stands beside codes"),
        ("{from: A, codes: {from: land_use_2007, nope: 1}}", ":5: fields.tbmj.codes.scheme.nope: "),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_told_with_its_line(tmp_path: Path, rule: str, fault: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(f"layer: land_parcel\nsource: x\nfields:\n  bsm: B\n  tbmj: {rule}\n")
    with pytest.raises(DefinitionError) as wrong:
        read_mapping(path)
    assert fault in str(wrong.value)


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ("tbmj: AREA", "m.yaml:6: fields.tbmj: the mapping names the column 'AREA', but the file "
                       "has B, Area; did you mean Area?"),
        ("tbmj: {expression: Aera * 2}", "did you mean Area?"),
        ("tbmjj: B", "m.yaml:6: fields.tbmjj: the mapping names the field 'tbmjj', which layer "
                     "land_parcel has not; did you mean tbmj?"),
        ("tbmj: {from: Area, unit: ft}", "m.yaml:6: fields.tbmj.unit: 'ft' is a unit of length"),
        ("tbmj: {from: Area, unit: {from: mu, to: ha}}", "the field tbmj is in m2, not ha"),
        ("kcxs: {from: Area, unit: '%'}", "the field kcxs says no unit"),
        ("bz: {from: B, scale: 2}", "m.yaml:6: fields.bz.scale: land_parcel.bz is no number"),
        ("bz: {from: B, codes: {from: land_use_2007}}", "the field bz has no code list"),
        ("qsxz: {from: B, codes: {from: land_use_2007}}",
         "m.yaml:6: fields.qsxz.codes: there is no translation from 'land_use_2007' to 'tenure'"),
        ("kcdlbm: {from: B, codes: {from: nope}}", "there is no code list 'nope'"),
        ("kcdlbm: {from: B, codes: {from: land_use_2007, choose: {'031': '9'}}}",
         "land_use has no code '9'"),
        ("kcdlbm: {from: B, codes: {from: land_use_2007, choose: {'9': '0301'}}}",
         "land_use_2007 has no code '9'"),
        ("kcdlbm: {from: B, codes: {from: pipe_class_2003, to: pipe_class}}",
         "the codes of kcdlbm are those of land_use"),
    ],
)  # fmt: skip
def test_a_rule_that_does_not_fit_layer_or_file_is_told(
    tmp_path: Path, rules: str, fault: str
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(f"layer: land_parcel\nsource: x\nfields:\n  bsm: B\n  dlbm: B\n  {rules}\n")
    with pytest.raises((LoadRefused, UnknownField)) as caught:
        plan_columns(CATALOGUE.layer("land_parcel"), read_mapping(path), ("B", "Area"), CATALOGUE)
    assert fault in str(caught.value)


def test_the_original_keeps_a_column_of_its_own() -> None:
    columns = built(
        "land_parcel",
        {"bsm": "NO", "dlbm": {"from": "DL", "codes": {"from": "land_use_2007"}},
         "dlbm_source": "OLD"},
        {"NO": ["1"], "DL": ["011"], "OLD": ["111"]},
    )  # fmt: skip
    assert values(columns)["dlbm_source"] == ["111"]
