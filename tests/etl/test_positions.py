"""Positions in tables: the notations of surveys, the order of axes, and CSV and XLSX alike."""

from datetime import datetime
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from etl.angles import read_coordinate, unpack
from etl.formats import open_source
from etl.positions import make_points, recognised
from etl.reader import CoordinateColumns, SourceOptions
from gis.crs import resolve
from layers.errors import LoadRefused
from tests.etl.test_formats import read

#: Workbooks know no zones.
NOON = datetime(2020, 5, 1, 12, 30)  # noqa: DTZ001
LON = 114 + 19 / 60 + 12.5 / 3600


@pytest.mark.parametrize(
    "text",
    [
        "114°19′12.5″E", "114°19'12.5\"", "E114°19′12.5″", "114º19´12.5˝".replace("˝", "″"),
        "114:19:12.5", "114-19-12.5", "114 19 12.5", "114度19分12.5秒", "东经114度19分12.5秒",
        "东经 114°19′12.5″", "１１４°１９′１２．５″", "114°19.2083333333′", "114.3201388889°",
        "114°19′12.5''",
        "114d19m12.5s", "+114°19′12.5″", "114.3201388889E",
    ],
)  # fmt: skip
def test_degrees_minutes_and_seconds_in_every_dress(text: str) -> None:
    reading = read_coordinate(text)
    assert reading is not None
    assert reading.value == pytest.approx(LON, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "value", "axis"),
    [
        ("530925.1", 530925.1, None), ("3,302,420.193", 3302420.193, None), ("-0°30′", -0.5, None),
        ("29°50′24″N", 29.84, "lat"), ("北纬29°50′24″", 29.84, "lat"), ("S29:50:24", -29.84, "lat"),
        ("114°E", 114.0, "lon"), ("西经10°30′", -10.5, "lon"),
    ],
)  # fmt: skip
def test_numbers_and_letters(text: str, value: float, axis: str | None) -> None:
    reading = read_coordinate(text)
    assert reading is not None
    assert (reading.value, reading.axis) == (pytest.approx(value), axis)


@pytest.mark.parametrize(
    "text",
    ["114°75′12″", "114°19′60″", "114.5°19′", "114°19.5′12″", "east", "", "1,14.3", "114°19′12″X",
     "2020-05-01T00", "114°19′12″5", "1141°"],
)  # fmt: skip
def test_what_is_no_coordinate_is_told_apart(text: str) -> None:
    assert read_coordinate(text) is None


@given(st.integers(73, 135), st.integers(0, 59), st.integers(0, 59999), st.integers(18, 53))
def test_packed_angles_are_unpacked(degrees: int, minutes: int, thousandths: int, lat: int) -> None:
    seconds = thousandths / 1000
    packed = degrees * 10_000 + minutes * 100 + seconds
    x, y, broken = unpack(np.array([packed, 114.5]), np.array([lat * 10_000.0, 29.5]))
    assert x[0] == pytest.approx(degrees + minutes / 60 + seconds / 3600, abs=1e-9)
    assert (y[0], x[1], y[1]) == (lat, 114.5, 29.5)
    assert not broken.any()


def test_metres_are_not_taken_for_packed_angles() -> None:
    x, y = np.array([530925.1, 38530925.1]), np.array([3302420.2, 3302420.2])
    lon, lat, broken = unpack(x, y)
    assert (lon.tolist(), lat.tolist()) == (x.tolist(), y.tolist())
    assert not broken.any()


@pytest.mark.parametrize(
    ("names", "x", "y", "order"),
    [
        (["编号", "X坐标(米)", "Y坐标(米)", "高程"], "X坐标(米)", "Y坐标(米)", "ne"),
        (["id", "Lon", "Lat"], "Lon", "Lat", "en"),
        (["id", "经度(°)", "纬度(°)"], "经度(°)", "纬度(°)", "en"),
        (["id", "纵坐标X", "横坐标Y"], "横坐标Y", "纵坐标X", "en"),
        (["id", "POINT_X", "POINT_Y"], "POINT_X", "POINT_Y", "en"),
    ],
)
def test_columns_are_recognised(names: list[str], x: str, y: str, order: str) -> None:
    found = recognised(names, resolve("EPSG:4547"))
    assert found is not None
    assert (found.x, found.y, found.order) == (x, y, order)


def test_letters_are_believed_more_than_the_order_of_columns() -> None:
    table = pa.table({"x": ["N29°50′24″", "E114°", "N29°"], "y": ["E114°19′12″", "N29°", "N29°"]})
    points = make_points(table, CoordinateColumns(x="x", y="y", order="en"), degrees=True)
    shapes = [shapely.from_wkb(wkb) for wkb in points.wkb.to_pylist()]
    assert shapes[0].coords[0] == pytest.approx((114.32, 29.84))
    assert shapes[1].coords[0] == (114, 29)
    assert {row: problem.message for row, problem in points.problems.items()} == {
        2: "its letters name one axis twice"
    }


ROWS = [
    ["H1", "114°19′12″", "29°50′24″", 12.5],
    ["H2", 1141912.5, 295024, 13],
    ["H3", "114°75′", "29°", None],
    ["H4", 1147512.5, 295024, 14],
]


def as_csv(path: Path) -> Path:
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in ROWS]
    path = path / "p.csv"
    path.write_text("\n".join(["BSM,经度,纬度,高程", *lines]), encoding="gbk")
    return path


def as_tsv(path: Path) -> Path:
    source = as_csv(path)
    path = path / "p.txt"
    path.write_text(source.read_text(encoding="gbk").replace(",", "\t"), encoding="utf-16")
    return path


def as_xlsx(path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["咸宁市隐患点成果表"])
    sheet.append(["BSM", "经度", "纬度", "高程"])
    for row in ROWS:
        sheet.append(row)
    book.create_sheet("空表")
    book.save(path / "p.xlsx")
    return path / "p.xlsx"


@pytest.mark.parametrize("make", [as_csv, as_tsv, as_xlsx])
def test_text_tables_and_workbooks_give_the_same_points(make: object, tmp_path: Path) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    with open_source(path, SourceOptions(crs=resolve("EPSG:4490")), 1) as source:
        (batch,) = source.batches()
    shapes = [shapely.from_wkb(wkb) if wkb else None for wkb in batch.wkb.to_pylist()]
    assert shapes[0].coords[0] == pytest.approx((114.32, 29.84, 12.5))
    assert shapes[1].coords[0] == pytest.approx((LON, 29.84, 13))
    assert shapes[2] is None
    assert {row: problem.message for row, problem in batch.problems.items()} == {
        2: "经度 = '114°75′' cannot be read as a coordinate",
        3: "(1147512.5, 295024) has 60 minutes or seconds or more",
    }
    assert batch.attributes["BSM"].to_pylist() == ["H1", "H2", "H3", "H4"]


def test_cells_become_the_text_that_people_see(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["编号", "X", "Y", "日期", "数", "有"])
    sheet.append(["0101", 3302420.193, 38530925.1, NOON.replace(hour=0, minute=0), 101, True])
    sheet.append([7, 3302420.193, 38530925.1, NOON, 0.1, False])
    book.save(tmp_path / "b.xlsx")
    _, table, shapes = read(tmp_path / "b.xlsx", crs=resolve("EPSG:4526"))
    assert (shapes[0].x, shapes[0].y) == (38530925.1, 3302420.193)
    assert table["编号"].to_pylist() == ["0101", "7"]
    assert table["日期"].to_pylist() == ["2020-05-01", "2020-05-01 12:30:00"]
    assert table["数"].to_pylist() == ["101", "0.1"]


def test_of_several_sheets_one_must_be_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for name in ("甲", "乙"):
        sheet = book.create_sheet(name)
        sheet.append(["id", "lon", "lat"])
        sheet.append([name, 114.3, 29.8])
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(LoadRefused, match=r"several sheets \(甲, 乙\); say --source-layer"):
        read(tmp_path / "b.xlsx")
    assert read(tmp_path / "b.xlsx", layer="乙")[1]["id"].to_pylist() == ["乙"]
    with pytest.raises(LoadRefused, match="no sheet '丙'; it has Sheet, 甲, 乙"):
        read(tmp_path / "b.xlsx", layer="丙")
