"""Readers of generic formats, each on files as its usual writers make them, and on its traps."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyproj import CRS

from etl.formats import open_source
from etl.reader import SourceOptions
from etl.readers.geojson import GeoJsonReader
from layers.errors import LoadRefused
from tests.etl.conftest import plots
from tests.etl.test_formats import read

FOUR = ["甲", "乙", "丙", "丁"]


def survey(count: int = 4) -> geopandas.GeoDataFrame:
    return plots(count, CLASS=["0101"] * count, OWNER=(FOUR * count)[:count])


def geodatabase(folder: Path) -> Path:
    survey().to_file(folder / "city.gdb", driver="OpenFileGDB", layer="DLTB")
    return folder / "city.gdb"


def zipped_geodatabase(folder: Path) -> Path:
    path = geodatabase(folder)
    with zipfile.ZipFile(folder / "city.gdb.zip", "w") as archive:
        for part in path.iterdir():
            archive.write(part, f"成果/{path.name}/{part.name}")
    return folder / "city.gdb.zip"


def driver(suffix: str, name: str, **options: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        survey().to_file(folder / f"city{suffix}", driver=name, **options)
        return folder / f"city{suffix}"

    return make


def zipped_kml(folder: Path) -> Path:
    path = driver(".kml", "KML")(folder)
    with zipfile.ZipFile(folder / "city.kmz", "w") as archive:
        archive.write(path, "files/doc.kml")
    return folder / "city.kmz"


def lines(folder: Path) -> Path:
    path = folder / "city.ndjson"
    features = json.loads(survey().to_crs(4326).to_json())["features"]
    path.write_text("\n".join(json.dumps(feature, ensure_ascii=False) for feature in features))
    return path


def parquet(encoding: str, **options: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        survey().to_parquet(folder / "city.parquet", geometry_encoding=encoding, **options)
        return folder / "city.parquet"

    return make


WRITERS = {
    "FileGDB": geodatabase,
    "FileGDB in a zip": zipped_geodatabase,
    "FlatGeobuf": driver(".fgb", "FlatGeobuf", SPATIAL_INDEX="NO"),
    "GML": driver(".gml", "GML", FORMAT="GML3.2"),
    "GML 2": driver(".gml", "GML", FORMAT="GML2"),
    "KML": driver(".kml", "KML"),
    "KML of LIBKML": driver(".kml", "LIBKML"),
    "KMZ": zipped_kml,
    "NDJSON": lines,
    "GeoJSONSeq": driver(".geojsonl", "GeoJSONSeq"),
    "GeoJSON text sequence": driver(".geojsons", "GeoJSONSeq", RS="YES"),
    "GeoParquet": parquet("WKB"),
    "GeoParquet 1.1": parquet("WKB", schema_version="1.1.0", write_covering_bbox=True),
    "GeoArrow": parquet("geoarrow", schema_version="1.1.0"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_format_gives_the_same_survey(name: str, tmp_path: Path) -> None:
    info, table, shapes = read(WRITERS[name](tmp_path), batch_rows=3)
    columns = {column.casefold(): table[column].to_pylist() for column in table.schema.names}
    assert columns["bsm"] == ["P0", "P1", "P2", "P3"]
    assert columns["class"] == ["0101"] * 4, "a code keeps its leading zero"
    assert columns["owner"] == FOUR
    assert info.features == 4
    assert info.crs is not None
    assert CRS.from_user_input(info.crs).to_epsg() in (4490, 4326)
    wanted = survey().geometry
    for shape, other in zip(shapes, wanted, strict=True):
        assert shape is not None
        assert shape.symmetric_difference(other).area < 1e-10
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".gfs"]


def test_of_several_feature_classes_one_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "city.gdb"
    survey().to_file(path, driver="OpenFileGDB", layer="DLTB")
    survey(2).to_file(path, driver="OpenFileGDB", layer="XZQ")
    with pytest.raises(LoadRefused, match=r"several layers \(DLTB, XZQ\); say --source-layer"):
        read(path)
    assert read(path, layer="XZQ")[1].num_rows == 2


BOX = shapely.box(0, 0, 1, 1)
KINDS = {
    "point": shapely.points([[1.0, 2.0], [3.0, 4.0]]),
    "linestring": shapely.linestrings([[[0, 0], [1, 1]], [[2, 2], [3, 4]]]),
    "multipoint": shapely.multipoints([[[0, 0], [1, 1]], [[2, 2], [3, 4]]]),
    "polygon": np.array([BOX, shapely.box(0, 0, 4, 4) - shapely.box(1, 1, 2, 2)]),
    "multilinestring": [shapely.MultiLineString([[[0, 0], [1, 1]], [[5, 5], [6, 7]]])] * 2,
    "multipolygon": [shapely.MultiPolygon([BOX, shapely.box(3, 3, 4, 4)])] * 2,
    "point with heights": shapely.points([[1.0, 2.0, 3.5], [3.0, 4.0, 5.5]]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_native_geometries_of_geoparquet_with_nulls_between(kind: str, tmp_path: Path) -> None:
    first, second = KINDS[kind]
    shapes = [None, first, None, second, first]
    frame = geopandas.GeoDataFrame({"n": range(5)}, geometry=shapes, crs="EPSG:4547")
    path = tmp_path / "n.parquet"
    frame.to_parquet(path, geometry_encoding="geoarrow", schema_version="1.1.0")
    info, table, found = read(path, batch_rows=2)
    assert json.loads(str(info.crs))["id"] == {"authority": "EPSG", "code": 4547}
    assert [shape and shape.wkt for shape in found] == [shape and shape.wkt for shape in shapes]
    assert table["n"].to_pylist() == [0, 1, 2, 3, 4]


def rewritten(path: Path, change: Callable[[dict[str, object]], None]) -> Path:
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"geo"])
    change(about["columns"]["geometry"])
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(about)}), path)
    return path


def test_the_crs_of_geoparquet_may_be_left_out_or_unknown(tmp_path: Path) -> None:
    path = parquet("WKB")(tmp_path)
    assert read(rewritten(path, lambda about: about.update(crs=None)))[0].crs is None
    assert read(rewritten(path, lambda about: about.pop("crs")))[0].crs == "OGC:CRS84"
    with pytest.raises(LoadRefused, match="said to be encoded as 'TWKB'"):
        read(rewritten(path, lambda about: about.update(encoding="TWKB")))
    with pytest.raises(LoadRefused, match="edges are spherical"):
        read(rewritten(path, lambda about: about.update(encoding="WKB", edges="spherical")))


def test_parquet_without_geometry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(LoadRefused, match="is Parquet without geometry"):
        read(path)


def test_large_geojson_is_parsed_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.geojson"
    survey().to_crs(4547).to_file(path)
    small = read(path)
    with GeoJsonReader(large_bytes=0).open(path, SourceOptions(batch_rows=3)) as source:
        parts = list(source.batches())
        assert [part.first_row for part in parts] == [1, 4]
        assert (source.info.features, source.info.crs) == (4, "urn:ogc:def:crs:EPSG::4547")
    table = pa.concat_tables([part.attributes for part in parts])
    assert table.to_pydict() == small[1].to_pydict()
    shapes = [shapely.from_wkb(wkb).wkt for part in parts for wkb in part.wkb.to_pylist()]
    assert shapes == [shape.wkt for shape in small[2]]


def test_a_line_that_is_no_feature_is_a_row_to_be_repaired(tmp_path: Path) -> None:
    path = lines(tmp_path)
    path.write_text(path.read_text() + '\n{"type": "Feature", "prop\n\n[1]\n', encoding="utf-8")
    with open_source(path, SourceOptions(), 1) as source:
        assert source.info.features == 6
        (batch,) = source.batches()
    assert {row: problem.message[:16] for row, problem in batch.problems.items()} == {
        4: "line 5 is not JS", 5: "line 7: it is no",
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".geojson", ".ndjson", ".kml", ".gml"])
def test_chinese_text_in_gbk_is_read(suffix: str, tmp_path: Path) -> None:
    maker = {".geojson": driver(".geojson", "GeoJSON"), ".ndjson": lines,
             ".kml": driver(".kml", "KML"), ".gml": driver(".gml", "GML")}[suffix]  # fmt: skip
    path = maker(tmp_path)
    text = path.read_text(encoding="utf-8").replace('encoding="utf-8"', 'encoding="GBK"', 1)
    path.write_text(text, encoding="gbk")
    _, table, _ = read(path)
    columns = {column.casefold(): table[column].to_pylist() for column in table.schema.names}
    assert columns["owner"] == FOUR


KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>
<name>咸宁</name><Folder><name>隐患点</name>
<Placemark><name>滑坡 1</name><description><![CDATA[<b>深</b>]]></description>
 <TimeStamp><when>2020-05-01</when></TimeStamp>
 <ExtendedData><Data name="scale"><displayName>规模</displayName><value>大</value></Data>
 </ExtendedData>
 <Point><coordinates>114.3,29.8,120.5</coordinates></Point></Placemark>
<Folder><name>b</name><Placemark><name>2</name><MultiGeometry>
 <Point><coordinates>1,2</coordinates></Point><Point><coordinates>3,4</coordinates></Point>
 </MultiGeometry></Placemark></Folder></Folder>
<Placemark><name>3</name><Polygon><outerBoundaryIs><LinearRing><coordinates>
 0,0 4,0 4,4 0,4 0,0</coordinates></LinearRing></outerBoundaryIs><innerBoundaryIs><LinearRing>
 <coordinates>1,1 2,1 2,2 1,1</coordinates></LinearRing></innerBoundaryIs></Polygon></Placemark>
<Placemark><name>4</name><Point><coordinates>east,north</coordinates></Point></Placemark>
<Placemark><name>5</name></Placemark>
</Document></kml>"""


def test_placemarks_keep_folders_data_and_holes(tmp_path: Path) -> None:
    path = tmp_path / "hazards.kml"
    path.write_text(KML, encoding="utf-8")
    info, table, shapes = read(path)
    assert info.features == 5
    assert table["name"].to_pylist() == ["滑坡 1", "2", "3", "4", "5"]
    assert table["folder"].to_pylist() == ["咸宁/隐患点", "咸宁/隐患点/b", "咸宁", "咸宁", "咸宁"]
    assert table["scale"].to_pylist() == ["大", None, None, None, None]
    assert table["begin"][0].as_py() == "2020-05-01"
    assert table["description"][0].as_py() == "<b>深</b>"
    assert [shape and shape.wkt for shape in shapes] == [
        "POINT Z (114.3 29.8 120.5)",
        "MULTIPOINT ((1 2), (3 4))",
        "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 1))",
        None,
        None,
    ]


def test_gml_of_latitude_first_systems_is_turned(tmp_path: Path) -> None:
    path = tmp_path / "plots.gml"
    survey(1).to_file(path, driver="GML", FORMAT="GML3.2")
    assert "29.84 114.3" in path.read_text()
    _, _, shapes = read(path)
    assert shapes[0].bounds == pytest.approx((114.3, 29.84, 114.301, 29.841))


def test_a_schema_beside_a_gml_file_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "plots.gml"
    survey(1).to_file(path, driver="GML")
    (tmp_path / "plots.xsd").write_text("<broken")
    (tmp_path / "plots.gfs").write_text("<GMLFeatureClassList/>")
    assert read(path)[1].num_rows == 1


def test_a_lost_index_of_a_shapefile_is_restored_where_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "p.shp"
    survey().to_file(path, encoding="gb18030")
    whole = read(path)
    path.with_suffix(".shx").unlink()
    info, table, shapes = read(path)
    assert any("was restored without loss" in note for note in info.notes)
    assert table.equals(whole[1])
    assert [shape.wkt for shape in shapes] == [shape.wkt for shape in whole[2]]
    assert not path.with_suffix(".shx").exists()
    content = path.read_bytes()
    path.write_bytes(content[:236] + b"\0\0\0\7" + content[240:])
    with pytest.raises(LoadRefused, match=r"\.shx file is missing and cannot be restored"):
        read(path)


def test_records_marked_as_deleted_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "p.shp"
    survey().to_file(path, encoding="gb18030")
    table = path.with_suffix(".dbf")
    content = bytearray(table.read_bytes())
    start, width = int.from_bytes(content[8:10], "little"), int.from_bytes(content[10:12], "little")
    content[start + width] = ord("*")
    table.write_bytes(content)
    info, rows, _ = read(path)
    assert rows["BSM"].to_pylist() == ["P0", "P2", "P3"]
    assert info.features == 3
    assert "1 records are marked as deleted and were left out" in info.notes
