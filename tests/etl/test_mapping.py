"""Mappings: the file's model, the plan of columns, and the values they give."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from etl.columns import build_columns
from etl.mapping import Mapping, read_mapping, split_template
from etl.plan import plan_columns, unused_columns
from etl.reader import SourceBatch
from layers.errors import DefinitionError, LoadRefused, UnknownField
from tests.etl.conftest import PLOT


def mapping_of(**fields: object) -> Mapping:
    return Mapping.model_validate({"layer": "plot", "source": "a test", "fields": fields})


def values_of(mapping: Mapping, **columns: list[object]) -> dict[str, list[object]]:
    table = pa.table(columns)
    batch = SourceBatch(7, table, pa.nulls(table.num_rows, pa.binary()))
    plans = plan_columns(PLOT, mapping, tuple(columns))
    built = build_columns(plans, batch, lambda what: np.full(table.num_rows, 12.5))
    return {column.field.name: column.values.to_pylist() for column in built}


def test_columns_find_their_fields_by_name_and_alias_in_any_case() -> None:
    plans = plan_columns(PLOT, None, ("plot_no", "Dlbm", "OWNER", "extra"))
    assert {plan.field.name: plan.rule.column for plan in plans} == {
        "bsm": "plot_no",
        "dlbm": "Dlbm",
        "owner": "OWNER",
    }
    assert unused_columns(plans, None, ("plot_no", "Dlbm", "OWNER", "extra")) == ["extra"]


def test_the_name_comes_before_the_alias_and_the_mapping_before_both() -> None:
    plans = plan_columns(PLOT, None, ("PLOT_NO", "BSM"))
    assert plans[0].rule.column == "BSM"
    plans = plan_columns(PLOT, mapping_of(bsm="id"), ("PLOT_NO", "BSM", "id"))
    assert plans[0].rule.column == "id"


def test_a_required_field_without_a_column_is_told() -> None:
    with pytest.raises(LoadRefused, match="required field bsm of layer plot; the file has a, b"):
        plan_columns(PLOT, None, ("a", "b"))


def test_a_mapping_that_names_what_is_not_there_is_told() -> None:
    with pytest.raises(UnknownField, match="names the field 'nope', which layer plot has not"):
        plan_columns(PLOT, mapping_of(bsm="id", nope="x"), ("id", "x"))
    with pytest.raises(LoadRefused, match="names the column 'id', but the file has a, b"):
        plan_columns(PLOT, mapping_of(bsm="id"), ("a", "b"))
    with pytest.raises(LoadRefused, match="names the column 'c'"):
        plan_columns(PLOT, mapping_of(bsm={"template": "{a}-{c}-{row}"}), ("a", "b"))


def test_every_way_to_make_a_value() -> None:
    values = values_of(
        mapping_of(
            bsm={"template": "X-{no:1}-{row}"},
            dlbm={"from": "use", "codes": {"1": "0101", 2: "0301"}},
            owner={"from": "who", "replace": {"u00b1": "±"}, "null": ["n/a"]},
            floors={"constant": 3},
            area={"geometry": "area"},
            village={"from": "use", "codes": {"1": "421201"}, "otherwise": "421299"},
            surveyed={"from": "on", "format": "%d.%m.%Y"},
        ),
        **{
            "no:1": [1, None],
            "use": [1, 2],
            "who": ["a u00b1 b", "n/a"],
            "on": ["31.12.2019", None],
        },
    )
    assert values["bsm"] == ["X-1-7", None]
    assert values["dlbm"] == ["0101", "0301"]
    assert values["owner"] == ["a ± b", None]
    assert values["floors"] == [3, 3]
    assert values["area"] == [12.5, 12.5]
    assert values["village"] == ["421201", "421299"]
    assert str(values["surveyed"][0]) == "2019-12-31"


def test_units_are_converted_and_gaps_filled() -> None:
    values = values_of(
        mapping_of(
            bsm="no",
            area={"from": "ft", "null": [0], "scale": 0.5, "offset": 1, "default": -1},
            owner={"from": "who", "default": "nobody"},
        ),
        no=["a", "b", "c"],
        ft=[10.0, 0.0, None],
        who=["x", "", None],
    )
    assert values["area"] == [6.0, -1.0, -1.0]
    assert values["owner"] == ["x", "nobody", "nobody"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("layer: plot\n", ":1: source: Field required"),
        ("layer: plot\nsource: x\ncolour: red\n", ":3: colour: Extra inputs"),
        ("layer: plot\nsource: x\nfields:\n  bsm: {from: a, constant: b}\n",
         ":4: fields.bsm: Value error, give exactly one of from, constant"),
        ("layer: plot\nsource: x\nfields:\n  bsm: {}\n", "give exactly one of"),
        ("layer: plot\nsource: x\nfields:\n  bsm: {template: 'a{b'}\n", "single braces"),
        ("layer: plot\nsource: x\ncoordinates: {x: a}\n", "give either wkt, or x and y"),
        ("layer: plot\nsource: x\nvalid_from: yesterday\n", "'yesterday' is not a time"),
        ("layer: plot\nsource: x\nmax_bad: 7\n", ":3: max_bad: "),
        ("layer: [\n", ":2: "),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_told_with_file_and_line(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError) as wrong:
        read_mapping(path)
    assert str(wrong.value).startswith(str(path))
    assert fault in str(wrong.value)


def test_a_missing_mapping_is_told(tmp_path: Path) -> None:
    with pytest.raises(LoadRefused, match="there is no such mapping"):
        read_mapping(tmp_path / "nope.yaml")


def test_templates() -> None:
    assert split_template("{a}-{b c}!") == [("", "a"), ("-", "b c"), ("!", None)]
    assert split_template("plain") == [("plain", None)]
    for wrong in ("{", "}", "{}", "{{a}}"):
        with pytest.raises(ValueError, match="single braces"):
            split_template(wrong)
