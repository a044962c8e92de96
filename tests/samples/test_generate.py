"""The sample generator: what it makes holds together, and the committed files are what loads."""

import csv
import hashlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely

from cli.samples import SampleFile, read_manifest
from layers.catalogue import Catalogue, load_catalogue
from layers.definition import FieldDefinition, LayerDefinition

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
COMMITTED = read_manifest(SAMPLES).loads
IDS = [str(entry.file) for entry in COMMITTED]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def generator() -> Iterator[Any]:
    """The generator's script, imported as a module from its folder."""
    sys.path.insert(0, str(SAMPLES))
    try:
        import generate  # noqa: PLC0415 - found only once its folder is on the path

        yield generate
    finally:
        sys.path.remove(str(SAMPLES))


@pytest.fixture(scope="module")
def small_city(generator: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    assert generator.main(["--scale", "0.004", "--out", str(folder)]) == 0
    return folder


def columns_of(entry: SampleFile) -> dict[str, list[Any]]:
    """Read the attribute columns of a committed file, missing values as None."""
    path = SAMPLES / entry.file
    if path.suffix == ".csv":
        text = path.read_bytes().decode(entry.encoding or "utf-8")
        rows = list(csv.DictReader(io.StringIO(text)))
        return {name: [row[name] or None for row in rows] for name in rows[0]}
    frame = pyogrio.read_dataframe(path, read_geometry=False)
    return {
        name: [None if value != value else value for value in frame[name].tolist()]
        for name in frame.columns
    }


def field_by_name(layer: LayerDefinition) -> dict[str, FieldDefinition]:
    return {
        name.casefold(): field for field in layer.fields for name in (field.name, *field.aliases)
    }


def test_committed_files_are_small_and_all_in_the_manifest() -> None:
    listed = {str(entry.file) for entry in COMMITTED}
    delivered = {".zip", ".gpkg", ".csv", ".geojson"}
    found = {path.name for path in SAMPLES.iterdir() if path.suffix in delivered}
    assert found == listed
    sizes = [(SAMPLES / name).stat().st_size for name in listed]
    assert sum(sizes) <= 8_000_000
    assert max(sizes) <= 4_000_000


def test_every_layer_has_a_sample_and_history_has_three_epochs(catalogue: Catalogue) -> None:
    surveyed = {name for name, layer in catalogue.layers.items() if layer.view is None}
    assert {entry.layer for entry in COMMITTED} == surveyed
    for layer in ("land_parcel", "building", "road", "pipe_line"):
        surveys = [entry for entry in COMMITTED if entry.layer == layer]
        assert len({entry.valid_from for entry in surveys}) == 3
        assert all(entry.full for entry in surveys)


@pytest.mark.parametrize("entry", COMMITTED, ids=IDS)
def test_committed_fields_and_codes_are_those_of_the_layer(
    entry: SampleFile, catalogue: Catalogue
) -> None:
    layer = catalogue.layer(entry.layer)
    fields = field_by_name(layer)
    columns = columns_of(entry)
    given = {}
    for name, values in columns.items():
        if entry.file.suffix == ".csv" and name in ("X", "Y", "Z"):
            continue
        assert name.casefold() in fields, f"{entry.file}: {name} is no field of {layer.name}"
        field = fields[name.casefold()]
        given[field.name] = values
        if field.codes:
            known = catalogue.code_list(field.codes).codes
            strange = {str(value) for value in values if value is not None} - set(known)
            assert not strange, f"{entry.file}: {name} has codes outside {field.codes}: {strange}"
    keys = list(zip(*(given[name] for name in layer.key), strict=True))
    assert len(set(keys)) == len(keys)
    assert all(None not in key for key in keys)


@pytest.mark.parametrize(
    "file", [entry.file for entry in COMMITTED if entry.layer == "land_parcel"], ids=str
)
def test_committed_parcels_are_a_coverage(file: Path) -> None:
    frame = pyogrio.read_dataframe(SAMPLES / file, columns=["BSM"])
    shapes = np.asarray(frame.geometry.values)
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    assert shapely.area(shapes).sum() == pytest.approx(36_000_000, rel=1e-6)


def test_committed_pipes_end_on_nodes_and_drains_fall() -> None:
    for year in (2014, 2016, 2020):
        entry = next(e for e in COMMITTED if str(e.file) == f"pipe_node_{year}.csv")
        nodes = set(columns_of(entry)["Exp_No"])
        lines = pyogrio.read_dataframe(SAMPLES / f"pipe_line_{year}.zip")
        assert set(lines.S_Exp) | set(lines.E_Exp) == nodes
        assert (lines.S_Exp != lines.E_Exp).all()
        drains = lines[lines.GXLB.isin(["YS", "WS"])]
        assert (drains.S_H > drains.E_H).all()
        assert drains[["S_Deep", "E_Deep"]].max().max() <= 7.001
        assert lines.length.between(0.05, 75).all()


def test_keys_stay_and_the_city_grows() -> None:
    names = [f"land_parcel_{year}.zip" for year in (2014, 2016, 2020)]
    first, second, third = (
        pyogrio.read_dataframe(SAMPLES / name, columns=["BSM", "DLBM"], read_geometry=False)
        for name in names
    )
    assert len(set(first.BSM) & set(third.BSM)) > 0.6 * len(first)
    town = [
        int(f.DLBM.str[:2].isin(["05", "06", "07", "08"]).sum()) for f in (first, second, third)
    ]
    assert town == sorted(town)
    assert town[0] < town[2]


@pytest.mark.parametrize("years", [(2014, 2016), (2016, 2020)], ids=str)
@pytest.mark.parametrize(
    ("layer", "key"), [("land_parcel", "BSM"), ("pipe_node", "Exp_No"), ("poi", "POIID")]
)
def test_most_of_the_city_stays_as_it_was(layer: str, key: str, years: tuple[int, int]) -> None:
    surveys = []
    for year in years:
        entry = next(e for e in COMMITTED if e.file.stem == f"{layer}_{year}")
        columns = columns_of(entry)
        rows = list(zip(*columns.values(), strict=True))
        surveys.append(dict(zip(columns[key], rows, strict=True)))
    before, after = surveys
    common = set(before) & set(after)
    same = sum(before[value] == after[value] for value in common)
    assert same > 0.8 * len(common)


def test_small_city_is_a_coverage_with_known_classes(
    small_city: Path, catalogue: Catalogue
) -> None:
    frame = pyogrio.read_dataframe(small_city / "land_parcel.gpkg")
    shapes = np.asarray(frame.geometry.values)
    assert len(frame) == pytest.approx(4000, rel=0.01)
    assert frame.bsm.is_unique
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    assert shapely.union_all(shapes, grid_size=0.001).geom_type == "Polygon"
    assert set(frame.dlbm) <= set(catalogue.code_list("land_use").codes)
    assert set(frame.columns) - {"geometry"} <= set(catalogue.layer("land_parcel").field_names)


def test_small_city_pipes_end_on_nodes_and_fall(small_city: Path) -> None:
    lines = pyogrio.read_dataframe(small_city / "pipe_line.gpkg")
    nodes = pyogrio.read_dataframe(small_city / "pipe_node.gpkg")
    assert len(lines) == 800
    assert set(lines.s_exp) | set(lines.e_exp) == set(nodes.exp_no)
    assert not lines.duplicated(["s_exp", "e_exp"]).any()
    assert (lines.s_h >= lines.e_h).all()


def test_small_city_buildings_stand_inside_parcels(small_city: Path) -> None:
    parcels = np.asarray(pyogrio.read_dataframe(small_city / "land_parcel.gpkg").geometry.values)
    buildings = np.asarray(pyogrio.read_dataframe(small_city / "building.gpkg").geometry.values)
    assert len(buildings) == 2000
    assert shapely.is_valid(buildings).all()
    inside = shapely.STRtree(parcels).query(buildings, predicate="within")[0]
    assert len(set(inside.tolist())) == len(buildings)


def test_the_same_seed_makes_the_same_city(
    generator: Any, small_city: Path, tmp_path: Path
) -> None:
    arguments = ["--scale", "0.004", "--layers", "land_parcel,building,pipe_line"]
    assert generator.main([*arguments, "--out", str(tmp_path / "again")]) == 0
    assert generator.main([*arguments, "--out", str(tmp_path / "other"), "--seed", "8"]) == 0

    def digest(folder: Path, layer: str) -> str:
        return hashlib.sha256((folder / f"{layer}.gpkg").read_bytes()).hexdigest()

    for layer in ("land_parcel", "building", "pipe_line"):
        assert digest(tmp_path / "again", layer) == digest(small_city, layer)
    for layer in ("land_parcel", "building"):
        assert digest(tmp_path / "other", layer) != digest(small_city, layer)


def test_a_wrong_scale_or_layer_is_refused(
    generator: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["--scale", "0", "--out", str(tmp_path)],
                      ["--scale", "1", "--out", str(tmp_path), "--layers", "nothing"],
                      ["--scale", "1"]):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            generator.main(arguments)
        assert stop.value.code == 2
        assert "needs N > 0" in capsys.readouterr().err
