"""The tools that planners have read every layer: GDAL's OAPIF driver and OWSLib."""

import subprocess

import httpx
import pyogrio
import pytest
from owslib.ogcapi.features import Features

from tests.api.town import COLUMNS, ROWS

COUNTS = {"bare": 0, "lamp": 120, "lane": 10, "plot": COLUMNS * ROWS}


def ogrinfo(*arguments: str) -> str:
    done = subprocess.run(
        ["ogrinfo", "-ro", *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    assert "ERROR" not in done.stderr, done.stderr
    return done.stdout


def test_gdal_lists_every_layer(town: str) -> None:
    listed = ogrinfo(f"OAPIF:{town}/api")
    for number, name in enumerate(COUNTS, start=1):
        assert f"{number}: {name} " in listed


@pytest.mark.parametrize(("layer", "count"), COUNTS.items())
def test_gdal_reads_a_layer_whole(town: str, layer: str, count: int) -> None:
    told = ogrinfo(f"OAPIF:{town}/api", layer, "-so")
    assert f"Feature Count: {count}" in told
    read = ogrinfo("-oo", "PAGE_SIZE=100", "-q", f"OAPIF:{town}/api", layer)
    assert read.count(f"OGRFeature({layer})") == count


def test_gdal_takes_the_types_of_fields_from_the_schema(town: str) -> None:
    told = ogrinfo(f"OAPIF:{town}/api", "lamp", "-so")
    for line in (
        "zone: String",
        "number: Integer",
        "height: Real",
        "lit: Integer(Boolean)",
        "built: Date",
        "checked: DateTime",
        "kind: String",
    ):
        assert line in told


def test_gdal_reads_by_box(town: str) -> None:
    box = ("-spat", "114.3061", "29.8441", "114.3079", "29.8459")
    read = ogrinfo("-q", *box, f"OAPIF:{town}/api", "plot")
    assert read.count("OGRFeature(plot)") == 1
    assert "code (String) = P0203" in read


def test_a_page_of_features_is_geojson_to_gdal(client: httpx.Client) -> None:
    answer = client.get("/api/collections/lane/items", params={"limit": 100})
    table = pyogrio.read_dataframe(answer.content)
    assert len(table) == 10
    assert table.geometry.has_z.all()


@pytest.mark.parametrize(("layer", "count"), COUNTS.items())
def test_owslib_reads_every_layer(town: str, layer: str, count: int) -> None:
    service = Features(f"{town}/api")
    assert sorted(service.feature_collections()) == sorted(COUNTS)
    assert service.collection(layer)["id"] == layer
    assert service.collection_queryables(layer)["type"] == "object"
    page = service.collection_items(layer, limit=1000)
    assert (page["numberMatched"], len(page["features"])) == (count, count)
    if count:
        feature = page["features"][0]
        assert service.collection_item(layer, str(feature["id"]))["id"] == feature["id"]


def test_owslib_finds_conformance_and_definition(town: str) -> None:
    service = Features(f"{town}/api")
    assert any(entry.endswith("conf/core") for entry in service.conformance()["conformsTo"])
    assert service.api()["openapi"].startswith("3.0")
