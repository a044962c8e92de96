"""Plot exchange text: what departments hand over, and what they get wrong."""

from pathlib import Path

import pytest
import shapely

from etl.load import LoadRequest, load
from etl.settings import EtlSettings
from gis.crs import resolve
from gis.geometry import ellipsoidal_area
from layers.catalogue import Catalogue
from layers.errors import LoadRefused
from layers.store import Store
from tests.etl.sources import read_source

HEADER = {
    "格式版本号": "1.01",
    "数据产生单位": "咸宁市自然资源和规划局",
    "数据产生日期": "2016-03-05",
    "坐标系": "2000国家大地坐标系",
    "几度分带": "3",
    "投影类型": "高斯克吕格",
    "计量单位": "米",
    "带号": "38",
    "精度": "0.001",
    "转换参数": ",,,,,,",
}
X, Y = 3_302_400.0, 38_530_900.0


def points(
    size: float, x: float = X, y: float = Y, ring: int = 1, first: int = 1, closed: bool = True
) -> list[str]:
    corners = [(x, y), (x + size, y), (x + size, y + size), (x, y + size)]
    lines = [f"J{first + i},{ring},{a:.3f},{b:.3f}" for i, (a, b) in enumerate(corners)]
    return [*lines, lines[0]] if closed else lines


def plot(lines: list[str], count: int | None = None, name: str = "地块1") -> list[str]:
    said = len(lines) if count is None else count
    return [f"{said},1.0000,{name[-1]},{name},面,H50G034,工业用地,0601,@", *lines]


def write(
    folder: Path, lines: list[str], encoding: str = "gb18030", name: str = "a.txt", **header: str
) -> Path:
    path = folder / name
    values = HEADER | header
    head = ["[属性描述]", *(f"{key}={value}" for key, value in values.items() if value)]
    path.write_text("\r\n".join([*head, "[地块坐标]", *lines, ""]), encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
def test_plots_are_read_in_any_encoding_with_their_attributes(
    tmp_path: Path, encoding: str
) -> None:
    path = write(tmp_path, [*plot(points(100)), *plot(points(50, y=Y + 500), name="地块2")],
                 encoding)  # fmt: skip
    found = read_source(path)
    assert (found.info.format, found.info.crs) == ("Plot exchange text", "EPSG:4526")
    assert found.problems == {}
    assert found.column("DKMC") == ["地块1", "地块2"]
    assert found.column("DKMJ") == [1.0, 1.0]
    assert found.column("MJ_M2") == [10_000.0, 10_000.0]
    assert found.column("DLBM") == ["0601", "0601"]
    assert found.column("SJCSDW") == [HEADER["数据产生单位"]] * 2
    assert found.column("FILE") == ["a", "a"]
    assert [shape.area for shape in found.shapes] == [10_000, 2_500]
    assert found.shapes[0].bounds == (Y, X, Y + 100, X + 100)


def test_a_second_ring_inside_is_a_hole_and_beside_another_part(tmp_path: Path) -> None:
    rings = [
        *points(100),
        *points(20, X + 10, Y + 10, ring=2, first=5),
        *points(30, X, Y + 200, ring=3, first=9),
    ]
    again = [*points(10), *points(10, X + 50)]
    found = read_source(write(tmp_path, [*plot(rings), *plot(again, name="地块2")]))
    assert found.problems == {}
    assert [shape.area for shape in found.shapes] == [10_000 - 400 + 900, 200]
    assert found.column("QS") == ["3", "2"]
    assert all(shapely.is_valid(shape) for shape in found.shapes)


def test_forms_that_differ_in_practice_are_read(tmp_path: Path) -> None:
    lines = [
        "４，1.5公顷，A-1，地块一，面，，，，＠".replace("４", "4"),
        *(line.replace(",", "，") for line in points(100, closed=False)),
        "5,1,2,二号,面,H50,住宅用地,0701,TB,C,B,备注,@",
        *(line.replace(",", ", ") for line in points(10, X + 200)),
        "",
        "5,0.001,3,线路,线,,,,@",
        *points(10, X + 300),
        "1,,4,桩,点,,,,@",
        "J1,1,3302400.5,38530900.5",
    ]
    path = write(tmp_path, lines)
    text = path.read_text(encoding="gb18030").replace("[地块坐标]", "【地块坐标】")
    path.write_text(text, encoding="gb18030")
    found = read_source(path)
    assert found.problems == {}
    assert found.column("DKMJ")[:2] == [1.5, 1.0]
    assert found.column("QT") == [None, "TB,C,B,备注", None, None]
    assert [shape.geom_type for shape in found.shapes] == [
        "Polygon", "Polygon", "LineString", "Point",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "easting", "crs"),
    [
        ({}, Y, "EPSG:4526"),
        ({}, 530_900.0, "EPSG:4547"),
        ({"带号": ""}, Y, "EPSG:4526"),
        ({"带号": "20", "几度分带": "6"}, 20_300_000.0, "EPSG:4498"),
        ({"带号": "20", "几度分带": "六度"}, 300_000.0, "EPSG:4509"),
        ({"带号": ""}, 530_900.0, None),
        ({"坐标系": ""}, Y, None),
        ({"坐标系": "1980西安坐标系"}, Y, "EPSG:4610"),
        ({"坐标系": "北京54"}, Y, "EPSG:4214"),
    ],
)
def test_the_header_and_the_eastings_name_the_crs(
    tmp_path: Path, header: dict[str, str], easting: float, crs: str | None
) -> None:
    path = write(tmp_path, plot(points(100, y=easting)), **header)
    assert read_source(path).info.crs == crs


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"带号": "37"}, "says zone 37 .* but the eastings begin with 38"),
        ({"几度分带": "6"}, "says zones of 6 degrees .* zone 38 is one of 3"),
        ({"计量单位": "公里"}, "the unit is '公里', not metres"),
    ],
)
def test_a_header_against_its_coordinates_is_refused(
    tmp_path: Path, header: dict[str, str], says: str
) -> None:
    path = write(tmp_path, plot(points(100)), **header)
    with pytest.raises(LoadRefused, match=says):
        read_source(path)
    assert len(read_source(path, crs=resolve("EPSG:4526")).shapes) == 1


def test_geographic_plots_and_swapped_axes_are_told_by_their_size(tmp_path: Path) -> None:
    degrees = write(tmp_path, plot(points(0.001, 29.84, 114.32)))
    found = read_source(degrees)
    assert found.info.crs == "EPSG:4490"
    assert found.shapes[0].bounds == pytest.approx((114.32, 29.84, 114.321, 29.841))
    swapped = [f"J{i},1,{Y + a},{X + b}" for i, (a, b) in enumerate([(0, 0), (9, 0), (9, 9)], 1)]
    found = read_source(write(tmp_path, plot(swapped)))
    assert found.info.crs == "EPSG:4526"
    assert found.shapes[0].bounds == (Y, X, Y + 9, X + 9)
    assert "easting first" in found.info.notes[-1]


BAD = [
    (plot(points(100), count=9), "plot_points", "states 9 points, but 5 follow"),
    (plot(["J1,1,1,2", "J2,1,3,4"]), "plot_ring", "ring 1 of the plot has fewer than 3 corners"),
    (plot([*points(100)[:4], f"J1,1,{X + 1},{Y}"]), "plot_unclosed", "ends at J1 again"),
    (plot([*points(100), "J9,1,abc,2"]), "plot_line", "'J9,1,abc,2' is not a point"),
    (plot([*points(100), "J9,1"]), "plot_line", "line 19: 'J9,1' is not a point"),
    (plot([*points(100), *points(100, X + 50, Y + 50, ring=2)]), "plot_rings", "1 and 2 cross"),
]


@pytest.mark.parametrize(("bad", "rule", "says"), BAD)
def test_a_bad_plot_is_kept_apart_and_the_good_ones_are_read(
    tmp_path: Path, bad: list[str], rule: str, says: str
) -> None:
    path = write(tmp_path, [*bad, *plot(points(50), name="地块2")])
    found = read_source(path)
    assert list(found.problems) == [1]
    assert found.problems[1].rule == rule
    assert says in found.problems[1].message
    assert found.problems[1].message.startswith("line 1")
    assert [shape is None for shape in found.shapes] == [True, False]


def test_a_text_that_is_no_plot_exchange_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadRefused, match=r"line 13: 'J1,1,.* stands before the first plot's line"):
        read_source(write(tmp_path, points(100)))
    path = write(tmp_path, [])
    path.write_text("[属性描述]\n坐标系=2000国家大地坐标系\n", encoding="utf-8")
    with pytest.raises(LoadRefused, match=r"a.txt: has no line \[地块坐标\]"):
        read_source(path)
    path.write_text("[地块坐标]\n" + "9" * 200_000, encoding="utf-8")
    with pytest.raises(LoadRefused, match="line 2 is longer than"):
        read_source(path)
    path.write_bytes("[属性描述]\n".encode("gb18030") + b"\xff\xff\xff\n")
    with pytest.raises(LoadRefused, match="neither UTF-8 nor GB18030"):
        read_source(path)


def test_a_folder_of_plot_texts_is_one_survey(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        write(tmp_path, plot(points(100)), name=name)
    assert read_source(tmp_path).column("FILE") == ["a", "b"]


def test_plots_load_with_the_mapping_that_is_shipped(
    tmp_path: Path, city_database: str, city: Catalogue
) -> None:
    lines = [*plot(points(100)), *plot(points(70, X + 500), count=3, name="地块2")]
    path = write(tmp_path, lines, name="鄂土资函〔2016〕12号.txt")
    store = Store(city_database, city)
    mapping = Path(__file__).parents[2] / "data" / "mappings" / "plot_exchange.yaml"
    try:
        report = load(LoadRequest(path, mapping=mapping, max_bad=0.5), store, city, EtlSettings())
    finally:
        store.close()
    assert (report.good, report.bad) == (1, 1)
    assert "states 3 points, but 5 follow" in report.rules["plot_points"].examples[0]["message"]


def test_legacy_datums_are_refused_as_everywhere(
    tmp_path: Path, city_database: str, city: Catalogue
) -> None:
    path = write(tmp_path, plot(points(100)), 坐标系="1980西安坐标系")
    store = Store(city_database, city)
    mapping = Path(__file__).parents[2] / "data" / "mappings" / "plot_exchange.yaml"
    try:
        with pytest.raises(LoadRefused, match="is on Xi'an 1980"):
            load(LoadRequest(path, mapping=mapping), store, city, EtlSettings())
    finally:
        store.close()


def test_the_area_of_a_plot_is_that_of_its_corners(tmp_path: Path) -> None:
    found = read_source(write(tmp_path, plot(points(0.001, 29.84, 114.32))))
    assert float(ellipsoidal_area(found.shapes)[0]) == pytest.approx(10_713, rel=0.01)
