"""What is checked on the way: values, geometry, keys; and what becomes of the rows that fail."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas
import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from etl.columns import Column
from etl.duplicates import DuplicateKeys
from etl.layer_checks import LayerChecks
from etl.mapping import Heights
from etl.plan import plan_columns
from etl.prepare import PreparedBatch, Preparer
from etl.reader import SourceBatch
from etl.shapes import ShapeMaker
from gis.crs import resolve, to_storage
from gis.times import BEIJING
from layers.catalogue import Catalogue
from layers.definition import LayerDefinition
from layers.errors import LoadRefused
from layers.prefetch import prefetch
from tests.etl.conftest import PIPE, PLOT, SPRING, USES, Loader, plots, square

CODES = MappingProxyType({"uses": USES})
DATE = datetime(2020, 5, 1, tzinfo=BEIJING)
HERE = square(114.3, 29.84)
with np.errstate(invalid="ignore"):
    NAN_AREA = shapely.from_wkt("POLYGON((114 29,NaN 30,115 30,114 29))")


def alone(layer: LayerDefinition) -> Catalogue:
    return Catalogue(MappingProxyType({layer.name: layer}), MappingProxyType({}), CODES)


def prepare(
    layer: LayerDefinition,
    shapes: list[BaseGeometry | None],
    *,
    crs: str = "EPSG:4490",
    anywhere: bool = False,
    inner_points: bool = False,
    heights: Heights | None = None,
    **columns: list[Any],
) -> PreparedBatch:
    columns.setdefault("bsm", [f"P{number}" for number in range(len(shapes))])
    table = pa.table(columns)
    source = resolve(crs)
    maker = ShapeMaker(
        layer.geometry, source, to_storage(source), anywhere=anywhere, inner_points=inner_points
    )
    plans = plan_columns(layer, None, tuple(columns))
    checks = LayerChecks(layer, alone(layer), {})
    preparer = Preparer(layer, plans, maker, alone(layer), heights, checks, DATE)
    wkb = pa.array([shape.wkb if shape is not None else None for shape in shapes], pa.binary())
    return preparer.prepare(SourceBatch(1, table, wkb))


@pytest.mark.parametrize(
    ("rule", "column", "value", "message"),
    [
        ("bsm: required", "bsm", "", "bsm is empty"),
        ("bsm: length", "bsm", "x" * 19, "is longer than 18 characters"),
        ("dlbm: codes", "dlbm", "0199", "dlbm = '0199' is not a code of uses (TEST, 2017)"),
        ("floors: type", "floors", "many", "floors = 'many' is not of type integer"),
        ("floors: min", "floors", "-1", "floors = '-1' is below 0"),
        ("floors: max", "floors", "100", "floors = '100' is above 99"),
        ("village: pattern", "village", "4212001", "does not have the form 4212[0-9]{2}"),
        ("surveyed: type", "surveyed", "soon", "surveyed = 'soon' is not of type date"),
        ("area: type", "area", "1,5", "area = '1,5' is not of type number"),
        ("built: type", "built", "perhaps", "built = 'perhaps' is not of type boolean"),
    ],
)
def test_a_value_that_breaks_its_rule_is_told(
    rule: str, column: str, value: str, message: str
) -> None:
    good = {"bsm": "P0", "dlbm": "0101", "floors": "3", "village": "421201", "area": "1.5",
            "surveyed": "2014-05-01", "built": "是"}  # fmt: skip
    columns = {name: [text, value if name == column else text] for name, text in good.items()}
    if column != "bsm":
        columns["bsm"] = ["P0", "P1"]
    batch = prepare(PLOT, [HERE, HERE], **columns)
    assert batch.good["source_row"].to_pylist() == [1]
    assert list(batch.broken) == [rule]
    (bad,) = batch.bad
    assert (bad.source_row, bad.rule) == (2, rule)
    assert message in bad.message
    assert bad.values[f"{column} (as delivered)"] == value
    assert bad.geometry_wkb is not None


def test_a_row_that_breaks_several_rules_is_kept_once_with_all_of_them() -> None:
    batch = prepare(PLOT, [None], dlbm=["0199"], floors=[-1])
    (bad,) = batch.bad
    assert bad.rule == "geometry_missing"
    assert bad.message.count(";") == 2
    assert sorted(batch.broken) == ["dlbm: codes", "floors: min", "geometry_missing"]
    assert bad.geometry_wkb is None


@pytest.mark.parametrize(
    ("shape", "rule", "message"),
    [
        (None, "geometry_missing", "no (readable) geometry"),
        (shapely.Polygon(), "geometry_missing", "no (readable) geometry"),
        (shapely.Point(114.3, 29.8), "geometry_type", "is a point, but the layer holds areas"),
        (shapely.GeometryCollection([HERE]), "geometry_type", "is a mixed collection"),
        (NAN_AREA, "geometry_coordinates",
         "not a number"),
        (shapely.Polygon([(114, 29), (115, 30), (116, 31)]), "geometry_invalid",
         "cannot be repaired"),
        (square(12.0, 42.0), "geometry_outside",
         "(12.001, 42) lies outside the area where EPSG:4490 is used"),
    ],
)  # fmt: skip
def test_a_geometry_that_does_not_do_is_told(
    shape: BaseGeometry | None, rule: str, message: str
) -> None:
    batch = prepare(PLOT, [HERE, shape, HERE])
    assert batch.good["source_row"].to_pylist() == [1, 3]
    assert batch.bad[0].rule == rule
    assert message in batch.bad[0].message


def test_an_invalid_geometry_is_repaired_and_counted() -> None:
    bowtie = shapely.Polygon([(114, 29), (114.2, 29.2), (114.2, 29), (114, 29.2)])
    batch = prepare(PLOT, [bowtie, HERE])
    assert batch.bad == []
    ((number, reason),) = batch.repaired
    assert number == 1
    assert "Self-intersection" in reason
    repaired = batch.geometry.shapes()[0]
    assert repaired.is_valid
    assert repaired.geom_type == "MultiPolygon"


@pytest.mark.parametrize(
    ("crs", "x", "y", "hint"),
    [
        ("EPSG:4547", 3302420.2, 530925.1, "swapped"),
        ("EPSG:4547", 38530925.1, 3302420.2, "EPSG:4526"),
        ("EPSG:4490", 29.84, 114.32, "swapped"),
        ("EPSG:4326", 6108510.0, 1880739.0, "--crs"),
    ],
)
def test_a_file_that_lies_elsewhere_is_refused_with_a_hint(
    crs: str, x: float, y: float, hint: str
) -> None:
    points = [shapely.Point(x, y)] * 3
    with pytest.raises(LoadRefused, match=r"do not fit the CRS.*--anywhere") as refused:
        prepare(SPRING, points, crs=crs)
    assert hint in str(refused.value)


def test_anywhere_accepts_positions_beyond_the_crs_but_not_beyond_the_earth() -> None:
    far = shapely.Point(-47_042.0, 3_400_000.0)
    with pytest.raises(LoadRefused):
        prepare(SPRING, [far], crs="EPSG:4547")
    assert prepare(SPRING, [far], crs="EPSG:4547", anywhere=True).good.num_rows == 1
    with pytest.raises(LoadRefused):
        prepare(SPRING, [shapely.Point(400, 95)], anywhere=True)


def test_single_parts_only_go_into_a_single_layer() -> None:
    batch = prepare(
        SPRING,
        [shapely.MultiPoint([(114.3, 29.8)]), shapely.MultiPoint([(114.3, 29.8), (114.4, 29.8)])],
    )
    assert batch.good.num_rows == 1
    assert batch.bad[0].rule == "geometry_parts"


def test_areas_become_points_inside_them_where_the_mapping_says_so() -> None:
    batch = prepare(SPRING, [HERE, shapely.Point(114.3, 29.8)], inner_points=True)
    point = batch.geometry.shapes()[0]
    assert HERE.contains(point)


def test_heights_come_from_attributes_then_from_the_survey_then_are_nought_and_told() -> None:
    flat = shapely.LineString([(114.3, 29.8), (114.4, 29.8)])
    high = shapely.LineString([(114.3, 29.8, 5.0), (114.4, 29.8, 6.0)])
    unknown = shapely.LineString([(114.3, 29.8, np.nan), (114.4, 29.8, 6.0)])
    batch = prepare(
        PIPE,
        [flat, high, flat, unknown],
        heights=Heights.model_validate({"start": "a", "end": "b", "scale": 0.5, "null": [0]}),
        a=["20", "", "0", None],
        b=[22.0, None, 8.0, None],
    )
    lines = batch.geometry.shapes()
    heights = [shapely.get_coordinates(line, include_z=True)[:, 2].tolist() for line in lines]
    assert heights == [[10.0, 11.0], [5.0, 6.0], [0.0, 0.0], [0.0, 6.0]]
    assert batch.without_height == 2


def test_heights_that_a_layer_does_not_keep_are_counted() -> None:
    batch = prepare(SPRING, [shapely.Point(114.3, 29.8, 5.0)])
    assert batch.flattened == 1
    assert not batch.geometry.shapes()[0].has_z


@pytest.mark.parametrize(
    ("layer", "wkt"),
    [(PIPE, "LINESTRING ZM(114.3 29.8 5 1, 114.4 29.8 6 2)"), (SPRING, "POINT M(114.3 29.8 7)")],
)
def test_measures_are_left_out(layer: LayerDefinition, wkt: str) -> None:
    shape = shapely.from_wkt(wkt)
    batch = prepare(layer, [shape])
    loaded = batch.geometry.shapes()[0]
    assert not loaded.has_m
    assert loaded.has_z is layer.geometry.z
    np.testing.assert_allclose(
        shapely.get_coordinates(loaded, include_z=layer.geometry.z),
        shapely.get_coordinates(shape, include_z=layer.geometry.z),
    )


def test_a_key_that_stands_twice_is_kept_once() -> None:
    batch = prepare(PLOT, [HERE] * 4, bsm=["a", "b", "a", "a"])
    assert batch.good["bsm"].to_pylist() == ["a", "b"]
    assert [bad.source_row for bad in batch.bad] == [3, 4]
    assert "the key bsm = 'a' already stands in row 1" in batch.bad[0].message


def test_a_bad_row_does_not_shadow_a_good_one_of_its_key() -> None:
    batch = prepare(PLOT, [None, HERE], bsm=["a", "a"])
    assert batch.good["source_row"].to_pylist() == [2]


@given(st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=12))
def test_repeated_keys_are_found_over_all_batches(batches: list[list[int]]) -> None:
    keys = DuplicateKeys(("bsm",))
    seen: dict[int, int] = {}
    number = 0
    for batch in batches:
        values = pa.array([str(value) for value in batch], pa.string())
        rows = np.arange(number, number + len(batch))
        nothing = np.zeros(len(batch), dtype=bool)
        column = Column(PLOT.field("bsm"), values, nothing, values)
        faults = keys.check([column], rows, ~nothing, keys.hashes([column]))
        expected = []
        for value in batch:
            expected.append(value in seen)
            seen.setdefault(value, number)
            number += 1
        found = faults[0].rows.tolist() if faults else [False] * len(batch)
        assert found == expected
        for place in np.flatnonzero(found):
            assert f"stands in row {seen[batch[place]]}" in faults[0].describe(int(place))


def test_text_in_another_encoding_than_assumed_is_told() -> None:
    spoilt = pa.array([b"\xba\xda"], pa.binary()).view(pa.string())
    table = pa.table({"bsm": pa.array(["a"]), "owner": spoilt})
    source = resolve("EPSG:4490")
    maker = ShapeMaker(PLOT.geometry, source, to_storage(source), anywhere=False)
    plans = plan_columns(PLOT, None, ("bsm", "owner"))
    checks = LayerChecks(PLOT, alone(PLOT), {})
    preparer = Preparer(PLOT, plans, maker, alone(PLOT), None, checks, DATE)
    with pytest.raises(LoadRefused, match="row 1 is not in the encoding assumed: say --encoding"):
        preparer.prepare(SourceBatch(1, table, pa.array([HERE.wkb], pa.binary())))


def test_prefetch_keeps_order_passes_errors_on_and_stops_early() -> None:
    assert list(prefetch(iter(range(100)), depth=3)) == list(range(100))

    def failing() -> Iterator[int]:
        yield 1
        raise LoadRefused("the file ends here")

    ahead = prefetch(failing())
    assert next(ahead) == 1
    with pytest.raises(LoadRefused, match="ends here"):
        next(ahead)

    taken: list[int] = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            taken.append(number)
            yield number
            number += 1

    ahead = prefetch(endless())
    assert next(ahead) == 0
    ahead.close()
    assert len(taken) <= 4


def test_a_shapefile_with_a_bowtie_and_a_repeated_key_ends_well(
    tmp_path: Path, load_file: Loader
) -> None:
    frame = plots(5)
    bowtie = shapely.Polygon([(114, 29), (114.2, 29.2), (114.2, 29), (114, 29.2)])
    frame.loc[1, "geometry"] = bowtie
    frame.loc[4, "BSM"] = "P0"
    geopandas.GeoDataFrame(frame).to_file(tmp_path / "p.shp")
    report = load_file(tmp_path / "p.shp", max_bad=0.5)
    assert (report.good, report.bad, report.repaired) == (4, 1, 1)
    assert report.rules["duplicate_key"].examples == [
        {"row": 5, "message": "the key bsm = 'P0' already stands in row 1"}
    ]
    assert "1 × duplicate_key" in report.as_text()
    report.without_height = 2
    assert "WARNING: 2 features came without heights and are kept at 0 m" in report.as_text()
    assert "repaired row 2: Self-intersection" in report.as_text()
