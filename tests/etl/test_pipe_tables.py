"""Pipeline surveys as departments deliver them: point and line tables, joined into 3D lines."""

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas
import pyogrio
import pytest

from etl import pipe_names
from etl.attribute_tables import tables_of
from etl.formats import file_readers
from etl.load import LoadRequest, load
from etl.pipe_names import elevation_reference, table_name
from etl.reader import CoordinateColumns, SourceOptions
from etl.settings import EtlSettings
from layers.catalogue import Catalogue
from layers.errors import LoadRefused
from layers.store import Store
from tests.etl.sources import read_source

X, Y = 3_302_400.0, 38_530_900.0
Rows = list[dict[str, Any]]
Tables = dict[str, Rows]


def point(number: str, north: float, east: float, high: float | None = 30.0) -> dict[str, Any]:
    return {"Exp_No": number, "X": X + north, "Y": Y + east, "High": high, "Feature": "直线点"}


def line(start: str, end: str, **more: Any) -> dict[str, Any]:
    depths = {"S_Deep": 1.5, "E_Deep": 1.25, "S_H": None, "E_H": None, "Material": "铸铁"}
    return {"S_Exp": start, "E_Exp": end, **depths, **more}


SURVEY: Tables = {
    "JS_POINT": [point("JP1", 0, 0), point("JP2", 10, 0, 31.0), point("JP3", 20, 0)],
    "JS_LINE": [
        line("JP1", "JP2", S_H=28.4, E_H=29.6),
        line("JP2", "JP3"),
        line("JP3", "WS1", S_H=28.0),
        line("JP3", "JP9"),
    ],
    "WS_POINT": [point("WS1", 0, 5), point("WS2", 10, 5, None), point("JP1", 50, 50)],
    "WS_LINE": [line("WS1", "WS2"), line("WS1", "JP1")],
    "DX_POINT": [point("D1", 0, 9), point("D2", 9, 9)],
    "DX_LINE": [line("D1", "D2", Embed="GG")],
}


def write_csv(folder: Path, tables: Tables, encoding: str = "gb18030") -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in tables.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with (folder / f"{name}.csv").open("w", encoding=encoding, newline="") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(rows)
    return folder


def write_workbook(folder: Path, tables: Tables) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in tables.items():
        sheet = book.create_sheet(name)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        sheet.append(["咸宁市地下管线普查成果表"])
        sheet.append(columns)
        for row in rows:
            sheet.append([row.get(column) for column in columns])
    path = folder / "管线.xlsx"
    book.save(path)
    return path


def write_geopackage(folder: Path, tables: Tables) -> Path:
    path = folder / "pipes.gpkg"
    for name, rows in tables.items():
        pyogrio.write_dataframe(pandas.DataFrame(rows), path, layer=name, append=path.exists())
    return path


def write_dbase(folder: Path, tables: Tables) -> Path:
    for name, rows in tables.items():
        frame = pandas.DataFrame(rows)
        pyogrio.write_dataframe(frame, folder / f"{name}.dbf", driver="ESRI Shapefile",
                                encoding="GB18030")  # fmt: skip
        (folder / f"{name}.cpg").unlink()
    return folder


def write_zip(folder: Path, tables: Tables) -> Path:
    inside = write_csv(folder / "in", tables, "utf-8")
    with zipfile.ZipFile(folder / "pipes.zip", "w") as archive:
        for file in inside.iterdir():
            archive.write(file, f"成果/{file.name}")
    return folder / "pipes.zip"


def write_geodatabase(folder: Path, tables: Tables) -> Path:
    path = folder / "pipes.gdb"
    for name, rows in tables.items():
        frame = pandas.DataFrame(rows)
        pyogrio.write_dataframe(frame, path, layer=name, driver="OpenFileGDB",
                                append=path.exists())  # fmt: skip
    return path


WAYS = [write_csv, write_workbook, write_geopackage, write_dbase, write_zip, write_geodatabase]


@pytest.mark.parametrize("write", WAYS)
def test_lines_run_from_point_to_point_at_the_pipe_in_every_container(
    tmp_path: Path, write: Callable[[Path, Tables], Path]
) -> None:
    folder = tmp_path / "survey"
    folder.mkdir()
    found = read_source(write(folder, SURVEY), target="pipe_line")
    by_ends = dict(zip(zip(found.column("S_Exp"), found.column("E_Exp"), strict=True),
                       found.shapes, strict=True))  # fmt: skip
    assert found.info.format == "Pipe tables"
    assert found.info.crs is None
    assert len(by_ends) == 7
    # The pipe's own elevation, else the ground's less the depth.
    assert by_ends["JP1", "JP2"].wkt == (
        f"LINESTRING Z ({Y:.0f} {X:.0f} 28.4, {Y:.0f} {X + 10:.0f} 29.6)"
    )
    assert [corner[2] for corner in by_ends["JP2", "JP3"].coords] == [29.5, 28.75]
    # A water pipe may end at a point that only another class has, but its own comes first.
    assert [corner[2] for corner in by_ends["JP3", "WS1"].coords] == [28.0, 28.75]
    assert by_ends["WS1", "JP1"].coords[1][:2] == (Y + 50, X + 50)
    assert np.isnan(by_ends["WS1", "WS2"].coords[1][2])
    assert by_ends["JP3", "JP9"] is None
    row = found.column("E_Exp").index("JP9") + 1
    assert set(found.problems) == {row}
    assert found.problems[row].message == "E_Exp = 'JP9' is in no point table"
    classes = dict(zip(found.column("S_Exp"), found.column("pipe_class"), strict=True))
    assert classes == {"JP1": "JS", "JP2": "JS", "JP3": "JS", "WS1": "WS", "D1": "TX"}
    references = dict(zip(found.column("S_Exp"), found.column("elev_ref"), strict=True))
    assert references == {
        "JP1": "top", "JP2": "top", "JP3": "top", "WS1": "invert", "D1": "invert",
    }  # fmt: skip
    assert set(found.column("Material")) == {"铸铁"}


@pytest.mark.parametrize("write", WAYS)
def test_points_lie_at_the_ground(tmp_path: Path, write: Callable[[Path, Tables], Path]) -> None:
    folder = tmp_path / "survey"
    folder.mkdir()
    found = read_source(write(folder, SURVEY), target="pipe_node")
    assert len(found.shapes) == 8
    places = dict(zip(found.column("Exp_No"), found.shapes, strict=True))
    assert (places["JP2"].x, places["JP2"].y, places["JP2"].z) == (Y, X + 10, 31.0)
    assert found.column("pipe_class").count("TX") == 2
    assert found.info.position == ("X", "Y")
    assert "X is read as the northing, Y as the easting" in found.info.notes


def test_points_or_lines_or_one_table_are_chosen(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "in", SURVEY)
    assert len(read_source(folder, layer="LINE").shapes) == 7
    assert len(read_source(folder, layer="WS_LINE").shapes) == 2
    assert len(read_source(folder, layer="js_point").shapes) == 3
    with pytest.raises(LoadRefused, match="holds points and lines: say --source-layer"):
        read_source(folder)
    with pytest.raises(LoadRefused, match="has no table 'RQ_LINE'; say POINT, LINE, or one of DX_"):
        read_source(folder, layer="RQ_LINE")


def test_older_names_and_classes_of_columns(tmp_path: Path) -> None:
    tables: Tables = {
        "PS_POINT": [
            {"物探点号": "Y1", "纵坐标": X, "横坐标": Y, "地面高程": 30},
            {"物探点号": "Y2", "纵坐标": X + 9, "横坐标": Y, "地面高程": 30},
        ],
        "PS_LINE": [
            {"QDDH": "Y1", "ZDDH": "Y2", "QDMS": 2, "ZDMS": 2.5, "GXLB": "PS", "GXXL": "YS"},
            {"QDDH": "Y2", "ZDDH": "Y1", "QDGC": 27.5, "ZDMS": 2, "GXLB": "DX", "GXXL": None},
        ],
    }
    found = read_source(write_csv(tmp_path / "in", tables), layer="LINE")
    assert found.column("pipe_class") == ["YS", "TX"]
    assert found.column("elev_ref") == ["invert", "top"]
    assert [[corner[2] for corner in shape.coords] for shape in found.shapes] == [
        [28.0, 27.5], [27.5, 28.0],
    ]  # fmt: skip


def test_the_mapping_may_say_which_axis_is_which(tmp_path: Path) -> None:
    swapped = [{**row, "X": row["Y"], "Y": row["X"]} for row in SURVEY["JS_POINT"]]
    folder = write_csv(tmp_path / "in", {"JS_POINT": swapped, "JS_LINE": SURVEY["JS_LINE"][:1]})
    said = CoordinateColumns(x="X", y="Y", order="en")
    assert read_source(folder, layer="LINE", coordinates=said).shapes[0].coords[0][:2] == (Y, X)


def test_ends_that_cannot_be_known_are_told_by_name(tmp_path: Path) -> None:
    tables: Tables = {
        "JS_POINT": [
            *SURVEY["JS_POINT"],
            point("JP1", 3, 3),
            {**point("JP5", 0, 0), "X": None},
            point("JP2", 10, 0),
        ],
        "JS_LINE": [line("JP1", "JP2"), line("JP2", "JP5"), line("", "JP2"), line("JP2", "JP3")],
    }
    found = read_source(write_csv(tmp_path / "in", tables), layer="LINE")
    assert {row: (problem.rule, problem.message) for row, problem in found.problems.items()} == {
        1: ("pipe_end_doubtful", "S_Exp = 'JP1' is the number of points at different places"),
        2: ("pipe_end_missing", "E_Exp = 'JP5' is a point without coordinates"),
        3: ("pipe_end_missing", "S_Exp is empty"),
    }
    assert [shape is None for shape in found.shapes] == [True, True, True, False]


def test_tables_that_cannot_be_joined_are_refused(tmp_path: Path) -> None:
    access = tmp_path / "survey.mdb"
    access.write_bytes(b"\x00\x01\x00\x00Standard Jet DB\x00" + b"\0" * 4096)
    with pytest.raises(LoadRefused, match="Access databases cannot be read here: export"):
        read_source(access, target="pipe_line")
    bare = [{"Exp_No": "A", "X": 1.0, "High": 3.0}]
    folder = write_csv(tmp_path / "a", {"JS_POINT": bare, "JS_LINE": SURVEY["JS_LINE"]})
    with pytest.raises(LoadRefused, match=r"/a: table JS_POINT has no column Y .* Exp_No, X, High"):
        read_source(folder, layer="LINE")
    folder = write_csv(tmp_path / "b", {"JS_POINT": SURVEY["JS_POINT"], "JS_LINE": bare})
    with pytest.raises(LoadRefused, match="table JS_LINE has no column S_EXP"):
        read_source(folder, layer="LINE")
    folder = write_csv(tmp_path / "c", {"JS_POINT": SURVEY["JS_POINT"]})
    with pytest.raises(LoadRefused, match="holds no table of lines; it has JS_POINT"):
        read_source(folder, layer="LINE")
    (folder / "JS_LINE.csv").write_text("S_Exp,E_Exp\na,b,c,d\n", encoding="utf-8")
    with pytest.raises(LoadRefused, match="4 values for 2 columns"):
        read_source(folder, layer="LINE")


@pytest.mark.parametrize("suffix", [".dbf", ".gpkg"])
def test_tables_that_are_something_else_are_not_opened(tmp_path: Path, suffix: str) -> None:
    for name in ("JS_POINT", "JS_LINE"):
        text = f'<OGRVRTDataSource><OGRVRTLayer name="{name}"/></OGRVRTDataSource>'
        (tmp_path / f"{name}{suffix}").write_text(text)
    with pytest.raises(LoadRefused, match="as its name says"):
        tables_of(tmp_path, None)


def test_shapefiles_and_other_tables_are_left_to_their_readers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,lon,lat\n1,114,29\n", encoding="utf-8")
    assert read_source(tmp_path).info.format == "CSV"
    frame = pandas.DataFrame(SURVEY["JS_POINT"])
    for name in ("JS_POINT", "JS_LINE"):
        pyogrio.write_dataframe(frame, tmp_path / f"{name}.dbf", driver="ESRI Shapefile")
        (tmp_path / f"{name}.shp").touch()
    (tmp_path / "JS_POINT.csv").unlink(missing_ok=True)
    reader = next(r for r in file_readers() if r.name == "Pipe tables")
    assert not reader.recognises(tmp_path, SourceOptions())


@pytest.mark.parametrize(
    ("name", "kind", "pipe_class"),
    [("JS_POINT", "point", "JS"), ("ws_line", "line", "WS"), ("DXLINE", "line", "TX"),
     ("RQ管点", "point", "RQ"), ("LINE", "line", None), ("GD_LINES", "line", "GD")],
)  # fmt: skip
def test_names_of_tables(name: str, kind: str, pipe_class: str | None) -> None:
    named = table_name(name)
    assert named is not None
    assert (named.kind, named.pipe_class) == (kind, pipe_class)
    assert table_name("PIPELINES_2014") is None


@pytest.mark.parametrize(
    ("pipe_class", "laying", "reference"),
    [("JS", None, "top"), ("RS", None, "top"), ("TR", None, "top"), ("PS", None, "invert"),
     ("HS", None, "invert"), ("GD", "ZM", "top"), ("DL", "GG", "invert"), ("DX", "GK", "top"),
     ("ZH", None, "invert"), ("BM", None, None), (None, None, None), ("水", None, None)],
)  # fmt: skip
def test_what_an_elevation_is_of_follows_the_class(
    pipe_class: str | None, laying: str | None, reference: str | None
) -> None:
    assert elevation_reference(pipe_class, laying) == reference


def test_classes_and_names_agree_with_the_layers(city: Catalogue) -> None:
    codes = city.codes["pipe_class"].codes
    known = {code for major, minors in pipe_names.CLASSES.items() for code in (major, *minors)}
    assert known == set(codes)
    assert all(codes[minor].parent == major
               for major, minors in pipe_names.CLASSES.items() for minor in minors)  # fmt: skip
    for layer, field, names in (
        ("pipe_line", "s_exp", pipe_names.START),
        ("pipe_line", "e_exp", pipe_names.END),
        ("pipe_line", "s_h", pipe_names.START_ELEVATION),
        ("pipe_line", "e_h", pipe_names.END_ELEVATION),
        ("pipe_line", "s_deep", pipe_names.START_DEPTH),
        ("pipe_line", "e_deep", pipe_names.END_DEPTH),
        ("pipe_line", "pipe_class", pipe_names.PIPE_CLASS),
        ("pipe_line", "elev_ref", pipe_names.ELEVATION_OF),
        ("pipe_line", "embed", pipe_names.LAYING),
        ("pipe_node", "exp_no", pipe_names.POINT_NUMBER),
        ("pipe_node", "high", pipe_names.GROUND),
    ):
        definition = next(f for f in city.layer(layer).fields if f.name == field)
        wanted = {name.casefold() for name in (definition.name, *definition.aliases)}
        assert wanted <= set(names), field


def test_a_survey_loads_into_both_layers(
    tmp_path: Path, city_database: str, city: Catalogue
) -> None:
    path = write_workbook(tmp_path, SURVEY)
    store = Store(city_database, city)
    try:
        lines = load(
            LoadRequest(path, "pipe_line", crs="EPSG:4526", max_bad=0.5),
            store, city, EtlSettings(),
        )  # fmt: skip
        nodes = load(
            LoadRequest(path, "pipe_node", crs="EPSG:4526", max_bad=0.5),
            store, city, EtlSettings(),
        )  # fmt: skip
    finally:
        store.close()
    assert (lines.good, lines.bad) == (6, 1)
    assert "JP9" in lines.rules["pipe_end_missing"].examples[0]["message"]
    assert (nodes.good, nodes.bad) == (7, 1)
