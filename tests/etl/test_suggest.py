"""Proposed mappings: what is found by names, values, geometries, and how it is written down."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from etl.mapping import Mapping, read_mapping
from etl.plan import plan_columns
from etl.reader import SourceOptions
from etl.settings import EtlSettings
from etl.suggest import Suggestion, suggest
from etl.suggest_columns import name_score
from etl.suggest_yaml import as_yaml
from gis.crs import resolve
from gis.geometry import ellipsoidal_area
from layers.catalogue import load_catalogue
from layers.definition import FieldDefinition
from layers.errors import LoadRefused, UnknownLayer
from tests.etl.real import FILES, needs_real_files
from tests.etl.test_real_files import MAPPINGS, REAL

CATALOGUE = load_catalogue()
SETTINGS = EtlSettings()
ROWS = 20
SQUARES = [shapely.box(114 + i / 500, 29.8, 114 + (i + 1) / 500 - i / 20_000, 29.802)
           for i in range(ROWS)]  # fmt: skip
AREAS = ellipsoidal_area(np.array(SQUARES))

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(
        name: str, shapes: list[Any], crs: str | None = "EPSG:4490", **columns: Any
    ) -> Path:
        path = tmp_path / name
        frame = geopandas.GeoDataFrame(pd.DataFrame(columns), geometry=shapes, crs=crs)
        frame.to_file(path, engine="pyogrio")
        return path

    return written


def proposed(path: Path, layer: str | None = None, **options: Any) -> tuple[Suggestion, Mapping]:
    """Propose, write, and read back as a mapping."""
    found = suggest(path, CATALOGUE, SETTINGS, SourceOptions(**options), layer)
    file = path.with_suffix(".yaml")
    file.write_text(as_yaml(found), encoding="utf-8")
    return found, read_mapping(file)


def rules(mapping: Mapping) -> dict[str, dict[str, Any]]:
    return {
        name: rule.model_dump(by_alias=True, exclude_defaults=True)
        for name, rule in mapping.fields.items()
    }


def test_a_survey_by_the_standard_is_recognised_whole(write: Write) -> None:
    path = write(
        "DLTB.gpkg", SQUARES,
        BSM=[f"4212{i:014d}" for i in range(ROWS)],
        DLBM=["0101", "0301", "05H1", "1107A"] * 5,
        QSXZ=["10", "30"] * 10,
        TBMJ=AREAS.round(2),
        SJNF=[2020] * ROWS,
        UNHEARD_OF=["x"] * ROWS,
    )  # fmt: skip
    found, mapping = proposed(path)
    assert found.layers[0][0] == "land_parcel"
    assert rules(mapping) == {
        "bsm": {"from": "BSM"},
        "dlbm": {"from": "DLBM"},
        "qsxz": {"from": "QSXZ"},
        "tbmj": {"from": "TBMJ"},
        "sjnf": {"from": "SJNF"},
    }
    assert [column.name for column in found.unmatched] == ["UNHEARD_OF"]
    assert "#   UNHEARD_OF: x" in as_yaml(found)


def test_values_tell_editions_units_and_lost_zeros(write: Write) -> None:
    path = write(
        "old.gpkg", SQUARES,
        bsm=[f"P{i}" for i in range(ROWS)],
        dlbm=["011", "031", "071", "111"] * 5,
        kcdlbm=[11, 12, 13, 13] * 5,
        tbmj=AREAS / (2000 / 3),
        bz=["n/a", "seen"] * 10,
    )  # fmt: skip
    found, mapping = proposed(path, "land_parcel")
    made = rules(mapping)
    assert made["dlbm"]["codes"] == {"from": "land_use_2007"}
    assert made["tbmj"] == {"from": "tbmj", "unit": "mu"}
    assert made["bz"] == {"from": "bz", "null": ("n/a",)}
    assert made["kcdlbm"] == {
        "expression": "lpad(text([kcdlbm]), 3, '0')", "codes": {"from": "land_use_2007"},
    }  # fmt: skip
    assert "choose for 031: 0301 or 0302 or 0303 or 0304" in as_yaml(found)
    plan_columns(found.layer, mapping, found.look.info.columns, CATALOGUE)


def test_names_of_classes_and_written_dates(write: Write) -> None:
    path = write(
        "plots.gpkg", SQUARES,
        plot_id=[f"P{i}" for i in range(ROWS)],
        land_use=["水田", "果园"] * 10,
        变更日期=["05/31/2016", "12/01/2015"] * 10,
    )  # fmt: skip
    _, mapping = proposed(path, "land_parcel")
    made = rules(mapping)
    assert made["dlbm"] == {"from": "land_use", "codes": {"from": "names"}}
    assert made["bgrq"] == {"from": "变更日期", "format": "%m/%d/%Y"}
    assert made["bsm"] == {"from": "plot_id"}
    assert made["tbmj"] == {"geometry": "area"}


def test_an_area_is_found_whatever_its_name(write: Write) -> None:
    path = write("a.gpkg", SQUARES, no=[f"{i}" for i in range(ROWS)], megafoo=AREAS / 10_000)
    found, mapping = proposed(path, "land_parcel")
    assert rules(mapping)["tbmj"] == {"from": "megafoo", "unit": "ha"}
    assert "dlbm" not in rules(mapping)
    assert "# dlbm: 地类编码 Land-use code: required, but no column fits it" in as_yaml(found)


def test_columns_named_like_yaml_words_and_cut_names(write: Write) -> None:
    points = [shapely.Point(114 + i / 100, 29.8) for i in range(ROWS)]
    path = write(
        "points.shp", points,
        NO=[f"{i}" for i in range(ROWS)], NAME=[f"Cave {i}" for i in range(ROWS)],
    )  # fmt: skip
    found, mapping = proposed(path, "scenic_spot")
    assert "NO" in {rule.column for rule in mapping.fields.values()}
    assert rules(mapping)["name_en"] == {"from": "NAME"}
    plan_columns(found.layer, mapping, found.look.info.columns, CATALOGUE)


def test_rows_without_a_key_and_areas_for_points(write: Write) -> None:
    path = write("same.gpkg", SQUARES, kind=["x"] * ROWS)
    found, mapping = proposed(path, "scenic_spot")
    key = found.layer.key[0]
    assert rules(mapping)[key] == {"template": f"{key}-{{row}}"}
    assert mapping.shape == "inner_point"


def test_what_is_said_of_the_file_stands_in_the_mapping(write: Write) -> None:
    path = write("nowhere.geojson", SQUARES, bsm=["1"] * ROWS)
    _, mapping = proposed(path, "land_parcel", crs=resolve("EPSG:4490"))
    assert mapping.crs == "EPSG:4490"


def test_a_reference_system_that_does_not_fit_is_told(write: Write) -> None:
    shapes = [shapely.box(500_000 + i, 3_300_000, 500_001 + i, 3_300_001) for i in range(ROWS)]
    path = write("east.gpkg", shapes, bsm=[f"{i}" for i in range(ROWS)])
    wrong, _ = proposed(path, "land_parcel", crs=resolve("EPSG:4490"))
    assert "say the projected CRS" in wrong.look.notes[0]


@pytest.mark.parametrize(
    ("x", "y", "hint"),
    [
        (114.3, 29.8, "they look like degrees"),
        (530_925.0, 3_302_420.0, "X is the northing"),
        (38_530_925.0, 3_302_420.0, "X is the easting, with zone number 38 in front"),
    ],
)
def test_a_file_without_a_reference_system_is_guessed_at(
    tmp_path: Path, x: float, y: float, hint: str
) -> None:
    path = tmp_path / "east.csv"
    path.write_text(f"bsm,x,y\nP1,{x},{y}\n", encoding="utf-8")
    found, _ = proposed(path, "scenic_spot")
    assert "no reference system" in found.look.notes[0]
    assert hint in found.look.notes[0]
    assert "position comes from x, y" in as_yaml(found)


def test_what_cannot_be_proposed_is_refused(write: Write, tmp_path: Path) -> None:
    path = write("a.gpkg", SQUARES, a=["1"] * ROWS)
    with pytest.raises(UnknownLayer):
        suggest(path, CATALOGUE, SETTINGS, SourceOptions(), "nope")
    with pytest.raises(LoadRefused, match="no such file"):
        suggest(tmp_path / "nope.gpkg", CATALOGUE, SETTINGS, SourceOptions())


@pytest.mark.parametrize(
    ("column", "least", "why"),
    [
        ("well_matl", 1.0, "the field's name"),
        ("WELL_MATL", 1.0, "the field's name"),
        ("CoverStuff", 0.98, "an alias"),
        ("ＷＥＬＬ－ＭＡＴＬ", 0.9, "the field's name"),
        ("窨井材质", 0.9, "the Chinese title"),
        ("Well material", 0.9, "the English title"),
        ("LONG_ALIAS", 0.85, "cut to 10 bytes"),
        ("窨井材", 0.85, "cut to 10 bytes"),
        ("MATERIAL", 0.5, "like"),
    ],
)
def test_names_are_compared_in_many_ways(column: str, least: float, why: str) -> None:
    field = FieldDefinition.model_validate(
        {
            "name": "well_matl",
            "title": {"zh": "窨井材质", "en": "Well material"},
            "aliases": ["CoverStuff", "LONG_ALIAS_OF_IT"],
        }
    )
    score, reason = name_score(column, field)
    assert score >= least
    assert why in reason


@needs_real_files
@pytest.mark.slow
def test_proposals_for_the_real_files_agree_with_the_mappings_written_for_them() -> None:
    """Fields that the written mapping takes from a column, and the proposal from the same one."""
    hits = wanted = layers = 0
    for name, real in REAL.items():
        written = read_mapping(MAPPINGS / f"{name}.yaml")
        options = SourceOptions(
            layer=written.source_layer,
            encoding=written.encoding,
            crs=resolve(written.crs) if written.crs else None,
            coordinates=written.coordinates.columns() if written.coordinates else None,
        )
        found = suggest(FILES / real.file, CATALOGUE, SETTINGS, options, written.layer)
        layers += written.layer in {layer for layer, _ in found.layers}
        columns = found.look.info.columns
        plans = plan_columns(found.layer, written, columns, CATALOGUE)
        made = {
            proposal.field.name: set((proposal.rule or {}).values()) for proposal in found.fields
            if not any(isinstance(value, (dict, list)) for value in (proposal.rule or {}).values())
        }  # fmt: skip
        for plan in plans:
            if plan.rule.columns:
                wanted += 1
                hits += bool(set(plan.rule.columns) & made.get(plan.field.name, set()))
    # The files are of five countries; their classes and many names are their own.
    assert hits / wanted >= 0.55
    assert layers >= 17
