"""Styles for desktop programs: whole, in order, and true to what MapLibre draws."""

from typing import Any
from xml.etree import ElementTree as XmlTree

import pytest

from layers.catalogue import Catalogue, load_catalogue
from tiles.sld import layer_stylesheet, write_sld
from tiles.sld_filters import Untranslatable, condition_of
from tiles.sld_symbols import SLD_10, SLD_11, Dialect, Drawer
from tiles.style_evaluation import NotEvaluable, evaluate

_NAMES = {"sld": "http://www.opengis.net/sld", "ogc": "http://www.opengis.net/ogc"}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def written(catalogue: Catalogue, name: str, dialect: Dialect) -> Any:
    layer = catalogue.layer(name)
    sheet = layer_stylesheet(layer, catalogue, Drawer(dialect, "http://icons"))
    return XmlTree.fromstring(write_sld(f"layer.{name}", layer.title, [sheet], dialect))  # noqa: S314


def test_every_layer_has_rules_and_little_is_left_out(catalogue: Catalogue) -> None:
    left: set[tuple[str, str]] = set()
    for layer in catalogue.layers.values():
        for dialect in (SLD_10, SLD_11):
            sheet = layer_stylesheet(layer, catalogue, Drawer(dialect, "http://icons"))
            assert not layer.style or sheet.styles, layer.name
            left |= {(layer.name, part) for part, _ in sheet.left_out}
    # Arrows turned along their lines, and a layer whose features are of any geometry.
    assert left == {
        ("pipe_line", "flow"), ("quarantine", "area"), ("quarantine", "line"),
        ("quarantine", "point"),
    }  # fmt: skip


def test_classes_have_their_codes_colours_and_names(catalogue: Catalogue) -> None:
    root = written(catalogue, "road", SLD_10)
    rules = root.findall(".//sld:FeatureTypeStyle[sld:Name='major']/sld:Rule", _NAMES)
    assert len(rules) == 4
    first = rules[0]
    assert "高速公路" in first.findtext("sld:Title", None, _NAMES)
    values = [entry.text for entry in first.findall(".//ogc:Literal", _NAMES)]
    # What the style layer is for, then the class itself.
    assert values == ["motorway", "national", "urban_express", "motorway"]
    stroke = {
        entry.get("name"): entry.text for entry in first.findall(".//sld:CssParameter", _NAMES)
    }
    assert stroke["stroke"] == "#eba55e"
    assert float(stroke["stroke-width"]) > 1
    scale = float(first.findtext("sld:MaxScaleDenominator", None, _NAMES))
    assert scale == pytest.approx(
        559_082_264 / 2 / 2 ** catalogue.layer("road").tiles.min_zoom, 1e-6
    )


def test_elements_of_a_rule_stand_in_the_order_of_the_schema(catalogue: Catalogue) -> None:
    order = ["Name", "Title", "Description", "Filter", "MinScaleDenominator", "MaxScaleDenominator"]
    for dialect in (SLD_10, SLD_11):
        for rule in written(catalogue, "hazard_point", dialect).iter(dialect.tag("Rule")):
            names = [child.tag.rpartition("}")[2] for child in rule]
            known = [order.index(name) for name in names if name in order]
            assert known == sorted(known)
            assert names[-1].endswith("Symbolizer")


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        (["==", ["get", "a"], 1], [1, 2, None]),
        (["!=", ["get", "a"], 1], [1, 2, None]),
        (["!", ["==", ["get", "a"], 1]], [1, 2, None]),
        (["!", ["<", ["get", "a"], 2]], [1, 2, None]),
        (["!", ["any", ["==", ["get", "a"], 1], [">", ["get", "a"], 3]]], [1, 2, 5, None]),
        (["all", ["has", "a"], ["!", ["in", ["get", "a"], ["literal", [1, 3]]]]], [1, 2, None]),
        (["==", ["%", ["get", "a"], 100], 0], [100, 250, 300, None]),
        ([">=", ["coalesce", ["get", "a"], 0], 0], [-1, 0, None]),
        (["!", ["in", ["coalesce", ["get", "a"], 0], ["literal", [0, 7]]]], [0, 3, 7, None]),
    ],
)
def test_filters_hold_where_maplibres_do(condition: list[Any], values: list[int | None]) -> None:
    for value in values:
        try:
            expected = evaluate(condition, {"a": value}, 10)
        except NotEvaluable:
            # A remainder of nothing: MapLibre draws no such feature.
            expected = False
        assert _holds(condition_of(condition), value) == expected, value


def _holds(element: Any, value: int | None) -> bool:
    """What a database makes of an OGC condition on the one field ``a``."""
    name = element.tag.rpartition("}")[2]
    if name in ("And", "Or"):
        return (all if name == "And" else any)(_holds(part, value) for part in element)
    if name == "Not":
        return not _holds(element[0], value)
    if name == "PropertyIsNull":
        return value is None
    left, right = (_number(part, value) for part in element)
    if left is None or right is None:
        return False
    return {
        "PropertyIsEqualTo": left == right,
        "PropertyIsNotEqualTo": left != right,
        "PropertyIsLessThan": left < right,
        "PropertyIsLessThanOrEqualTo": left <= right,
        "PropertyIsGreaterThan": left > right,
        "PropertyIsGreaterThanOrEqualTo": left >= right,
    }[name]


def _number(element: Any, value: int | None) -> float | None:
    name = element.tag.rpartition("}")[2]
    if name == "Literal":
        return float(element.text)
    if name == "PropertyName":
        return None if value is None else float(value)
    parts = [_number(part, value) for part in element]
    if any(part is None for part in parts):
        return None
    first, *others = (part for part in parts if part is not None)
    if name == "Function":
        return float(first // 1)
    return {"Sub": lambda: first - others[0], "Mul": lambda: first * others[0],
            "Div": lambda: first / others[0]}[name]()  # fmt: skip


def test_what_cannot_be_said_is_not_said() -> None:
    for condition in (["within", 1], ["==", ["geometry-type"], "Point"], "x", ["in", 1, 2]):
        with pytest.raises(Untranslatable):
            condition_of(condition)
