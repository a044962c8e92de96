"""Checks of whole surveys that look at other layers, at networks and at neighbours."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from etl.network import components
from gis.datum_offsets import wgs_to_gcj
from gis.geometry import ellipsoidal_area
from tests.etl.checked import Town, catalogue_with, checked_layer, town_of

NETWORK = {
    "lines": {"layer": "pipe", "start": "s", "end": "e"},
    "points": {"layer": "node", "id": "bsm"},
}
UNIT = checked_layer(
    "unit",
    "multipolygon",
    [{"name": "level"}, {"name": "area", "type": "number", "unit": "m2"}],
    {"rule": "datum_plausible", "severity": "warning", "with": {"against": ["unit"]}},
    {"rule": "apart", "with": {"layers": ["unit"], "same": ["level"]}},
)
PARCEL = checked_layer(
    "parcel",
    "multipolygon",
    [
        {"name": "code"},
        {"name": "kind"},
        {"name": "m2", "type": "number"},
    ],
    {"rule": "inside", "with": {"layer": "unit", "field": "bsm", "code": "code", "length": 2}},
    {"rule": "mergeable", "severity": "warning", "with": {"same": ["kind", "code"]}},
    {
        "rule": "control_total",
        "severity": "warning",
        "with": {
            "field": "m2",
            "unit": "code",
            "length": 2,
            "layer": "unit",
            "code": "bsm",
            "control": "area",
            "absolute": 1,
        },
    },
    {"rule": "coordinate_decimals", "severity": "warning"},
)
RIGHT = checked_layer(
    "right",
    "multipolygon",
    [{"name": "low", "type": "number"}, {"name": "high", "type": "number"}],
    {"rule": "apart", "with": {"layers": ["right"], "heights": {"bottom": "low", "top": "high"}}},
    {"name": "off_units", "rule": "apart", "severity": "warning", "with": {"layers": ["unit"]}},
)
NODE = checked_layer(
    "node",
    "point",
    [{"name": "feature"}, {"name": "well"}, {"name": "ground", "type": "number"}],
    {"rule": "orphan", "severity": "warning", "with": NETWORK},
    {
        "rule": "degree",
        "severity": "warning",
        "with": NETWORK | {"by": "feature", "degrees": {"tee": 3, "bend": 2}},
    },
)
PIPE = checked_layer(
    "pipe",
    "linestring",
    [
        *({"name": name} for name in ("s", "e", "kind", "way", "size")),
        *(
            {"name": name, "type": "number"}
            for name in ("s_h", "s_deep", "e_h", "e_deep", "diameter")
        ),
    ],
    {"rule": "reference", "with": {"each": ["s", "e"], "layer": "node", "field": "bsm"}},
    {"rule": "same_ends", "with": NETWORK | {"within": ["kind"]}},
    {
        "rule": "ground_agrees",
        "with": NETWORK
        | {
            "start": {"elevation": "s_h", "depth": "s_deep"},
            "end": {"elevation": "e_h", "depth": "e_deep"},
            "ground": "ground",
        },
    },
    {
        "rule": "changes_only_at",
        "severity": "warning",
        "with": NETWORK | {"value": "size", "allowed": {"feature": ["tee"], "well": []}},
    },
    {
        "rule": "not_narrower",
        "severity": "warning",
        "with": NETWORK
        | {"value": "diameter", "direction": "way", "by": "kind", "classes": ["WS"]},
    },
    {"rule": "connected", "severity": "warning", "with": NETWORK | {"by": "kind"}},
    {
        "rule": "degree",
        "severity": "warning",
        "with": NETWORK | {"by": "feature", "degrees": {"tee": 3, "bend": 2}},
    },
)


@pytest.fixture
def town(cluster: str, postgis_template: str, tmp_path: Path) -> Iterator[Town]:
    catalogue = catalogue_with(UNIT, PARCEL, RIGHT, NODE, PIPE)
    with town_of(cluster, postgis_template, catalogue, tmp_path) as made:
        yield made


def box(x: float, y: float, wide: float = 1, high: float = 1) -> shapely.Polygon:
    return shapely.box(114 + x / 100, 29 + y / 100, 114 + (x + wide) / 100, 29 + (y + high) / 100)


def m2(shape: Any) -> str:
    return f"{ellipsoidal_area(np.array([shape]))[0]:.2f}"


def frame(rows: list[dict[str, Any]], shapes: list[Any]) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(rows, geometry=shapes, crs=4490)


def units(town: Town) -> None:
    rows = [
        {"bsm": "42", "level": "county", "area": 300.0},
        {"bsm": "43", "level": "county", "area": 1000.0},
    ]
    report = town.load("unit", frame(rows, [box(0, 0, 5, 5), box(5, 0, 5, 5)]), "2019-05-01")
    assert report.rules == {}


def said(report: Any, rule: str) -> list[object]:
    return [example["message"] for example in report.rules[rule].examples]


def test_areas_of_one_level_keep_apart(town: Town) -> None:
    units(town)
    rows = [{"bsm": "4201", "level": "town"}, {"bsm": "44", "level": "county"}]
    town.load("unit", frame(rows, [box(0, 0, 5, 5), box(9, 0, 5, 5)]))
    assert town.refused() == {2: f"overlaps unit 43 ({m2(box(9, 0, 1, 5))} m2)"}


def test_features_lie_in_the_unit_that_their_code_names(town: Town) -> None:
    bent = shapely.Polygon(
        [(114.001, 29.001), (114.06, 29.001), (114.06, 29.002), (114.002, 29.002),
         (114.002, 29.04), (114.001, 29.04)]
    )  # fmt: skip
    rows = [{"bsm": str(number), "code": code} for number, code in enumerate(["42", "43", None])]
    shapes = [box(0, 0), box(1, 0), box(2, 0)]
    report = town.load("parcel", frame(rows, shapes), "2018-05-01")
    assert report.bad == 0
    assert "inside: not checked: the layer unit has no such area at that date" in report.notes
    units(town)
    rows = [
        {"bsm": "a", "code": "42"},
        {"bsm": "b", "code": "43"},
        {"bsm": "c", "code": None},
        {"bsm": "d", "code": "42"},
        {"bsm": "e", "code": "42"},
    ]
    shapes = [box(0, 0), box(1, 0), box(2, 0), box(20, 0), bent]
    report = town.load("parcel", frame(rows, shapes))
    assert town.refused() == {
        2: "code = 43, but it lies in 42",
        4: "(114.205000, 29.005000) lies outside all areas of unit",
    }


def test_sums_agree_with_the_control_value(town: Town) -> None:
    units(town)
    rows = [
        {"bsm": "a", "code": "42", "m2": 100.0},
        {"bsm": "b", "code": "42", "m2": 150.0},
        {"bsm": "c", "code": "43", "m2": 1000.5},
    ]
    shapes = [box(0, 0), box(1, 0), box(6, 0)]
    report = town.load("parcel", frame(rows, shapes))
    assert said(report, "control_total") == [
        "the sum of m2 in 42 is 250.00, its control value 300.00: -50.00"
    ]
    more = [{"bsm": "d", "code": "42", "m2": 50.0}]
    assert town.load("parcel", frame(more, [box(2, 0)]), "2021-05-01").rules == {}


def test_like_neighbours_should_be_one(town: Town) -> None:
    rows = [{"bsm": str(place), "kind": kind, "code": "42"} for place, kind in enumerate("AABBA")]
    rows[4]["code"] = None
    report = town.load("parcel", frame(rows, [box(place, 0) for place in range(5)]))
    assert report.rules["mergeable"].examples == [
        {"row": 1, "message": "its neighbour in row 2 is the same in kind, code"},
        {"row": 3, "message": "its neighbour in row 4 is the same in kind, code"},
    ]


def test_rounded_coordinates_are_told(town: Town) -> None:
    rng = np.random.default_rng(5)
    corners = 114 + rng.random((40, 2)) / 10
    shapes = [shapely.box(x, y - 85, x + 0.000123457, y - 85 + 0.00023451) for x, y in corners]
    rows = [{"bsm": str(place)} for place in range(40)]
    precise = town.load("parcel", frame(rows, shapes))
    rounded = shapely.transform(np.array(shapes), lambda at: at.round(5))
    report = town.load("parcel", frame(rows, list(rounded)), "2021-05-01")
    assert not any("decimals" in note for note in precise.notes)
    assert any("100% of the coordinates have fewer than 9 decimals" in n for n in report.notes)


def test_a_web_map_s_shift_is_suspected(town: Town) -> None:
    units(town)
    outline = shapely.segmentize(np.array([box(0, 0, 5, 5), box(5, 0, 5, 5)]), 0.001)
    shifted = shapely.transform(outline, lambda at: np.column_stack(wgs_to_gcj(*at.T)))
    rows = [{"bsm": "42", "level": "county"}, {"bsm": "43", "level": "county"}]
    report = town.load("unit", frame(rows, list(shifted)), dry_run=True)
    note = next(note for note in report.notes if note.startswith("datum_plausible"))
    assert (
        "the positions look like GCJ-02: the median distance of 406 vertices from unit is" in note
    )
    assert note.endswith("m as they are, and 0 m if they are taken as GCJ-02 (--crs GCJ-02)")
    # Moved by as much the other way, nothing fits better.
    other = shapely.transform(outline, lambda at: 2 * at - np.column_stack(wgs_to_gcj(*at.T)))
    report = town.load("unit", frame(rows, list(other)), dry_run=True)
    assert not any(note.startswith("datum_plausible") for note in report.notes)


def test_rights_may_lie_above_each_other(town: Town) -> None:
    units(town)
    rows = [
        {"bsm": "a", "low": 0.0, "high": 100.0},
        {"bsm": "b", "low": 100.0, "high": 200.0},
        {"bsm": "c", "low": 50.0, "high": 150.0},
        {"bsm": "d", "low": None, "high": None},
    ]
    shapes = [box(20, 0), box(20, 0), box(20.5, 0), box(0, 0)]
    report = town.load("right", frame(rows, shapes))
    refused = town.refused()
    assert sorted(refused) == [1, 2, 3]
    assert refused[1] == f"overlaps right c ({m2(box(20.5, 0, 0.5))} m2)"
    assert refused[3].count("right") == 2
    assert said(report, "off_units") == [f"overlaps unit 42 ({m2(box(0, 0))} m2)"]
    later = [{"bsm": "e", "low": 0.0, "high": 10.0}, {"bsm": "f", "low": 0.0, "high": 10.0}]
    town.load("right", frame(later, [box(0, 0), box(30, 0)]), "2021-05-01")
    assert town.refused() == {1: f"overlaps right d ({m2(box(0, 0))} m2)"}


def nodes(town: Town, *kinds: str, **columns: list[Any]) -> Any:
    rows = [
        {"bsm": f"N{place}", "feature": kind, "well": None, "ground": 20.0}
        | {name: values[place] for name, values in columns.items()}
        for place, kind in enumerate(kinds)
    ]
    shapes = [shapely.Point(114 + place / 10_000, 29) for place in range(len(kinds))]
    return town.load("node", frame(rows, shapes), "2019-05-01")


def pipes(town: Town, *ends: tuple[str, str], day: str = "2020-05-01", **columns: Any) -> Any:
    rows = []
    for place, (start, end) in enumerate(ends):
        row = {"bsm": f"{start}-{end}-{place}", "s": start, "e": end, "kind": "WS", "way": "0"}
        rows.append(row | {name: values[place] for name, values in columns.items()})
    shapes = [shapely.LineString([(114, 29), (114.0001, 29)]) for _ in ends]
    return town.load("pipe", frame(rows, shapes), day)


def test_what_cannot_be_looked_up_yet_is_said(town: Town) -> None:
    report = pipes(town, ("N0", "N1"))
    assert report.bad == 0
    assert "reference: not checked: the layer node holds nothing at that date" in report.notes
    assert "degree: not checked: the layer node holds nothing at that date" in report.notes


def test_lines_end_at_points_that_are_there(town: Town) -> None:
    nodes(town, "bend", "bend")
    pipes(town, ("N0", "N1"), ("N1", "N9"))
    assert town.refused() == {2: "e = 'N9': node has no such bsm"}


def test_no_line_twice_either_way(town: Town) -> None:
    nodes(town, "", "", "")
    kinds = ["WS", "WS", "YS", "WS"]
    ends = [("N0", "N1"), ("N1", "N0"), ("N0", "N1"), ("N1", "N2")]
    pipes(town, *ends, kind=kinds)
    assert town.refused() == {
        1: "another line runs between N0 and N1",
        2: "another line runs between N1 and N0",
    }
    pipes(town, ("N2", "N1"), ("N0", "N2"), day="2021-05-01", kind=["WS", "WS"])
    assert town.refused() == {1: "another line runs between N2 and N1"}


def test_points_have_as_many_lines_as_their_kind_says(town: Town) -> None:
    report = nodes(town, "tee", "bend", "", "")
    assert "orphan: not checked: the layer pipe holds nothing at that date" in report.notes
    report = pipes(town, ("N0", "N1"), ("N1", "N2"))
    assert report.rules["degree"].examples == [
        {"row": 1, "message": "the point N0 is a tee with 1 lines; it should have 3"}
    ]
    rows = [{"bsm": "N3", "feature": "bend"}, {"bsm": "N1", "feature": "tee"}]
    shapes = [shapely.Point(114, 29), shapely.Point(114.0001, 29)]
    report = town.load("node", frame(rows, shapes), "2021-05-01")
    assert said(report, "orphan") == ["no line begins or ends at the point N3"]
    assert said(report, "degree") == ["the point N1 is a tee with 2 lines; it should have 3"]


def test_ground_is_elevation_plus_depth(town: Town) -> None:
    nodes(town, "", "", "", ground=[20.0, 21.0, None])
    levels = {
        "s_h": [18.0, 19.0, 18.0],
        "s_deep": [2.005, 2.0, 2.0],
        "e_h": [19.0, 18.0, 18.0],
        "e_deep": [2.0, 2.0, 2.5],
    }
    pipes(town, ("N0", "N1"), ("N1", "N2"), ("N0", "N2"), **levels)
    assert town.refused() == {
        3: "at N2 elevation and depth make the ground 20.500 m, but another line there has 20.000 m"
    }
    levels = {"s_h": [18.0, 18.0], "s_deep": [2.02, 2.0], "e_h": [None] * 2, "e_deep": [None] * 2}
    pipes(town, ("N0", "N1"), ("N0", "N2"), day="2021-05-01", **levels)
    assert town.refused() == {
        1: "at N0 elevation and depth make the ground 20.020 m, but the point has 20.000 m"
    }


def test_a_diameter_changes_at_a_tee_or_a_well(town: Town) -> None:
    nodes(town, "", "bend", "tee", "bend", "", well=[None, None, None, "manhole", None])
    ends = [("N0", "N1"), ("N1", "N2"), ("N2", "N3"), ("N3", "N4")]
    report = pipes(town, *ends, size=["200", "300", "200", "100"])
    assert report.rules["changes_only_at"].examples == [
        {
            "row": 1,
            "message": "size changes at the point N1, which allows none: 200 and 300",
        }
    ]


def test_pipes_do_not_become_narrower_downstream(town: Town) -> None:
    nodes(town, *[""] * 4)
    ends = [("N0", "N1"), ("N2", "N1"), ("N2", "N3")]
    report = pipes(town, *ends, diameter=[300.0, 200.0, 400.0], way=["0", "1", "0"])
    assert report.rules["not_narrower"].examples == [
        {"row": 2, "message": "diameter = 200 flows on from 300 at the point N1"}
    ]


def test_separate_parts_are_listed(town: Town) -> None:
    nodes(town, *[""] * 7)
    ends = [("N0", "N1"), ("N1", "N2"), ("N3", "N4"), ("N5", "N6")]
    report = pipes(town, *ends, kind=["WS", "WS", "WS", "YS"])
    assert [note for note in report.notes if note.startswith("connected")] == [
        "connected: kind WS is in 2 separate parts, the largest of 2 lines; "
        "the smallest: 1 at N3, 2 at N0"
    ]


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=25))
def test_components_are_those_of_a_plain_search(links: list[tuple[int, int]]) -> None:
    first, second = np.array(links, dtype=np.int64).reshape(-1, 2).T
    expected = list(range(15))
    for _ in range(15):
        for one, other in links:
            expected[one] = expected[other] = min(expected[one], expected[other])
    assert components(first, second, 15).tolist() == expected
