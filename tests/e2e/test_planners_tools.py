"""What planners' tools see of the sample city: GDAL, OWSLib, and tiles against features."""

import json
import subprocess

import httpx
import mapbox_vector_tile
import morecantile
import pytest
import shapely
from owslib.ogcapi.features import Features

from tests.e2e.conftest import City

GRID = morecantile.tms.get("WebMercatorQuad")
#: Where the sample city is surveyed in detail.
CORE = (114.30, 29.83, 114.34, 29.86)


def test_every_layer_of_the_catalogue_holds_something(city: City, client: httpx.Client) -> None:
    empty = [
        name
        for name, layer in city.catalogue.layers.items()
        if layer.view is None
        and client.get(f"/api/collections/{name}/items?limit=1").json()["numberReturned"] == 0
    ]
    assert empty == []


def test_gdal_reads_every_collection(city: City) -> None:
    source = f"OAPIF:{city.url}/api"
    listed = subprocess.run(
        ["ogrinfo", "-ro", "-q", source], capture_output=True, text=True, check=True
    )
    for name in city.catalogue.layer_names:
        assert name in listed.stdout
        read = subprocess.run(
            ["ogrinfo", "-ro", "-so", source, name], capture_output=True, text=True, check=True
        )
        summary = read.stdout + read.stderr
        assert "ERROR" not in summary, summary
        layer = city.catalogue.layer(name)
        assert all(field in summary for field in layer.key), summary
        count = int(summary.split("Feature Count: ")[1].split()[0])
        assert count > 0 or layer.view is not None, summary


def test_gdal_copies_a_collection_whole(
    city: City, client: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("gdal") / "roads.gpkg"
    subprocess.run(
        ["ogr2ogr", str(target), f"OAPIF:{city.url}/api", "road"], check=True, capture_output=True
    )
    told = subprocess.run(
        ["ogrinfo", "-ro", "-so", "-json", str(target), "road"],
        capture_output=True,
        text=True,
        check=False,
    )
    matched = client.get("/api/collections/road/items?limit=1").json()["numberMatched"]
    summary = told.stdout if told.returncode == 0 else _plain_summary(str(target))
    assert str(matched) in summary


def _plain_summary(path: str) -> str:
    command = ["ogrinfo", "-ro", "-so", path, "road"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_owslib_reads_every_collection(city: City) -> None:
    service = Features(f"{city.url}/api/")
    assert set(service.feature_collections()) == set(city.catalogue.layer_names)
    for name in city.catalogue.layer_names:
        items = service.collection_items(name, limit=2)
        assert items["features"] or city.catalogue.layer(name).view is not None, name
        assert service.collection_queryables(name)["properties"]


def _ids_by_box(
    client: httpx.Client, layer: str, bounds: morecantile.BoundingBox, when: str
) -> set[int]:
    box = ",".join(f"{value:.9f}" for value in bounds)
    query = f"/api/collections/{layer}/items?bbox={box}&limit=10000{when}"
    return {feature["id"] for feature in client.get(query).json()["features"]}


@pytest.mark.parametrize("when", ["", "&datetime=2014-06-01"])
def test_tiles_agree_with_the_feature_api_by_id(
    city: City, client: httpx.Client, when: str
) -> None:
    compared = 0
    for tile in list(GRID.tiles(*CORE, [15]))[:6]:
        answer = client.get(f"/tiles/city/{tile.z}/{tile.x}/{tile.y}?{when.lstrip('&')}")
        assert answer.status_code == 200
        bounds = GRID.bounds(tile)
        inside = shapely.box(0, 0, 4096, 4096)
        for name, content in mapbox_vector_tile.decode(answer.content).items():
            # The tile's buffer holds neighbours that the box does not, and what only touches
            # the box may round to either side of its edge: those are left out of both sides.
            shapes = {f["id"]: shapely.geometry.shape(f["geometry"]) for f in content["features"]}
            within = {key for key, shape in shapes.items() if shape.distance(inside) == 0}
            clearly = {key for key, shape in shapes.items() if shape.intersects(inside.buffer(-2))}
            found = _ids_by_box(client, name, bounds, when)
            assert clearly <= found, (name, tile, clearly - found)
            missing = found - set(shapes)
            assert not _visible(client, name, missing, bounds, when), (name, tile, missing)
            assert len(within) > 0 or not clearly
            compared += len(clearly)
    assert compared > 500


def _visible(
    client: httpx.Client, layer: str, ids: set[int], bounds: morecantile.BoundingBox, when: str
) -> list[int]:
    """Those of ``ids`` that a tile of 4096 units must show: larger than two units within it."""
    unit = (bounds.right - bounds.left) / 4096
    box = shapely.box(*bounds)
    shown = []
    for feature_id in ids:
        answer = client.get(f"/api/collections/{layer}/items/{feature_id}?{when.lstrip('&')}")
        shape = shapely.force_2d(shapely.from_geojson(json.dumps(answer.json()["geometry"])))
        part = shape.intersection(box)
        large = part.area > (2 * unit) ** 2 or part.length > 4 * unit
        if large or (shape.geom_type == "Point" and part.within(box.buffer(-2 * unit))):
            shown.append(feature_id)
    return shown


def test_history_shows_in_every_answer(client: httpx.Client) -> None:
    tile = GRID.tile(114.325, 29.845, 13)
    address = f"/tiles/city/{tile.z}/{tile.x}/{tile.y}"
    past = mapbox_vector_tile.decode(client.get(f"{address}?datetime=2014-06-01").content)
    now = mapbox_vector_tile.decode(client.get(address).content)
    for layer in ("land_parcel", "road"):
        before = {feature["id"] for feature in past[layer]["features"]}
        after = {feature["id"] for feature in now[layer]["features"]}
        assert before - after or after - before, layer
    nothing = client.get(f"{address}?datetime=1990-01-01")
    assert nothing.status_code == 204
