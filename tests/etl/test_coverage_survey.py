"""Overlaps and gaps of whole surveys, against each other and against what the map has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely

from gis.geometry import ellipsoidal_area
from layers.errors import LoadRefused
from tests.etl.checked import Town, catalogue_with, checked_layer, town_of

#: Degrees: about 97 m to the east, 111 m to the north.
STEP = 0.001
PARCEL = checked_layer(
    "parcel",
    "multipolygon",
    [{"name": "owner"}],
    {"rule": "no_overlap"},
    {"rule": "no_gap", "severity": "warning"},
)


@pytest.fixture
def town(cluster: str, postgis_template: str, tmp_path: Path) -> Iterator[Town]:
    with town_of(cluster, postgis_template, catalogue_with(PARCEL), tmp_path) as made:
        yield made


def cell(x: float, y: float, wide: float = 1, high: float = 1) -> shapely.Polygon:
    return shapely.box(
        114 + x * STEP, 29 + y * STEP, 114 + (x + wide) * STEP, 29 + (y + high) * STEP
    )


def m2(shape: Any) -> str:
    return f"{ellipsoidal_area(np.array([shape]))[0]:.2f}"


def frame(shapes: dict[str, Any]) -> geopandas.GeoDataFrame:
    data = {"bsm": list(shapes), "owner": ["A"] * len(shapes)}
    return geopandas.GeoDataFrame(data, geometry=list(shapes.values()), crs=4490)


def grid(columns: int = 5, rows: int = 5) -> dict[str, Any]:
    return {f"{x}{y}": cell(x, y) for y in range(rows) for x in range(columns)}


def test_a_clean_coverage_and_its_clean_resurvey(town: Town) -> None:
    report = town.load("parcel", frame(grid()))
    assert (report.good, report.rules) == (25, {})
    moved = {"11": cell(1, 1, 1.5), "21": cell(2.5, 1, 0.5)}
    report = town.load("parcel", frame(moved), "2021-05-01")
    assert (report.good, report.rules) == (2, {})
    report = town.load("parcel", frame(grid()), "2022-05-01", full=True)
    assert (report.good, report.rules) == (25, {})


def test_rows_of_one_survey_that_overlap_are_both_refused(town: Town) -> None:
    shapes = grid() | {"22": cell(2, 2, 1.25)}
    report = town.load("parcel", frame(shapes))
    assert (report.good, report.bad) == (23, 2)
    assert town.refused() == {
        13: f"overlaps 32 ({m2(cell(3, 2, 0.25))} m2)",
        14: f"overlaps 22 ({m2(cell(3, 2, 0.25))} m2)",
    }
    assert report.outcome is not None
    assert report.outcome.added == 23
    kept = town.rows("SELECT rule, original->>'bsm' FROM onemap.quarantine ORDER BY source_row")
    assert kept == [("no_overlap", "22"), ("no_overlap", "32")]


def test_an_area_over_many_names_the_largest_overlaps(town: Town) -> None:
    shapes = grid() | {"X": cell(1, 1, 2, 2.5)}
    town.load("parcel", frame(shapes))
    refused = town.refused()
    assert sorted(refused) == [7, 8, 12, 13, 17, 18, 26]
    assert refused[26].startswith("overlaps 11 (10")
    assert refused[26].endswith("and 3 more")


def test_a_survey_that_lies_upon_the_map_is_refused_where_it_does(town: Town) -> None:
    town.load("parcel", frame(grid()))
    # New land from the third column on to the east, over three columns of the map.
    fresh = {f"N{x}{y}": cell(2 + x, y) for x in range(6) for y in range(5)}
    report = town.load("parcel", frame(fresh), "2021-05-01")
    assert (report.good, report.bad) == (15, 15)
    assert town.refused()[1] == f"overlaps 20 ({m2(cell(2, 0))} m2)"
    # One that the map has deep inside is found too, though it touches no outline.
    town.load("parcel", frame({"deep": cell(20.4, 20.4, 0.2, 0.2)}), "2021-05-02")
    around = {f"A{x}{y}": cell(18 + x, 18 + y) for x in range(5) for y in range(5)}
    town.load("parcel", frame(around), "2021-05-03")
    assert list(town.refused().values()) == [f"overlaps deep ({m2(cell(20.4, 20.4, 0.2, 0.2))} m2)"]


def test_only_what_moved_is_looked_at(town: Town) -> None:
    town.load("parcel", frame(grid()))
    wider = {"11": cell(1, 1, 1.5), "44": cell(4, 4), "33": cell(3, 3)}
    report = town.load("parcel", frame(wider), "2021-05-01")
    assert town.refused() == {1: f"overlaps 21 ({m2(cell(2, 1, 0.5))} m2)"}
    assert report.outcome is not None
    assert (report.outcome.changed, report.outcome.unchanged) == (0, 2)


def test_two_areas_that_take_the_place_of_a_third_one_overlap(town: Town) -> None:
    town.load("parcel", frame(grid()))
    both = {"11": cell(1, 1, 0.2), "P": cell(1.2, 1, 0.6), "Q": cell(1.4, 1, 0.6)}
    town.load("parcel", frame(both), "2021-05-01")
    shared = m2(cell(1.4, 1, 0.4))
    assert town.refused() == {2: f"overlaps Q ({shared} m2)", 3: f"overlaps P ({shared} m2)"}


def test_gaps_are_told_at_a_row_beside_them(town: Town) -> None:
    shapes = grid()
    del shapes["22"]
    report = town.load("parcel", frame(shapes))
    assert (report.good, report.bad) == (24, 0)
    rule = report.rules["no_gap"]
    assert (rule.rows, rule.severity) == (1, "warning")
    assert rule.examples[0]["message"] == (
        "beside it 10799.5 m2 are not covered, near (114.002500, 29.002500)"
    )
    # The gap is closed by one that fits; a narrower one leaves another gap.
    report = town.load("parcel", frame({"22": cell(2, 2)}), "2021-05-01")
    assert report.rules == {}
    report = town.load("parcel", frame({"22": cell(2, 2, 0.5)}), "2022-05-01")
    assert report.rules["no_gap"].rows == 1
    assert "5399.7" in str(report.rules["no_gap"].examples[0]["message"])


def test_less_than_the_tolerance_is_nothing(town: Town) -> None:
    shapes = grid() | {"22": cell(2, 2, 1 + 0.0009 / 97.4)}
    assert town.load("parcel", frame(shapes)).rules == {}
    shapes = grid() | {"22": cell(2, 2, 1 + 0.0011 / 97.4)}
    assert town.load("parcel", frame(shapes), "2021-05-01", full=True).bad == 2


def test_everything_twice_is_refused_as_a_whole(town: Town, monkeypatch: Any) -> None:
    monkeypatch.setattr("etl.coverage_survey._MOST_NEAR", 20)
    shapes = grid() | {f"again {key}": shape for key, shape in grid().items()}
    with pytest.raises(LoadRefused, match=r"overlaps itself over 0.27 km2: is everything in it"):
        town.load("parcel", frame(shapes))
    assert town.rows("SELECT count(*) FROM city.parcel") == [(0,)]


def test_neighbours_without_common_vertices_are_compared_pair_by_pair(
    town: Town, monkeypatch: Any
) -> None:
    monkeypatch.setattr("etl.coverage_survey._MOST_SIDES", 3)
    report = town.load("parcel", frame(grid() | {"22": cell(2, 2, 1.25)}))
    assert town.refused() == {
        13: f"overlaps 32 ({m2(cell(3, 2, 0.25))} m2)",
        14: f"overlaps 22 ({m2(cell(3, 2, 0.25))} m2)",
    }
    assert any("gaps were not looked for" in note for note in report.notes)
    town.load("parcel", frame({"N": cell(4.5, 0), "M": cell(9, 9)}), "2021-05-01")
    assert town.refused() == {1: f"overlaps 40 ({m2(cell(4.5, 0, 0.5))} m2)"}
