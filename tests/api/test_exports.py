"""Files that layers are exported as, read back by the programs that people open them with."""

import csv
import io
import json
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from shapely.geometry import shape

LAMPS = "/api/collections/lamp/items"
PLOTS = "/api/collections/plot/items"
LANES = "/api/collections/lane/items"


def features(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    """What the service itself says, in the order of the ids."""
    answer = client.get(path, params={"limit": "10000", **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["features"]
    return found


def exported(client: httpx.Client, path: str, name: str, **query: str) -> httpx.Response:
    answer = client.get(path, params={"f": name, **query})
    assert answer.status_code == 200, answer.text
    return answer


def read_by_gdal(path: str | Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The file's facts, and its rows in the order of the ids with geometry as shapely has it."""
    meta, table = pyogrio.read_arrow(path)
    name = meta["geometry_name"] or "wkb_geometry"
    rows = table.to_pylist()
    for row in rows:
        row["geometry"] = shapely.from_wkb(row.pop(name))
    lower = [{key.lower(): value for key, value in row.items()} for row in rows]
    return meta, sorted(lower, key=lambda row: int(row["feature_id"]))


def same_place(one: Any, other: Any, tolerance: float = 2e-9) -> bool:
    return bool(shapely.equals_exact(shapely.normalize(one), shapely.normalize(other), tolerance))


def plain(value: object) -> object:
    """A value as the service's JSON has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value


def test_every_format_is_offered(client: httpx.Client) -> None:
    links = client.get("/api/collections/plot").json()["links"]
    found = {entry["href"].partition("?f=")[2] for entry in links if entry["rel"] == "enclosure"}
    assert found == {
        "csv", "dxf", "fgb", "geojsonseq", "gpkg", "kml", "parquet", "shp", "xlsx",
    }  # fmt: skip


def test_a_sequence_has_the_features_of_a_page(client: httpx.Client) -> None:
    for path in (LAMPS, PLOTS, LANES):
        answer = exported(client, path, "geojsonseq")
        assert answer.headers["content-type"] == "application/geo+json-seq"
        records = answer.content.split(b"\x1e")[1:]
        assert [json.loads(record) for record in records] == features(client, path)


@pytest.mark.parametrize(
    "uri",
    ["http://www.opengis.net/def/crs/EPSG/0/4490", "http://www.opengis.net/def/crs/EPSG/0/4547"],
)
def test_a_sequence_comes_in_the_system_that_was_asked_for(client: httpx.Client, uri: str) -> None:
    answer = exported(client, LANES, "geojsonseq", crs=uri)
    assert answer.headers["content-crs"] == f"<{uri}>"
    records = answer.content.split(b"\x1e")[1:]
    assert [json.loads(record) for record in records] == features(client, LANES, crs=uri)


@pytest.mark.parametrize("name", ["gpkg", "fgb"])
@pytest.mark.parametrize("path", [LAMPS, PLOTS, LANES])
def test_gdal_reads_what_the_service_says(
    client: httpx.Client, tmp_path: Path, path: str, name: str
) -> None:
    answer = exported(client, path, name)
    assert int(answer.headers["content-length"]) == len(answer.content)
    file = tmp_path / f"export.{name}"
    file.write_bytes(answer.content)
    meta, rows = read_by_gdal(file)
    expected = features(client, path)
    assert meta["crs"] == "EPSG:4490"
    assert [row["feature_id"] for row in rows] == [feature["id"] for feature in expected]
    for row, feature in zip(rows, expected, strict=True):
        assert same_place(row["geometry"], shape(feature["geometry"]))
        assert plain(row["valid_from"]) == feature["time"]["interval"][0]
        for field, value in feature["properties"].items():
            got = row[field]
            # FlatGeobuf has no dates, only times.
            got = got.date() if name == "fgb" and field in ("built", "surveyed") else got
            assert plain(got) == value, field


def test_a_geopackage_tells_the_titles(client: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "export.gpkg"
    file.write_bytes(exported(client, PLOTS, "gpkg").content)
    info = pyogrio.read_info(file)
    assert info["layer_metadata"]["IDENTIFIER"] == "地块 / Plots"
    assert list(pyogrio.list_layers(file)[:, 0]) == ["plot"]
    with sqlite3.connect(file) as database:
        titles = dict(database.execute("SELECT column_name, name FROM gpkg_data_columns"))
        indexed = database.execute("SELECT extension_name FROM gpkg_extensions").fetchall()
    assert titles["area"] == "面积 / Area"
    assert ("gpkg_rtree_index",) in indexed


def test_filters_times_and_selections_hold_for_files(client: httpx.Client, tmp_path: Path) -> None:
    wanted = {
        "bbox": "114.30,29.84,114.31,29.85",
        "datetime": "2013-01-01",
        "filter": "area > 40001",
        "properties": "code,area",
        "sortby": "-area",
    }
    expected = features(client, PLOTS, **wanted)
    assert 0 < len(expected) < 300
    answer = exported(client, PLOTS, "csv", **wanted)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["feature_id"]) for row in rows] == [feature["id"] for feature in expected]
    assert list(rows[0]) == [
        "feature_id", "version", "valid_from", "valid_to", "code", "area", "wkt",
    ]  # fmt: skip
    assert 'filename="plot-20130101.csv"' in answer.headers["content-disposition"]
    limited = exported(client, PLOTS, "csv", **wanted, limit="3")
    assert len(list(csv.DictReader(io.StringIO(limited.text)))) == 3


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK"])
def test_a_shapefile_reads_back(client: httpx.Client, tmp_path: Path, encoding: str) -> None:
    answer = exported(client, LANES, "shp", encoding=encoding)
    file = tmp_path / "lane.shp.zip"
    file.write_bytes(answer.content)
    with ZipFile(file) as archive:
        names = set(archive.namelist())
        assert {"lane.shp", "lane.dbf", "lane.shx", "lane.prj", "lane.cpg"} <= names
        assert archive.read("lane.cpg").decode() == {"UTF-8": "UTF-8", "GBK": "936"}[encoding]
        assert "第1巷".encode(encoding) in archive.read("lane.dbf")
        table = archive.read("README.txt").decode("utf-8-sig").partition("\n\nshort")[2]
        archive.extractall(tmp_path / "out")
    assert "NAME_EN\tname_en\t" in table
    meta, rows = read_by_gdal(tmp_path / "out" / "lane.shp")
    assert meta["crs"] == "EPSG:4490"
    for row, feature in zip(rows, features(client, LANES), strict=True):
        assert same_place(row["geometry"], shape(feature["geometry"]))
        assert row["name"] == feature["properties"]["name"]
        assert row["name_en"] == feature["properties"]["name_en"]
        assert row["number"] == feature["properties"]["number"]


def test_geoparquet_reads_back(client: httpx.Client, tmp_path: Path) -> None:
    answer = exported(client, PLOTS, "parquet")
    table = pq.read_table(pa.BufferReader(answer.content))
    told = json.loads(table.schema.metadata[b"geo"])
    titles = json.loads(table.schema.metadata[b"onemap"])
    assert titles["columns"]["area"] == {"title": "面积 / Area", "unit": "m2"}
    column = told["columns"]["geometry"]
    assert told["version"] == "1.1.0"
    assert column["geometry_types"] == ["MultiPolygon"]
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 4490}
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    expected = features(client, PLOTS)
    rows = table.to_pylist()
    assert [row["feature_id"] for row in rows] == [feature["id"] for feature in expected]
    for row, feature in zip(rows, expected, strict=True):
        found = shapely.from_wkb(row["geometry"])
        assert same_place(found, shape(feature["geometry"]))
        assert tuple(row["bbox"].values()) == found.bounds
        for field, value in feature["properties"].items():
            assert plain(row[field]) == value
    boxes = shapely.total_bounds([shape(feature["geometry"]) for feature in expected])
    assert column["bbox"] == pytest.approx(list(boxes))


def test_tables_have_points_as_columns(client: httpx.Client) -> None:
    answer = exported(client, LAMPS, "csv", encoding="UTF-8-BOM")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    for row, feature in zip(rows, features(client, LAMPS), strict=True):
        place = [float(row["lon"]), float(row["lat"])]
        assert place == pytest.approx(feature["geometry"]["coordinates"], abs=1e-9)
        assert row["checked"] == feature["properties"]["checked"]
        assert row["lit"] == str(feature["properties"]["lit"]).lower()
        assert row["kind"] == (feature["properties"]["kind"] or "")


REFUSED: list[tuple[str, dict[str, str], str]] = [
    (LAMPS, {"f": "shapefiles"}, "f: 'shapefiles'"),
    (LAMPS, {"f": "shp", "encoding": "big5"}, "encoding: 'big5'"),
    (LAMPS, {"f": "gpkg", "encoding": "GBK"}, "encoding: means nothing"),
    (LAMPS, {"encoding": "GBK"}, "encoding: means nothing"),
    (PLOTS, {"f": "csv", "geometry": "xy"}, "geometry: 'plot'"),
    (LAMPS, {"f": "kml", "crs": "http://www.opengis.net/def/crs/EPSG/0/4547"}, "crs: f=kml"),
    (LAMPS, {"f": "csv", "limit": "0"}, "limit: '0'"),
    (LAMPS, {"f": "csv", "filter": "owner = 'x'"}, "owner"),
]


@pytest.mark.parametrize(("path", "query", "words"), REFUSED)
def test_what_cannot_be_exported_is_said(
    client: httpx.Client, path: str, query: dict[str, str], words: str
) -> None:
    answer = client.get(path, params=query)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_head_and_etag_cost_no_export(client: httpx.Client) -> None:
    head = client.head(PLOTS, params={"f": "gpkg"})
    assert head.status_code == 200
    assert head.headers["content-type"] == "application/geopackage+sqlite3"
    assert not head.content
    again = client.get(PLOTS, params={"f": "gpkg"}, headers={"if-none-match": head.headers["etag"]})
    assert again.status_code == 304


def test_accept_asks_for_files(client: httpx.Client) -> None:
    answer = client.get(LAMPS, headers={"accept": "text/csv"})
    assert answer.text.startswith("feature_id,")
    usual = client.get(LAMPS, headers={"accept": "application/*, */*;q=0.5"})
    assert usual.headers["content-type"] == "application/geo+json"


def test_a_workbook_reads_back(client: httpx.Client) -> None:
    answer = exported(client, LAMPS, "xlsx")
    book = openpyxl.load_workbook(io.BytesIO(answer.content), read_only=False)
    sheet = book["路灯"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0][:4] == ["要素标识", "版本", "生效时间", "失效时间"]
    assert rows[0][4:] == ["区", "号", "高(m)", "亮", "建成", "检查", "种类", "lon", "lat"]
    expected = features(client, LAMPS)
    assert len(rows) == len(expected) + 1
    for row, feature in zip(rows[1:], expected, strict=True):
        held = feature["properties"]
        assert row[0] == feature["id"]
        assert row[2] == datetime(2012, 5, 1)  # noqa: DTZ001 -- Excel knows no zones: Beijing's
        assert row[4:8] == [held["zone"], held["number"], held["height"], held["lit"]]
        assert row[8].date().isoformat() == held["built"]
        assert row[9] == datetime(2012, 1, 1, 11, 4, 5)  # noqa: DTZ001
        assert row[10] == held["kind"]
        assert row[11:] == pytest.approx(feature["geometry"]["coordinates"], abs=1e-9)
    assert [cell.value for cell in book["字段 fields"][7]][:3] == ["number", "号", "Number"]


def test_a_drawing_reads_back(client: httpx.Client, tmp_path: Path) -> None:
    crs = "http://www.opengis.net/def/crs/EPSG/0/4547"
    answer = exported(client, PLOTS, "dxf")
    assert answer.headers["content-crs"] == f"<{crs}>"
    file = tmp_path / "plot.dxf"
    file.write_bytes(answer.content)
    _, table = pyogrio.read_arrow(file, CLOSED_LINE_AS_POLYGON="YES")
    rows = table.to_pylist()
    areas = [row for row in rows if row["Layer"] == "LAND-PLOT"]
    for row, feature in zip(areas, features(client, PLOTS, crs=crs), strict=True):
        found = shapely.from_wkb(row["wkb_geometry"])
        expected = shapely.transform(shape(feature["geometry"]), lambda at: at[:, ::-1])
        assert same_place(shapely.MultiPolygon([found]), expected, 2e-4)
    assert answer.content.count(b"feature_id=") == len(areas)


def test_a_drawing_of_lines_has_heights(client: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "lane.dxf"
    file.write_bytes(exported(client, LANES, "dxf").content)
    _, table = pyogrio.read_arrow(file)
    rows = table.to_pylist()
    lines = [shapely.from_wkb(row["wkb_geometry"]) for row in rows if not row["Text"]]
    assert [shapely.get_coordinates(line, include_z=True)[-1, 2] for line in lines] == [22.5] * 10
    names = [row["Text"] for row in rows if row["Layer"] == "FRAMEWORK-LANE-TEXT"]
    assert names == [feature["properties"]["name"] for feature in features(client, LANES)]


@pytest.mark.parametrize("path", [LAMPS, PLOTS, LANES])
def test_placemarks_read_back(client: httpx.Client, tmp_path: Path, path: str) -> None:
    file = tmp_path / "export.kml"
    file.write_bytes(exported(client, path, "kml").content)
    meta, rows = read_by_gdal(file)
    assert meta["crs"] == "EPSG:4326"
    for row, feature in zip(rows, features(client, path), strict=True):
        expected = shape(feature["geometry"])
        found = row["geometry"]
        if expected.geom_type.startswith("Multi") and not found.geom_type.startswith("Multi"):
            found = shapely.multipolygons([found])
        assert same_place(found, expected)
        for field, value in feature["properties"].items():
            # GDAL calls a placemark's own name so.
            got = row["name_"] if "name_" in row and field == "name" else row[field]
            assert str(got or "").lower() == str(value or "").lower() or got == value
