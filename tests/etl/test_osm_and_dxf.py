"""OpenStreetMap extracts and CAD drawings."""

from pathlib import Path

import pytest
import shapely

from etl.load import LoadRequest, load
from etl.settings import EtlSettings
from layers.catalogue import Catalogue
from layers.errors import LoadRefused
from layers.store import Store
from tests.etl.real import FILES, needs_real_files
from tests.etl.sources import read_source

MONACO = FILES / "osm" / "monaco-latest.osm.pbf"
OSM = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
 <node id="1" lat="29.84" lon="114.30"><tag k="amenity" v="bank"/><tag k="name" v="银行"/></node>
 <node id="2" lat="29.84" lon="114.31"/><node id="3" lat="29.85" lon="114.31"/>
 <way id="7"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/>
  <tag k="building" v="yes"/><tag k="building:levels" v="6"/><tag k="addr:street" v="温泉路"/></way>
 <way id="8"><nd ref="1"/><nd ref="3"/><tag k="highway" v="primary"/><tag k="lanes" v="4"/></way>
</osm>"""


def test_tags_are_columns_and_numbers_say_what_they_count(tmp_path: Path) -> None:
    path = tmp_path / "a.osm"
    path.write_text(OSM, encoding="utf-8")
    areas = read_source(path, layer="multipolygons")
    assert areas.info.crs == "EPSG:4326"
    assert areas.column("osm_id") == ["way/7"]
    assert areas.column("building:levels") == ["6"]
    assert areas.column("addr:street") == ["温泉路"]
    assert areas.shapes[0].area == pytest.approx(0.01 * 0.01 / 2)
    lines = read_source(path, layer="lines")
    assert (lines.column("osm_id"), lines.column("lanes")) == (["way/8"], ["4"])
    points = read_source(path, layer="points")
    assert (points.column("osm_id"), points.column("amenity")) == (["node/1"], ["bank"])
    assert len(read_source(path, layer="lines:highway").shapes) == 1
    assert read_source(path, layer="lines:lanes=4").column("osm_id") == ["way/8"]
    assert read_source(path, layer="lines:highway=footway").shapes == []
    with pytest.raises(LoadRefused, match="nothing in 'lines' has the tag 'building'"):
        read_source(path, layer="lines:building")
    with pytest.raises(LoadRefused, match=r"several layers \(points, lines, .* --source-layer"):
        read_source(path)


def test_a_broken_extract_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.osm"
    path.write_text(OSM[:500], encoding="utf-8")
    with pytest.raises(LoadRefused):
        read_source(path, layer="multipolygons")
    path.write_text('<!DOCTYPE osm [<!ENTITY a SYSTEM "/etc/passwd">]><osm/>')
    with pytest.raises(LoadRefused, match="has a document type declaration"):
        read_source(path, layer="points")
    path.write_text('<OGRVRTDataSource><OGRVRTLayer name="points"/></OGRVRTDataSource>')
    with pytest.raises(LoadRefused, match="points elsewhere: it is not read"):
        read_source(path, layer="points")
    pbf = tmp_path / "b.pbf"
    for content in (b"garbage" * 100, b"\0\0\0\x05garbage", b"\0\0\0\x0a\x0a\x07OSMData\x18"):
        pbf.write_bytes(content)
        with pytest.raises(LoadRefused, match=r"b\.pbf: is no OSM PBF file"):
            read_source(pbf, layer="points")


@needs_real_files
def test_monaco() -> None:
    areas = read_source(MONACO, layer="multipolygons", batch_rows=500)
    assert areas.info.features == len(areas.shapes)
    buildings = [value for value in areas.column("building") if value]
    # The extract holds 1208; one of them is a node.
    assert len(buildings) == 1207
    assert sum(value is not None for value in areas.column("height")) >= 30
    ids = areas.column("osm_id")
    assert len(set(ids)) == len(ids)
    assert {identifier.partition("/")[0] for identifier in ids} == {"way", "relation"}
    west, south, east, north = shapely.total_bounds(areas.shapes)
    assert 7.3 < west < east < 7.6
    assert 43.6 < south < north < 43.8


@needs_real_files
@pytest.mark.parametrize("kept", [50, 100_000, 300_000, 445_305])
def test_a_cut_extract_is_refused_where_gdal_says_nothing(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.osm.pbf"
    path.write_bytes(MONACO.read_bytes()[:kept])
    with pytest.raises(LoadRefused, match=r"is (broken after block \d+|no OSM PBF file): the file"):
        read_source(path, layer="points")


@needs_real_files
def test_a_damaged_block_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.pbf"
    content = bytearray(MONACO.read_bytes())
    content[200_000:200_010] = b"0123456789"
    path.write_bytes(content)
    with pytest.raises(LoadRefused, match=r"is broken after block \d+: "):
        read_source(path, layer="points")


def entity(kind: str, layer: str, **codes: object) -> str:
    pairs = [(0, kind), (8, layer), *((int(key[1:].split("_")[0]), codes[key]) for key in codes)]
    return "".join(f"{code:>3}\n{value}\n" for code, value in pairs)


def polyline(layer: str, corners: list[tuple[float, float]], *, closed: bool) -> str:
    text = entity("LWPOLYLINE", layer, c90=len(corners), c70=int(closed))
    return text + "".join(f" 10\n{x}\n 20\n{y}\n" for x, y in corners)


SQUARE = [(530_000.0, 3_302_400.0), (530_010.0, 3_302_400.0), (530_010.0, 3_302_410.0),
          (530_000.0, 3_302_410.0)]  # fmt: skip


def drawing(header: str = "", blocks: str = "") -> str:
    entities = "".join(
        [
            polyline("JMD", SQUARE, closed=True),
            polyline("DLSS", SQUARE, closed=False),
            entity("TEXT", "注记", c10=530_005, c20=3_302_405, c40=2.5, c1="实验楼"),
            entity("POINT", "GCD", c10=530_005, c20=3_302_405, c30=31.5),
            entity("INSERT", "JMD", c2="HOUSE", c10=531_000, c20=3_302_400) if blocks else "",
        ]
    )
    section = "  0\nSECTION\n  2\n{}\n{}  0\nENDSEC\n"
    return (
        section.format("HEADER", header)
        + (section.format("BLOCKS", blocks) if blocks else "")
        + section.format("ENTITIES", entities)
        + "  0\nEOF\n"
    )


CODEPAGE = "  9\n$ACADVER\n  1\nAC1015\n  9\n$DWGCODEPAGE\n  3\nANSI_936\n"
OLD = "  9\n$ACADVER\n  1\nAC1009\n"


@pytest.mark.parametrize(
    ("header", "encoding"),
    [(CODEPAGE, "gb18030"), (OLD, "gb18030"), ("", "gb18030"), (OLD, "utf-8"),
     ("  9\n$ACADVER\n  1\nAC1024\n", "utf-8")],
)  # fmt: skip
def test_text_of_drawings_is_read_in_its_encoding(
    tmp_path: Path, header: str, encoding: str
) -> None:
    path = tmp_path / "a.dxf"
    path.write_text(drawing(header), encoding=encoding)
    found = read_source(path)
    assert found.info.crs is None
    assert found.column("Layer") == ["JMD", "DLSS", "注记", "GCD"]
    assert found.column("Text")[2] == "实验楼"


def test_entities_are_chosen_by_cad_layer_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.dxf"
    path.write_text(drawing(CODEPAGE + "  9\n$INSUNITS\n 70\n4\n"), encoding="gbk")
    areas = read_source(path, dimension=2)
    assert [(shape.geom_type, shape.area) for shape in areas.shapes] == [("Polygon", 100)]
    assert areas.info.features == 1
    assert areas.info.notes == (
        "entities of other kinds than the layer's were left out: 2 points and texts, 1 lines",
        "the drawing says its unit is millimetres; coordinates are read as they stand",
    )
    lines = read_source(path, dimension=1)
    assert [shape.geom_type for shape in lines.shapes] == ["LineString"] * 2
    points = read_source(path, dimension=0, layer="GC*")
    assert points.shapes[0].z == 31.5
    assert points.column("Layer") == ["GCD"]
    with pytest.raises(LoadRefused, match="has no CAD layer 'JM'; it has DLSS, GCD, JMD, 注记"):
        read_source(path, layer="JM")


def test_blocks_are_exploded(tmp_path: Path) -> None:
    head = entity("BLOCK", "0", c2="HOUSE", c70=0, c10=0, c20=0)
    block = head + polyline("0", [(0, 0), (5, 0), (5, 5)], closed=True) + "  0\nENDBLK\n  8\n0\n"
    path = tmp_path / "a.dxf"
    path.write_text(drawing(CODEPAGE, block), encoding="gbk")
    found = read_source(path, dimension=2, layer="JMD")
    assert sorted(shape.area for shape in found.shapes) == [12.5, 100]
    assert max(shape.bounds[0] for shape in found.shapes) == 531_000


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"AutoCAD Binary DXF\r\n\x1a\0", "is a binary DXF: save it as ASCII DXF"),
        (b"hello\n", "is no DXF drawing"),
        (b"AC1015\0\0\0", "is no DXF drawing"),
        (b"  0\nSECTION\n  2\nENTITIES\n  0\nENDSEC\n  0\nEOF\n", "holds no entities"),
    ],
)
def test_a_file_that_is_no_drawing_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.dxf"
    path.write_bytes(content)
    with pytest.raises(LoadRefused, match=says):
        read_source(path)


def test_a_cut_drawing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dxf"
    text = drawing(CODEPAGE)
    path.write_text(text[: text.index("实验楼")], encoding="gbk")
    with pytest.raises(LoadRefused, match="ends too early: its EOF is missing"):
        read_source(path)


def test_a_drawing_loads_with_the_crs_that_is_said(
    tmp_path: Path, city_database: str, city: Catalogue
) -> None:
    path = tmp_path / "a.dxf"
    path.write_text(drawing(CODEPAGE), encoding="gbk")
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "layer: building\nsource: plan\nsource_layer: JMD\nfields:\n"
        '  building_id: {template: "CAD-{row}"}\n',
        encoding="utf-8",
    )
    store = Store(city_database, city)
    try:
        with pytest.raises(LoadRefused, match="give it with --crs"):
            load(LoadRequest(path, mapping=mapping), store, city, EtlSettings())
        report = load(
            LoadRequest(path, mapping=mapping, crs="EPSG:4547"), store, city, EtlSettings()
        )
    finally:
        store.close()
    assert (report.good, report.bad) == (1, 0)


@needs_real_files
def test_a_real_floor_plan() -> None:
    path = FILES / "indoor" / "floorplan.dxf"
    everything = read_source(path, batch_rows=500)
    assert len(everything.shapes) == 1575
    assert "FLOOR PLAN" in everything.column("Text")
    walls = read_source(path, layer="*A-WALL", dimension=1, batch_rows=500)
    assert len(walls.shapes) == 177
    footprint = read_source(path, layer="*A-FOOTPRINT", dimension=2)
    assert {shape.geom_type for shape in footprint.shapes} == {"Polygon"}
