"""Corner lists of mining rights: rows of corners, and whole lists in a cell."""

from pathlib import Path

import openpyxl
import pytest

from etl.load import LoadRequest, load
from etl.mining_corners import CornerError, make_right, read_cell
from etl.settings import EtlSettings
from layers.catalogue import Catalogue
from layers.errors import LoadRefused
from layers.store import Store
from tests.etl.sources import read_source

X, Y = 3_302_400.0, 38_530_900.0
NUMBER = "C4212002016037110141234"


def ring(
    number: int, x: float, y: float, size: float, z: str = "200,-50", sign: str = "1"
) -> list[str]:
    corners = [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]
    return [f"{number},{i},{X + a},{Y + b},{z},{sign}" for i, (a, b) in enumerate(corners, 1)]


HEADER = "XKZH,矿山名称,圈号,点号,X,Y,采深上限,采深下限,符号"


def write(folder: Path, rights: dict[str, list[str]], name: str = "corners.csv") -> Path:
    lines = [f"{licence},铜山矿,{row}" for licence, rows in rights.items() for row in rows]
    path = folder / name
    text = "\n".join([HEADER, *lines])
    if name.endswith(".txt"):
        text = text.replace(",", "\t")
    path.write_text(text, encoding="gb18030")
    return path


@pytest.mark.parametrize("name", ["corners.csv", "corners.txt", "corners.xlsx"])
def test_rows_of_corners_become_one_right_a_licence(tmp_path: Path, name: str) -> None:
    rights = {
        NUMBER: [
            *ring(1, 0, 0, 100),
            *ring(2, 20, 20, 10, sign="-1"),
            *ring(3, 500, 0, 50, "120,30"),
        ],
        "OTHER": ring(1, 900, 0, 10, ","),
    }
    path = write(tmp_path, rights, name.replace("xlsx", "csv"))
    if name.endswith(".xlsx"):
        book = openpyxl.Workbook()
        for line in path.read_text(encoding="gb18030").splitlines():
            cells = line.split(",")
            book.active.append([*cells[:4], *(_number(cell) for cell in cells[4:])])
        path = tmp_path / name
        book.save(path)
    found = read_source(path)
    assert found.info.format == "Mining corner list"
    assert found.problems == {}
    assert found.column("XKZH") == [NUMBER, "OTHER"]
    assert found.column("矿山名称") == ["铜山矿", "铜山矿"]
    assert [shape.area for shape in found.shapes] == [10_000 - 100 + 2_500, 100]
    assert found.shapes[0].bounds == (Y, X, Y + 100, X + 550)
    assert found.column("cssx") == [200.0, None]
    assert found.column("csxx") == [-50.0, None]
    assert found.column("bz") == [
        "区块1 200～-50 m；扣除区块2 200～-50 m；区块3 120～30 m", None,
    ]  # fmt: skip


def _number(cell: str) -> float | str | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


def test_corners_of_a_right_need_not_stand_together(tmp_path: Path) -> None:
    first, second = ring(1, 0, 0, 10), ring(1, 50, 0, 10)
    path = tmp_path / "a.csv"
    lines = [f"{n},m,{row}" for pair in zip(first, second, strict=True)
             for n, row in zip("AB", pair, strict=True)]  # fmt: skip
    path.write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    found = read_source(path)
    assert found.column("XKZH") == ["A", "B"]
    assert [shape.area for shape in found.shapes] == [100, 100]


#: As a provincial register writes it: blocks, corners, number, X, Y, …, top, bottom, remark, sign.
COUNTED = (
    "2,5,1,3810331.42,38446311.66,2,3810329.42,38446592.66,3,3810835.42,38449863.66,"
    "4,3809233.42,38449855.66,5,3809252.42,38446305.66,285,8,,1,"
    "4,1,3809471.42,38446617.66,2,3809411.42,38446667.66,3,3809389.42,38446633.66,"
    "4,3809451.42,38446583.66,230,200,扣除某石料厂范围,-1,"
)
STARRED = (
    "1,3302420.19,38530925.10,2,3302520.19,38530925.10,3,3302520.19,38531025.10,*,200,-50,,1,"
    "1，3303420.19，38530925.10，2，3303520.19，38530925.10，3，3303520.19，38531025.10，*，150，20，，1"
)


def test_a_list_in_one_cell_is_read_in_both_forms() -> None:
    counted = make_right(read_cell(COUNTED))
    assert counted.problem is None
    assert (counted.top, counted.bottom) == (285, 8)
    assert counted.blocks == "区块1 285～8 m；扣除区块2 230～200 m（扣除某石料厂范围）"
    assert counted.shape is not None
    assert len(counted.shape.interiors) == 1
    starred = make_right(read_cell(STARRED))
    assert (starred.top, starred.bottom) == (200, -50)
    assert starred.shape is not None
    assert starred.shape.area == pytest.approx(2 * 5_000)
    assert starred.blocks == "区块1 200～-50 m；区块2 150～20 m"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the corner list is empty"),
        ("x,1,2", "the number of blocks is 'x'"),
        ("1,3,1,2,3,2,2,3", "block 1 states 3 corners, but fewer follow"),
        ("2,1,1,5,6,,,,1", "2 blocks are stated, but 1 follow"),
        ("1,1,1,5,6,9,8,,1,7", "1 blocks are stated, but more values follow"),
        ("1,5,6,2,*,9,8,,1", "its corners are not triples"),
        ("1,5,a,*,9,8,,1", "block 1, corner 1: Y is 'a', not a number"),
        ("1,5,6,*,9,8,,2", "'2' is not a sign"),
        ("1,5,6,*,9,8,,1,1,5,6", r"after block 1 a \* is missing"),
        ("1,5,6,*,q,8,,1", "the upper elevation is 'q'"),
    ],
)
def test_a_cell_that_is_no_list_says_why(text: str, says: str) -> None:
    with pytest.raises(CornerError, match=says):
        read_cell(text)


@pytest.mark.parametrize(
    ("rows", "rule", "says"),
    [
        (ring(1, 0, 0, 10)[:2], "corner_ring", "block 1 has fewer than 3 corners"),
        ([*ring(1, 0, 0, 10)[:3], f"1,4,{X},530900,200,-50,1"], "corner_zone", "38 and none"),
        (ring(1, 0, 0, 10, "-50,200"), "corner_elevations", "-50 m is not above its lower one"),
        ([*ring(1, 0, 0, 10), *ring(2, 5, 5, 10)], "corner_rings", "1 and 2 overlap"),
        ([*ring(1, 0, 0, 10), *ring(2, 50, 5, 1, sign="-1")], "corner_rings", "ring 2 is a hole"),
        ([*ring(1, 0, 0, 10), "1,5,abc,1,200,-50,1"], "corner_list", "corner 5: X is 'abc'"),
        ([*ring(1, 0, 0, 10), f"1,5,{X},{Y},90,-50,1"], "corner_list", "its elevations differ"),
        (ring(1, 0, 0, 10, sign="?"), "corner_list", "'?' is not a sign"),
    ],
)
def test_a_bad_right_is_kept_apart(tmp_path: Path, rows: list[str], rule: str, says: str) -> None:
    found = read_source(write(tmp_path, {NUMBER: rows, "GOOD": ring(1, 0, 0, 10)}))
    assert list(found.problems) == [1]
    assert found.problems[1].rule == rule
    assert says in found.problems[1].message
    assert [shape is None for shape in found.shapes] == [True, False]


def test_a_register_with_lists_in_cells_loads(
    tmp_path: Path, city_database: str, city: Catalogue
) -> None:
    book = openpyxl.Workbook()
    book.active.append(["采矿权登记册"])
    book.active.append(["CKXKZH", "KSMC", "区域坐标", "BZ"])
    book.active.append([NUMBER, "甲矿", STARRED, "已年检"])
    book.active.append(["C9", "乙矿", "1,2,1,5,6", None])
    path = tmp_path / "register.xlsx"
    book.save(path)
    store = Store(city_database, city)
    try:
        report = load(
            LoadRequest(path, "mining_right", crs="EPSG:4526", max_bad=0.5),
            store, city, EtlSettings(),
        )  # fmt: skip
    finally:
        store.close()
    assert (report.good, report.bad) == (1, 1)
    assert report.rules["corner_list"].examples[0]["row"] == 2


def test_a_table_without_corners_is_no_corner_list(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("XKZH,X,Y\nA,1,2\n", encoding="utf-8")
    assert read_source(path).info.format == "CSV"
    with pytest.raises(LoadRefused, match="is no corner list: it needs a column of the licence"):
        read_source(path, format="mining corner list")
