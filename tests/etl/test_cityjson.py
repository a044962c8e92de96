"""CityJSON: footprints and heights of buildings, and files that are broken."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import shapely

from etl.load import LoadRequest, load
from etl.settings import EtlSettings
from layers.catalogue import Catalogue
from layers.errors import LoadRefused
from layers.store import Store
from tests.etl.real import FILES, needs_real_files
from tests.etl.sources import read_source

E, N = 530_900_000, 3_302_400_000
#: A block 10 m by 10 m from 30 m to 42 m, in millimetres.
CORNERS = [
    [E + x, N + y, z] for z in (30_000, 42_000)
    for x, y in ((0, 0), (10_000, 0), (10_000, 10_000), (0, 10_000))
]  # fmt: skip
SHELL = [
    [[0, 3, 2, 1]], [[4, 5, 6, 7]], [[0, 1, 5, 4]], [[1, 2, 6, 5]], [[2, 3, 7, 6]], [[3, 0, 4, 7]],
]  # fmt: skip


def solid(lod: str = "2.2", **more: Any) -> dict[str, Any]:
    surfaces = [{"type": "GroundSurface"}, {"type": "RoofSurface"}, {"type": "WallSurface"}]
    semantics = {"surfaces": surfaces, "values": [[0, 1, 2, 2, 2, 2]]}
    return {"type": "Solid", "lod": lod, "boundaries": [SHELL], "semantics": semantics, **more}


def document(objects: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {
        "type": "CityJSON",
        "version": "2.0",
        "CityObjects": objects or {"B1": {"type": "Building", "geometry": [solid()]}},
        "vertices": CORNERS,
        "transform": {"scale": [0.001, 0.001, 0.001], "translate": [0, 0, 0]},
        "metadata": {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/4547"},
        **members,
    }


def write(folder: Path, content: Any, name: str = "a.city.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def test_a_building_is_its_ground_with_heights_and_storeys(tmp_path: Path) -> None:
    attributes = {
        "storeysAboveGround": 4, "storeysBelowGround": 1, "roofType": "flat", "name": "图书馆",
        "measuredHeight": {"value": 11.5, "uom": "m"}, "tags": ["a"],
    }  # fmt: skip
    building = {"type": "Building", "attributes": attributes, "geometry": [solid()]}
    found = read_source(
        write(tmp_path, document({"B1": building, "B2": {**building, "attributes": {}}}))
    )
    assert (found.info.format, found.info.crs, found.info.features) == ("CityJSON", "EPSG:4547", 2)
    first, second = found.table.to_pylist()
    assert {name: first[name] for name in ("building_id", "jzwgd", "base_elev", "dscs", "dxcs",
            "zcs", "roof_type", "name", "lod", "tags")} == {
        "building_id": "B1", "jzwgd": 11.5, "base_elev": 30.0, "dscs": 4, "dxcs": 1, "zcs": 5,
        "roof_type": "flat", "name": "图书馆", "lod": "LOD2", "tags": '["a"]',
    }  # fmt: skip
    assert (second["jzwgd"], second["zcs"]) == (12.0, None)
    assert found.shapes[0].equals(shapely.box(530900, 3302400, 530910, 3302410))


def test_lod0_comes_first_and_parts_are_united(tmp_path: Path) -> None:
    roof = [[4, 5, 6, 7]]
    footprint = {"type": "MultiSurface", "lod": "0", "boundaries": [[[0, 1, 2]]]}
    objects = {
        "P1": {"type": "BuildingPart", "parents": ["B1"], "geometry": [solid()]},
        "B1": {"type": "Building", "children": ["P1"], "geometry": [footprint]},
        "B2": {"type": "Building", "children": ["P2", "P3"]},
        "P2": {"type": "BuildingPart", "parents": ["B2"], "geometry": [
            {"type": "MultiSurface", "lod": "1", "boundaries": [[[0, 1, 2]]]}]},
        "P3": {"type": "BuildingPart", "parents": ["B2"], "geometry": [
            {"type": "CompositeSurface", "lod": "1", "boundaries": [[[4, 6, 7]], [[0, 1, 5, 4]]]}]},
        "B3": {"type": "Building", "geometry": [
            {"type": "MultiSolid", "lod": 1, "boundaries": [[SHELL]]}]},
        "B4": {"type": "Building", "geometry": []},
        "T": {"type": "CityFurniture", "geometry": [
            {"type": "MultiSurface", "lod": "1", "boundaries": [roof]}]},
    }  # fmt: skip
    found = read_source(write(tmp_path, document(objects)))
    assert found.problems == {}
    assert [shape and shape.area for shape in found.shapes] == [50, 100, 100, None]
    assert found.column("base_elev") == [30, 30, 30, None]
    assert found.column("lod") == ["LOD2", "LOD1", "LOD1", "LOD0"]
    other = read_source(write(tmp_path, document(objects)), layer="CityFurniture")
    assert (other.column("id"), other.column("z_min")) == (["T"], [42])
    with pytest.raises(LoadRefused, match=r"no objects of type 'Road'; it has Building \(4\), Ci"):
        read_source(write(tmp_path, document(objects)), layer="Road")


def test_a_sequence_of_features_is_streamed(tmp_path: Path) -> None:
    header = document({}, vertices=[])
    features = [
        {"type": "CityJSONFeature", "id": f"B{i}", "vertices": CORNERS,
         "CityObjects": {f"B{i}": {"type": "Building", "attributes": {f"a{i}": i},
                                   "geometry": [solid("1")]}}}
        for i in range(9)
    ]  # fmt: skip
    path = tmp_path / "a.city.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in [header, *features]) + "\n\n")
    found = read_source(path)
    assert found.column("building_id") == [f"B{i}" for i in range(9)]
    assert found.column("a8")[8] == "8"
    assert {shape.area for shape in found.shapes} == {100.0}
    path.write_text(path.read_text()[:-40])
    with pytest.raises(LoadRefused, match="line 10 is not JSON"):
        read_source(path)


@pytest.mark.parametrize(
    ("system", "crs"),
    [
        ("urn:ogc:def:crs:EPSG::7415", "EPSG:7415"),
        ("http://www.opengis.net/def/crs/EPSG/0/28992", "EPSG:28992"),
        ("urn:ogc:def:crs,crs:EPSG::4547,crs:EPSG::5737", "EPSG:4547+5737"),
        (None, None),
    ],
)
def test_the_crs_is_what_the_metadata_say(
    tmp_path: Path, system: str | None, crs: str | None
) -> None:
    path = write(tmp_path, document(version="1.1", metadata={"referenceSystem": system}))
    assert read_source(path).info.crs == crs


def test_version_1_0_needs_no_transform(tmp_path: Path) -> None:
    old = document(version="1.0", vertices=[[x / 1000 for x in corner] for corner in CORNERS])
    del old["transform"]
    old["CityObjects"]["B1"]["geometry"][0]["lod"] = 2
    assert read_source(write(tmp_path, old)).shapes[0].area == pytest.approx(100)


def broken(**change: Any) -> dict[str, Any]:
    return {"type": "Building", "geometry": [solid(**change)]}


@pytest.mark.parametrize(
    ("bad", "rule", "says"),
    [
        (broken(boundaries=[[[[0, 1, 99]]]]), "cityjson_index", "refers to vertex 99 of 8"),
        (broken(boundaries=[[[[0, 1, -1]]]]), "cityjson_index", "refers to vertex -1 of 8"),
        (broken(boundaries=[[[[0, 1, 1.5]]]]), "cityjson_index", "refers to vertex 1.5"),
        (broken(boundaries=[[[[0, 1]]]]), "cityjson_form", "a ring has fewer than 3 vertices"),
        (broken(boundaries=[[0, 1, 2]]), "cityjson_form", "a surface is not a list of rings"),
        (broken(boundaries=7), "cityjson_form", "not nested as its type demands"),
        (broken(boundaries=[]), "cityjson_form", "its Solid has no surface"),
        (broken(lod="fine"), "cityjson_form", "its level of detail is 'fine'"),
        ({"type": "Building", "geometry": [7]}, "cityjson_form", "a geometry is not an object"),
        ({"type": "Building", "geometry": 7}, "cityjson_form", "its geometry is not a list"),
        ({"type": "Building", "geometry": [{"type": "GeometryInstance"}]}, "cityjson_template",
         "is a template"),
        ({"type": "Building", "geometry": [solid("1"), solid("1")]}, "cityjson_lod",
         "several solids of level of detail 1"),
    ],
)  # fmt: skip
def test_a_broken_object_is_kept_apart(
    tmp_path: Path, bad: dict[str, Any], rule: str, says: str
) -> None:
    good = {"type": "Building", "geometry": [solid()]}
    found = read_source(write(tmp_path, document({"bad": bad, "good": good})))
    assert {row: problem.rule for row, problem in found.problems.items()} == {1: rule}
    assert found.problems[1].message.startswith("bad: ")
    assert says in found.problems[1].message
    assert found.shapes[1].area == 100


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": "0.9"}, "its version is '0.9'; versions 1.0 to 2.0 are read"),
        ({"type": "FeatureCollection"}, 'its type is "FeatureCollection", not CityJSON'),
        ({"transform": None}, "has no transform, which version 2.0 demands"),
        ({"transform": {"scale": [1, 1], "translate": [0, 0, 0]}}, "has no scale of three"),
        ({"transform": {"scale": [1, 1, 1], "translate": [0, 0, None]}}, "has no translate of"),
        ({"vertices": [[1, 2]]}, "its vertices are not triples of numbers"),
        ({"vertices": [[1, 2, "x"]]}, "its vertices are not triples of numbers"),
        ({"CityObjects": {}}, "holds no city objects"),
        ({"CityObjects": {"a": 5}}, "its object 'a' is not a JSON object"),
        ({"metadata": {"referenceSystem": "local"}}, "reference system is 'local', which is no"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = write(tmp_path, {**copy.deepcopy(document()), **change})
    with pytest.raises(LoadRefused, match=says):
        read_source(path)


def test_geojson_and_cityjson_are_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path, document(), "plain.json")
    assert read_source(path).info.format == "CityJSON"
    point = {"type": "Point", "coordinates": [114, 29]}
    feature = {"type": "Feature", "properties": {}, "geometry": point}
    path = write(tmp_path, {"type": "FeatureCollection", "features": [feature]}, "g.json")
    assert read_source(path).info.format == "GeoJSON"


def test_buildings_load(tmp_path: Path, city_database: str, city: Catalogue) -> None:
    store = Store(city_database, city)
    objects = {"B1": {"type": "Building", "geometry": [solid()]}, "B2": broken(boundaries=7)}
    path = write(tmp_path, document(objects))
    bare = write(tmp_path, document(objects, metadata={}), "bare.city.json")
    try:
        report = load(LoadRequest(path, "building", max_bad=0.5), store, city, EtlSettings())
        assert (report.good, report.bad, report.crs) == (1, 1, "EPSG:4547")
        with pytest.raises(LoadRefused, match="give it with --crs"):
            load(LoadRequest(bare, "building"), store, city, EtlSettings())
    finally:
        store.close()


@needs_real_files
def test_real_cities() -> None:
    delft = read_source(FILES / "city3d" / "delft.city.json")
    assert (delft.info.crs, len(delft.shapes), delft.problems) == ("EPSG:7415", 160, {})
    assert sum(shape.area for shape in delft.shapes) == pytest.approx(8654, abs=1)
    assert delft.table.slice(0, 1).to_pylist()[0]["jzwgd"] == 6.0
    west, south, east, north = shapely.total_bounds(delft.shapes)
    assert 84616 < west < east < 85141
    assert 447423 <= south < north <= 447751
    roads = read_source(FILES / "city3d" / "delft.city.json", layer="Road")
    assert len(roads.shapes) == 143
    rotterdam = read_source(FILES / "city3d" / "rotterdam_subset.city.json")
    assert (rotterdam.info.crs, len(rotterdam.shapes)) == (None, 16)
    assert all(shape.is_valid and shape.area > 1 for shape in rotterdam.shapes)


@needs_real_files
def test_real_bad_cities() -> None:
    with pytest.raises(LoadRefused, match="is not complete, valid JSON"):
        read_source(FILES / "bad" / "val3dity_with-errors.city.json")
    found = read_source(FILES / "bad" / "several_lods_invalid.city.json")
    assert [problem.rule for problem in found.problems.values()] == ["cityjson_lod"]
