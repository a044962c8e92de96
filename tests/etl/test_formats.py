"""Source formats: the registry, and each reader on files that departments really hand over."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import geopandas
import pyarrow as pa
import pytest
import shapely

import etl.formats
from etl.encodings import guess, known_encoding
from etl.formats import address_readers, file_readers, open_source, readers
from etl.reader import (
    AddressReader,
    CoordinateColumns,
    Reader,
    Source,
    SourceInfo,
    SourceOptions,
)
from gis.crs import resolve
from layers.errors import LoadRefused
from tests.etl.conftest import plots

LIMIT = 1 << 30


def read(
    path: Path | str, **options: object
) -> tuple[SourceInfo, pa.Table, list[shapely.Geometry]]:
    settings = SourceOptions(**{"batch_rows": 4, **options})  # type: ignore[arg-type]
    with open_source(path, settings, LIMIT) as source:
        batches = list(source.batches())
        first_rows = [batch.first_row for batch in batches]
        assert first_rows == sorted(first_rows)
        attributes = pa.concat_tables([batch.attributes for batch in batches])
        shapes = [
            shapely.from_wkb(wkb) if wkb is not None else None
            for batch in batches
            for wkb in batch.wkb.to_pylist()
        ]
        return source.info, attributes, shapes


def test_the_formats_are_these() -> None:
    assert {reader.name: sorted(reader.suffixes) for reader in file_readers()} == {
        "CityJSON": [".json", ".jsonl"],
        "DXF": [".dxf"],
        "CSV": [".csv", ".tab", ".tsv", ".txt"],
        "FileGDB": [],
        "FlatGeobuf": [".fgb"],
        "GML": [".gml"],
        "GeoJSON": [".geojson", ".json"],
        "GeoJSONSeq": [".geojsonl", ".geojsons", ".jsonl", ".ndgeojson", ".ndjson"],
        "GeoPackage": [".gpkg"],
        "Mining corner list": [".csv", ".txt", ".xls", ".xlsx"],
        "GeoParquet": [".geoparquet", ".parquet"],
        "KML": [".kml", ".kmz"],
        "OpenStreetMap": [".osm", ".pbf"],
        "Pipe tables": [".accdb", ".gpkg", ".mdb", ".xls", ".xlsx"],
        "Plot exchange text": [".txt"],
        "Raster": [".asc", ".hgt", ".img", ".tif", ".tiff"],
        "Shapefile": [".shp"],
        "XLSX": [".xls", ".xlsm", ".xlsx"],
    }
    assert [reader.name for reader in address_readers()] == ["OGC API Features"]


def test_two_readers_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    double = SimpleNamespace(READER=SimpleNamespace(name="x", priority=0))
    monkeypatch.setattr(etl.formats, "import_module", lambda name: double)
    readers.cache_clear()
    try:
        with pytest.raises(ValueError, match="two readers have the name 'x'"):
            readers()
        monkeypatch.setattr(etl.formats, "import_module", lambda name: ModuleType(name))
        with pytest.raises(ValueError, match="has no READER"):
            readers()
    finally:
        readers.cache_clear()


def write_shapefile(folder: Path, encoding: str, *, declared: bool) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "地类.shp"
    names = ["黑龙江省", "咸宁市", "plain", "嘉鱼县陆溪镇虎山村", "镕㐀", ""]
    plots(6, OWNER=names).to_crs(4526).to_file(path, encoding=encoding)
    if not declared:
        path.with_suffix(".cpg").unlink()
        table = path.with_suffix(".dbf")
        content = bytearray(table.read_bytes())
        content[29] = 0
        table.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["GB18030", "UTF-8"])
@pytest.mark.parametrize("declared", [True, False])
def test_chinese_text_of_a_shapefile_is_read_whatever_its_encoding(
    tmp_path: Path, encoding: str, declared: bool
) -> None:
    path = write_shapefile(tmp_path / "out", encoding, declared=declared)
    info, table, _ = read(path)
    assert table["OWNER"].to_pylist()[:5] == [
        "黑龙江省", "咸宁市", "plain", "嘉鱼县陆溪镇虎山村", "镕㐀",
    ]  # fmt: skip
    assert info.crs == "EPSG:4526"
    assert info.features == 6
    assert any("does not say its encoding" in note for note in info.notes) is not declared


def test_a_declared_encoding_and_an_option_are_believed(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path, "GB18030", declared=False)
    assert read(path, encoding="GBK")[1]["OWNER"][0].as_py() == "黑龙江省"
    path.with_suffix(".cpg").write_text("OEM 936")
    assert read(path)[1]["OWNER"][0].as_py() == "黑龙江省"
    with pytest.raises(LoadRefused, match="'klingon' is not an encoding"):
        read(path, encoding="klingon")


def test_a_text_cut_within_a_character_is_still_utf8() -> None:
    assert guess(["咸宁市".encode()[:-1]], "x")[0] == "utf-8"
    assert guess(["咸宁市".encode("gbk")], "x")[0] == "gb18030"
    assert guess([b"plain"], "x") == ("utf-8", None)
    with pytest.raises(LoadRefused, match="neither UTF-8 nor GB18030"):
        guess([b"caf\xff\xff\xff"], "x")


@pytest.mark.parametrize(
    ("name", "codec"),
    [("GBK", "gb18030"), ("936", "gb18030"), ("65001", "utf-8"), ("UTF-8", "utf-8"),
     ("ANSI 1252", "cp1252"), ("ISO-8859-1", "iso8859-1"), ("88591", "iso8859-1")],
)  # fmt: skip
def test_names_of_encodings(name: str, codec: str) -> None:
    assert known_encoding(name) == codec


def test_a_shapefile_comes_zipped_or_in_a_folder(tmp_path: Path) -> None:
    path = write_shapefile(tmp_path / "in", "GB18030", declared=True)
    archive = tmp_path / "parcels.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for part in path.parent.iterdir():
            zipped.write(part, f"成果/{part.name}")
    for source in (archive, path.parent):
        info, table, shapes = read(source)
        assert (info.layer, table.num_rows, len(shapes)) == ("地类", 6, 6)


class Special(Reader):
    """A special kind of JSON, of folders and of addresses."""

    name = "Special JSON"
    suffixes = frozenset({".json", ".special"})
    priority = 10
    takes_folders = True

    def recognises(self, path: Path, options: SourceOptions) -> bool:
        return path.name == "whole.folder" or (path.is_file() and b"special" in path.read_bytes())

    @contextmanager
    def open(self, path: Path, options: SourceOptions) -> Iterator[Source]:
        with open_source(SPECIAL[0], SourceOptions(), LIMIT) as source:
            yield source


class Server(AddressReader):
    """An address."""

    name = "Server"

    def recognises_address(self, address: str) -> bool:
        return address.endswith("/collections/plots")

    @contextmanager
    def open_address(self, address: str, options: SourceOptions) -> Iterator[Source]:
        with open_source(SPECIAL[0], SourceOptions(), LIMIT) as source:
            yield source


#: What the readers above give, whatever they are asked.
SPECIAL: list[Path] = []


def test_special_formats_are_asked_before_generic_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SPECIAL[:] = [tmp_path / "answer.geojson"]
    plots(1).to_file(SPECIAL[0])
    plots(2).to_file(tmp_path / "plain.json", driver="GeoJSON")
    (tmp_path / "other.json").write_text('{"special": 1}')
    (tmp_path / "whole.folder").mkdir()
    found = (Special(), Server(), *file_readers())
    monkeypatch.setattr(etl.formats, "readers", lambda: found)
    assert read(tmp_path / "plain.json")[1].num_rows == 2
    assert read(tmp_path / "other.json")[1].num_rows == 1
    assert read(tmp_path / "plain.json", format="special-json")[1].num_rows == 1
    assert read(tmp_path / "whole.folder")[1].num_rows == 1
    assert read("https://example.org/collections/plots")[1].num_rows == 1
    with pytest.raises(LoadRefused, match=r"no reader knows such an address; .* Server"):
        read("https://example.org/elsewhere")
    with pytest.raises(LoadRefused, match="there is no format 'dwg'; known are CSV, "):
        read(tmp_path / "plain.json", format="dwg")
    (tmp_path / "wrong.special").write_bytes(b"%PDF-1.7")
    with pytest.raises(LoadRefused, match="is not Special JSON, as its name says: it is a PDF"):
        read(tmp_path / "wrong.special")
    (tmp_path / "drawing.dwg").write_bytes(b"AC1032")
    with pytest.raises(LoadRefused, match=r"it is an AutoCAD drawing \(DWG\); known are CSV"):
        read(tmp_path / "drawing.dwg")


def zipped(path: Path, **members: geopandas.GeoDataFrame) -> Path:
    """Write a zip with a GeoJSON a member."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, rows in members.items():
            rows.to_file(path.parent / f"{name}.geojson")
            archive.write(path.parent / f"{name}.geojson", f"{name}.geojson")
    return path


def test_several_files_of_one_structure_are_one_survey(tmp_path: Path) -> None:
    other = plots(3, owner=["c", "d", "e"])[["owner", "BSM", "geometry"]]
    archive = zipped(tmp_path / "all.zip", a=plots(2, owner=["a", "b"]), b=other)
    with open_source(archive, SourceOptions(batch_rows=2), LIMIT) as source:
        assert (source.info.features, source.info.layer) == (5, "all")
        assert source.info.parts == ("a.geojson", "b.geojson")
        batches = list(source.batches())
    assert [(batch.part, batch.first_row) for batch in batches] == [
        ("a.geojson", 1), ("b.geojson", 3), ("b.geojson", 5),
    ]  # fmt: skip
    assert [batch.attributes["owner"].to_pylist() for batch in batches] == [
        ["a", "b"], ["c", "d"], ["e"],
    ]  # fmt: skip
    assert read(archive, layer="b")[0].layer == "b"


def test_several_files_of_different_structure_want_a_choice(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "all.zip", a=plots(2), b=plots(2, owner=["a", "b"]))
    with pytest.raises(LoadRefused, match=r"\(a, b\) whose columns differ: say --source-layer"):
        read(archive)
    archive = zipped(tmp_path / "crs.zip", a=plots(2), b=plots(2).to_crs(4547))
    with pytest.raises(LoadRefused, match="whose reference systems differ"):
        read(archive)


def test_refusals_name_the_archive_and_not_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "survey.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("in/broken.gpkg", b"SQLite format 3\0" + b"x" * 100)
    with pytest.raises(LoadRefused) as refusal:
        read(archive)
    assert str(refusal.value).startswith(f"{archive}: in/broken.gpkg: is truncated")


def test_of_several_geopackage_layers_one_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "city.gpkg"
    plots(2).to_file(path, layer="a")
    plots(3).to_file(path, layer="b")
    with pytest.raises(LoadRefused, match=r"several layers \(a, b\); say --source-layer"):
        read(path)
    assert read(path, layer="b")[1].num_rows == 3
    with pytest.raises(LoadRefused, match="no layer 'c'; it has a, b"):
        read(path, layer="c")


def test_geojson_is_wgs84_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "plain.geojson"
    plots(2).to_crs(4326).to_file(path, RFC7946="YES")
    info, _, shapes = read(path)
    assert info.crs == "EPSG:4326"
    assert "RFC 7946" in info.notes[0]
    assert shapes[0].centroid.x == pytest.approx(114.3005)
    old = tmp_path / "old.geojson"
    plots(2).to_crs(4547).to_file(old)
    assert b'"crs"' in old.read_bytes()
    assert read(old)[0].crs == "EPSG:4547"


CSV_ROWS = "P1,530925.1,3302420.193,12.5\nP2,530926.1,3302421.193,\nP3,,3302421,1\n"


@pytest.mark.parametrize(
    ("header", "crs", "east_first"),
    [
        ("BSM,lon,lat,z", "EPSG:4490", True),
        ("BSM,Easting,Northing,h", "EPSG:4547", True),
        ("BSM,横坐标,纵坐标,高程", "EPSG:4547", True),
        ("BSM,X,Y,H", "EPSG:4547", False),
        ("BSM,x,y,z", "EPSG:4526", False),
        ("BSM,X,Y,Z", "EPSG:32650", True),
        ("BSM,X,Y,Z", "EPSG:4490", True),
    ],
)
def test_csv_axes_follow_names_and_the_crs(
    tmp_path: Path, header: str, crs: str, east_first: bool
) -> None:
    path = tmp_path / "points.csv"
    path.write_text(f"{header}\n{CSV_ROWS}", encoding="gb18030")
    info, table, shapes = read(path, crs=resolve(crs))
    x, y = (530925.1, 3302420.193) if east_first else (3302420.193, 530925.1)
    assert (shapes[0].x, shapes[0].y, shapes[0].z) == (x, y, 12.5)
    assert shapes[2] is None
    assert table["BSM"].to_pylist() == ["P1", "P2", "P3"]
    assert any("northing" in note for note in info.notes) is not east_first


def test_csv_with_wkt_quotes_line_breaks_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "wkt.csv"
    path.write_text(
        'id,name,geometry\n1,"two\nlines, one name",POINT(1 2)\n2,咸宁,POINT(bad\n',
        encoding="utf-8-sig",
    )
    info, table, shapes = read(path)
    assert info.columns == ("id", "name", "geometry")
    assert table["name"].to_pylist() == ["two\nlines, one name", "咸宁"]
    assert [shape and shape.wkt for shape in shapes] == ["POINT (1 2)", None]


def test_csv_positions_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("id,北,东\n1,29.8,114.3\n", encoding="utf-8")
    with pytest.raises(LoadRefused, match="no coordinate columns are recognised"):
        read(path)
    named = CoordinateColumns(x="北", y="东", order="ne")
    assert read(path, coordinates=named)[2][0].x == 114.3
    with pytest.raises(LoadRefused, match="has no column 'E'; it has id, 北, 东"):
        read(path, coordinates=CoordinateColumns(x="E", y="N"))


def test_a_csv_row_of_another_width_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("id,lon,lat\n1,114,29\n2,114\n", encoding="utf-8")
    with pytest.raises(LoadRefused, match="is broken"):
        read(path)


def test_a_shapefile_without_its_companions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.shp"
    geopandas.GeoDataFrame(plots(2)).to_file(path)
    path.with_suffix(".dbf").unlink()
    with pytest.raises(LoadRefused, match=r"its \.dbf file is missing"):
        read(path)
