"""Every kind of check, with a good and a bad case, through whole loads."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
import yaml

from etl.check_registry import check_kinds, make_check
from etl.layer_checks import LayerChecks
from layers.catalogue import load_catalogue
from layers.check_definition import CheckDefinition
from layers.definition import LayerDefinition
from layers.errors import DefinitionError, LoadRefused
from tests.etl.checked import BOTH, Town, catalogue_with, checked_layer, town_of

LINE = "linestring"
AREA = "multipolygon"
#: Degrees: about 9.7 m to the east, 11.1 m to the north.
STEP = 0.0001


@dataclass(frozen=True)
class Case:
    """Rows of a layer with one check; those with a message break it."""

    rule: str
    parameters: dict[str, Any]
    #: Values and, where it has one, the message.
    rows: list[tuple[dict[str, Any], str | None]]
    fields: list[dict[str, Any]] = field(default_factory=list)
    geometry: str = "point"
    when: str | None = None

    @property
    def layer(self) -> LayerDefinition:
        check = {"rule": self.rule, "with": self.parameters}
        if self.when:
            check["when"] = self.when
        return checked_layer(f"with_{self.rule}", self.geometry, self.fields, check)


def number(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "number", **more}


def square(metres: float) -> shapely.Polygon:
    return shapely.box(114, 29, 114 + metres / 97_430, 29 + metres / 110_840)


PIPE = shapely.LineString([(114, 29), (114 + STEP, 29)])
CASES = [
    Case(
        "exactly_one",
        {"among": ["feature", "subsid"]},
        [
            ({"feature": "三通"}, None),
            ({"subsid": "阀门"}, None),
            ({"feature": ""}, "one of feature, subsid must have a value, but all are empty"),
            (
                {"feature": "三通", "subsid": "阀门"},
                "only one of feature, subsid may have a value, but feature = 三通, subsid = 阀门",
            ),
        ],
        [{"name": "feature"}, {"name": "subsid"}],
    ),
    Case(
        "required",
        {"all_of": ["a", "b"]},
        [
            ({"a": "x", "b": "y", "kind": "1"}, None),
            ({"a": "x", "kind": "0"}, None),
            ({"a": "x", "kind": "1"}, "b must have a value here"),
            ({"kind": "1"}, "a, b must have a value here"),
        ],
        [{"name": "a"}, {"name": "b"}, {"name": "kind"}],
        when="kind = '1'",
    ),
    Case(
        "only_for",
        {"field": "voltage", "by": "class", "codes": ["DL"]},
        [
            ({"voltage": 10.0, "class": "GD"}, None),
            ({"voltage": 0.0, "class": "JS"}, None),
            ({"voltage": 10.0, "class": "DL"}, None),
            ({"voltage": 10.0, "class": "JP"}, "voltage = 10 is for class DL only, not for JP"),
        ],
        [number("voltage"), {"name": "class", "codes": "pipe_class"}],
    ),
    Case(
        "prefix_in",
        {"field": "unit", "length": 6, "values": ["421202", "421221"]},
        [
            ({"unit": "421202001"}, None),
            ({"unit": None}, None),
            (
                {"unit": "420100001"},
                "unit = '420100001' does not begin with one of 421202, 421221",
            ),
        ],
        [{"name": "unit"}],
    ),
    Case(
        "pattern",
        {"field": "no", "any_of": ["C\\d{3}", "T\\d{2}"], "form": "a licence number"},
        [
            ({"no": "C123"}, None),
            ({"no": "T12"}, None),
            ({"no": "XC123"}, "no = 'XC123' is not a licence number"),
        ],
        [{"name": "no"}],
    ),
    Case(
        "ordered",
        {"ascending": ["begins", "middle", "ends"], "strict": True},
        [
            ({"begins": "2020-01-01", "middle": None, "ends": "2021-01-01"}, None),
            (
                {"begins": "2020-01-01", "middle": None, "ends": "2019-12-31"},
                "ends = 2019-12-31 must be greater than begins = 2020-01-01",
            ),
            (
                {"begins": "2020-01-01", "middle": "2020-01-01", "ends": None},
                "middle = 2020-01-01 must be greater than begins = 2020-01-01",
            ),
        ],
        [{"name": name, "type": "date"} for name in ("begins", "middle", "ends")],
    ),
    Case(
        "between",
        {"field": "depth", "min": 0, "max": 20},
        [
            ({"depth": 20.0}, None),
            ({"depth": None}, None),
            ({"depth": 20.5}, "depth = 20.5 m is above 20 m"),
            ({"depth": -1.0}, "depth = -1 m is below 0 m"),
        ],
        [number("depth", unit="m")],
    ),
    Case(
        "different",
        {"first": "a", "second": "b"},
        [
            ({"a": "1", "b": "2"}, None),
            ({"a": None, "b": None}, None),
            ({"a": "1", "b": "1"}, "a and b are both '1'"),
        ],
        [{"name": "a"}, {"name": "b"}],
    ),
    Case(
        "expression",
        {"holds": "used <= total"},
        [
            ({"used": 2, "total": 2}, None),
            ({"used": 3, "total": None}, None),
            ({"used": 3, "total": 2}, "used <= total does not hold: used = 3, total = 2"),
        ],
        [{"name": "used", "type": "integer"}, {"name": "total", "type": "integer"}],
    ),
    Case(
        "formula",
        {"field": "kcmj", "is": "tbmj * kcxs", "absolute": 0.01},
        [
            ({"kcmj": 10.0, "tbmj": 100.0, "kcxs": 0.1}, None),
            ({"kcmj": 10.01, "tbmj": 100.0, "kcxs": 0.1}, None),
            ({"kcmj": None, "tbmj": 100.0, "kcxs": 0.1}, None),
            ({"kcmj": 12.0, "tbmj": 100.0, "kcxs": 0.1}, "kcmj = 12, but tbmj * kcxs is 10"),
        ],
        [number("kcmj"), number("tbmj"), number("kcxs")],
    ),
    Case(
        "min_area",
        {"by": "dlbm", "default": 600, "classes": {"01": 400, "07": 200, "0702": 100}},
        [
            ({"dlbm": "0701", "geometry": square(15)}, None),
            ({"dlbm": "0702", "geometry": square(11)}, None),
            (
                {"dlbm": "0101", "geometry": square(15)},
                "the area is 225.01 m2; the least of dlbm 0101 is 400 m2",
            ),
            (
                {"dlbm": "1204", "geometry": square(21)},
                "the area is 441.02 m2; the least of dlbm 1204 is 600 m2",
            ),
        ],
        [{"name": "dlbm"}],
        AREA,
    ),
    Case(
        "area_agrees",
        {"field": "kqmj", "relative": 0.005},
        [
            ({"kqmj": 0.0100, "geometry": square(100)}, None),
            ({"kqmj": 0.01004, "geometry": square(100)}, None),
            (
                {"kqmj": 0.011, "geometry": square(100)},
                "kqmj = 0.011 km2, but the geometry has 0.01 km2 on the ellipsoid: 9.09% apart",
            ),
        ],
        [number("kqmj", unit="km2")],
        AREA,
    ),
    Case(
        "length_between",
        {"min": 0.05, "max": 75},
        [
            ({"geometry": PIPE}, None),
            (
                {"geometry": shapely.LineString([(114, 29), (114.001, 29)])},
                "the length is 97.439 m; the most is 75 m",
            ),
            (
                {"geometry": shapely.LineString([(114, 29), (114.0000001, 29)])},
                "the length is 0.010 m; the least is 0.05 m",
            ),
        ],
        [],
        LINE,
    ),
    Case(
        "unexpired",
        {"until": "until"},
        [
            ({"until": "2020-05-01"}, None),
            (
                {"until": "2020-04-30"},
                "until = 2020-04-30 lies before the survey's date 2020-05-01",
            ),
        ],
        [{"name": "until", "type": "date"}],
    ),
    Case(
        "graded",
        {
            "field": "grade",
            "grades": ["I", "II", "III", "IV"],
            "by": "kind",
            "criteria": [
                {"value": "people", "limits": [1000, 500, 100], "cases": ["01"]},
                {"value": "loss", "limits": [10000, 5000, 500]},
            ],
        },
        [
            ({"grade": "II", "people": 500, "loss": 100.0, "kind": "01"}, None),
            ({"grade": "I", "people": 500, "loss": 10000.0, "kind": "01"}, None),
            ({"grade": "IV", "people": 5000, "loss": 1.0, "kind": "02"}, None),
            ({"grade": "IV", "people": None, "loss": None, "kind": "01"}, None),
            (
                {"grade": "IV", "people": 99, "loss": 500.0, "kind": "01"},
                "grade = IV, but people = 99, loss = 500 make it III",
            ),
        ],
        [
            {"name": "grade"},
            {"name": "people", "type": "integer"},
            number("loss"),
            {"name": "kind"},
        ],
    ),
    Case(
        "falls",
        {"start": "s_h", "end": "e_h", "direction": "way", "tolerance": 0.02},
        [
            ({"s_h": 10.0, "e_h": 9.0, "way": "0", "geometry": PIPE}, None),
            ({"s_h": 9.0, "e_h": 10.0, "way": "1", "geometry": PIPE}, None),
            ({"s_h": 9.0, "e_h": 9.02, "way": "0", "geometry": PIPE}, None),
            ({"s_h": 9.0, "e_h": 10.0, "way": None, "geometry": PIPE}, None),
            (
                {"s_h": 9.0, "e_h": 9.5, "way": "0", "geometry": PIPE},
                "it rises 0.500 m along its flow: s_h = 9, e_h = 9.5, way = 0",
            ),
        ],
        [number("s_h"), number("e_h"), {"name": "way"}],
        LINE,
    ),
    Case(
        "vertices",
        {"repeated_within": 0.001, "sharpest": 1, "least_compact": 0.001, "fewest": 3},
        [
            ({"geometry": square(100)}, None),
            (
                {
                    "geometry": shapely.Polygon(
                        [(114, 29), (114.001, 29), (114.001, 29.001), (114.001, 29.001 + 4e-9)]
                    )
                },
                "two neighbouring vertices are 0.445 mm apart",
            ),
            (
                {
                    "geometry": shapely.Polygon(
                        [
                            (114, 29),
                            (114.001, 29),
                            (114.001, 29.0005),
                            (114.01, 29.00050001),
                            (114.001, 29.0005002),
                            (114.001, 29.001),
                            (114, 29.001),
                        ]
                    )
                },
                "a corner of 0.00146° is a spike",
            ),
            (
                {"geometry": shapely.box(114, 29, 114.01, 29.000001)},
                "the area is a sliver: 108.00 m2 within 1947 m of outline",
            ),
        ],
        [],
        AREA,
    ),
    Case(
        "unique",
        {"together": ["no"]},
        [
            ({"no": "1"}, None),
            ({"no": None}, None),
            ({"no": None}, None),
            ({"no": "2"}, "no = 2 is also that of P4"),
            ({"no": "2"}, "no = 2 is also that of P3"),
        ],
        [{"name": "no"}],
    ),
    Case(
        "acyclic",
        {"parent": "above", "key": "bsm"},
        [
            ({"above": None}, None),
            ({"above": "P0"}, None),
            ({"above": "P3"}, "above leads round in a circle: P2 → P3 → P2"),
            ({"above": "P2"}, "above leads round in a circle: P2 → P3 → P2"),
            ({"above": "P2"}, None),
        ],
        [{"name": "above"}],
    ),
]


def frame(case: Case) -> geopandas.GeoDataFrame:
    default: dict[str, Any] = {AREA: square(100), LINE: PIPE, "point": shapely.Point(114, 29)}
    rows = [{"bsm": f"P{place}", **values} for place, (values, _) in enumerate(case.rows)]
    shapes = [row.pop("geometry", default[case.geometry]) for row in rows]
    return geopandas.GeoDataFrame(rows, geometry=shapes, crs=4490)


@pytest.fixture(scope="module")
def town(
    cluster: str, postgis_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    catalogue = catalogue_with(*(case.layer for case in CASES))
    folder = tmp_path_factory.mktemp("cases")
    with town_of(cluster, postgis_template, catalogue, folder) as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_rows_that_break_a_check_are_refused_and_the_others_taken(case: Case, town: Town) -> None:
    report = town.load(case.layer.name, frame(case))
    expected = {
        place + 1: message for place, (_, message) in enumerate(case.rows) if message is not None
    }
    assert town.refused() == expected
    assert (report.good, report.bad) == (len(case.rows) - len(expected), len(expected))
    assert report.rules[case.rule].rows == len(expected)
    assert report.rules[case.rule].severity == "error"


def test_a_warning_is_counted_and_its_rows_are_taken(town: Town, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.rule == "different")
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(f"layer: {case.layer.name}\nsource: test\nchecks: {{different: warning}}\n")
    report = town.load(case.layer.name, frame(case), "2021-05-01", mapping=mapping)
    rule = report.rules["different"]
    assert (report.bad, rule.rows, rule.severity) == (0, 1, "warning")
    assert rule.examples == [{"row": 3, "message": "a and b are both '1'"}]
    assert "1 × warning: different" in report.as_text()
    mapping.write_text(f"layer: {case.layer.name}\nsource: test\nchecks: {{different: 'off'}}\n")
    assert town.load(case.layer.name, frame(case), "2022-05-01", mapping=mapping).rules == {}
    mapping.write_text(f"layer: {case.layer.name}\nsource: test\nchecks: {{nothing: warning}}\n")
    with pytest.raises(LoadRefused, match="the layer with_different has no check 'nothing'"):
        town.load(case.layer.name, frame(case), "2022-05-01", mapping=mapping)


def test_what_all_rows_share_is_told_of_each(town: Town, tmp_path: Path) -> None:
    case = next(case for case in CASES if case.rule == "unique")
    many = 2_000
    shapes = [shapely.Point(114, 29)] * many
    rows = geopandas.GeoDataFrame(
        {"bsm": [f"Q{number}" for number in range(many)], "no": "7"}, geometry=shapes, crs=4490
    )
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(f"layer: {case.layer.name}\nsource: test\nchecks: {{unique: warning}}\n")
    report = town.load(case.layer.name, rows, "2022-05-01", mapping=mapping)
    assert (report.good, report.rules["unique"].rows) == (many, many)


def test_the_registry_finds_these_kinds() -> None:
    assert list(check_kinds()) == [
        "acyclic",
        "apart",
        "area_agrees",
        "between",
        "changes_only_at",
        "connected",
        "control_total",
        "coordinate_decimals",
        "datum_plausible",
        "degree",
        "different",
        "exactly_one",
        "expression",
        "falls",
        "formula",
        "graded",
        "ground_agrees",
        "inside",
        "length_between",
        "mergeable",
        "min_area",
        "no_gap",
        "no_overlap",
        "not_narrower",
        "only_for",
        "ordered",
        "orphan",
        "pattern",
        "prefix_in",
        "reference",
        "required",
        "same_ends",
        "unexpired",
        "unique",
        "vertices",
    ]


def test_every_check_of_the_layers_shipped_can_be_made() -> None:
    city = load_catalogue()
    for layer in city.layers.values():
        for definition in layer.checks:
            make_check(definition, layer, city)
        LayerChecks(layer, city, {})


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"rule": "nonsense"}, "there is no kind 'nonsense'; there are acyclic"),
        ({"rule": "between", "with": {"field": "no", "min": 1}}, "'no' is not a number"),
        ({"rule": "between", "with": {"field": "x", "min": 1}}, "the layer has no field 'x'"),
        ({"rule": "between", "with": {"field": "n"}}, "give min, max or both"),
        ({"rule": "between", "with": {"field": "n", "most": 1}}, "with.most: Extra inputs"),
        ({"rule": "expression", "with": {"holds": "n + 1"}}, "gives number, but boolean is wanted"),
        ({"rule": "expression", "with": {"holds": "m > 1"}}, "there is no column 'm'"),
        ({"rule": "pattern", "with": {"field": "no", "any_of": ["("], "form": "x"}}, "regular"),
        ({"rule": "min_area", "with": {"default": 1}}, "only layers of areas have a least area"),
        (
            {"rule": "reference", "with": {"each": ["no"], "layer": "gone", "field": "x"}},
            "there is no layer 'gone'",
        ),
        ({"rule": "different", "when": "no", "with": {"first": "no", "second": "bsm"}}, "boolean"),
    ],
)
def test_a_wrong_check_is_told_by_layer_and_name(check: dict[str, Any], message: str) -> None:
    layer = checked_layer("shown", "point", [{"name": "no"}, number("n")], check)
    with pytest.raises(DefinitionError) as caught:
        LayerChecks(layer, catalogue_with(layer), {})
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"layer shown: check {check['rule']}: ")


def test_two_checks_cannot_have_one_name() -> None:
    check = {"rule": "different", "with": {"first": "a", "second": "bsm"}}
    with pytest.raises(ValueError, match="two checks have the same name"):
        checked_layer("twice", "point", [{"name": "a"}], check, check)


def test_every_kind_has_names_in_both_languages() -> None:
    for name, kind in check_kinds().items():
        assert kind.title.zh != kind.title.en, name


PAGE = Path(__file__).parents[2] / "docs" / "checks.md"
EXAMPLES = re.findall(r"### `(\w+)`\n.*?```yaml\n# (\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_every_kind_is_documented() -> None:
    assert [name for name, _, _ in EXAMPLES] == list(check_kinds())


@pytest.mark.parametrize(("name", "layer", "text"), EXAMPLES, ids=[name for name, *_ in EXAMPLES])
def test_the_examples_of_the_page_are_checks(name: str, layer: str, text: str) -> None:
    city = load_catalogue()
    document = yaml.safe_load(text) | {"name": name, "title": BOTH, "source": "docs"}
    check = CheckDefinition.model_validate(document)
    assert check.rule == name
    make_check(check, city.layer(layer), city)


def test_a_dry_run_finds_the_same_and_changes_nothing(town: Town) -> None:
    case = next(case for case in CASES if case.rule == "between")
    before = town.rows("SELECT count(*) FROM city.with_between")
    report = town.load(case.layer.name, frame(case), "2022-05-01", dry_run=True)
    assert (report.good, report.bad, report.outcome) == (2, 2, None)
    assert report.rules["between"].rows == 2
    assert report.refused == "a dry run: nothing was changed"
    assert town.rows("SELECT count(*) FROM city.with_between") == before
    assert town.refused() == {}
