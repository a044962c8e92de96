"""Real files of many departments, through their mappings into a real PostGIS and back.

The files lie beside the repository (``../shared/realdata``, or where ``ONEMAP_REALDATA`` says) and
are not part of it: without them, and only then, these tests are skipped.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import mapbox_vector_tile
import morecantile
import numpy as np
import pytest
import shapely
from pydantic import SecretStr
from sqlalchemy import text

from etl.load import LoadRequest, load
from etl.mapping import read_mapping
from etl.report import LoadReport
from etl.settings import EtlSettings
from gis.datum_offsets import wgs_to_gcj
from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from layers.errors import LoadRefused
from layers.feature_query import FeatureQuery
from layers.reading import CityReader, FeaturePage, LayerExtent
from layers.settings import LayersSettings
from layers.store import Store
from tests.database import connected
from tiles.registry import tile_formats
from tiles.rendering import TileRenderer
from tiles.request import TileRequest
from tiles.tileset import layer_tiles

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "data" / "mappings"
FILES = Path(os.environ.get("ONEMAP_REALDATA", ROOT.parent / "shared" / "realdata"))

pytestmark = pytest.mark.skipif(
    not FILES.is_dir(), reason=f"the real files are not here: there is no folder {FILES}"
)


@dataclass(frozen=True)
class Real:
    """A real file and what is known of it: rows, and rows that must be refused."""

    file: str
    rows: int
    bad: int
    repaired: int
    #: west, south, east, north of its features, degrees, by the folder's own description.
    box: tuple[float, float, float, float]
    format: str


SWELLENDAM = (19.9, -34.5, 20.9, -33.7)
SAN_JOSE = (-122.1, 37.1, -121.6, 37.5)
KENTUCKY = (-89.6, 36.4, -81.9, 39.2)
XIANNING = (113.4, 28.9, 115.1, 30.4)
MONACO = (7.3, 43.6, 7.6, 43.9)
HUBEI = (108.2, 28.9, 116.3, 33.4)

REAL = {
    "china_prefectures": Real("china/chn_admin_level2/chn_admin_level2.shp", 361, 0, 0,
                              (73.0, 17.0, 136.0, 54.5), "Shapefile"),
    "delft_buildings": Real("city3d/delft.city.json", 160, 0, 0,
                            (4.3, 51.9, 4.5, 52.1), "CityJSON"),
    "dutch_addresses": Real("addresses/dutch_addresses_28992.gpkg", 2481, 0, 0,
                            (5.5, 52.0, 5.9, 52.2), "GeoPackage"),
    "finland_forest_stands": Real("landuse/forest_stands_2012/forest_stands_2012.shp", 74, 0, 0,
                                  (24.0, 61.0, 26.0, 61.5), "Shapefile"),
    "heilongjiang": Real("china/chinese_poly_gbk/chinese_poly.shp", 1, 0, 0,
                         (121.0, 43.0, 136.0, 54.0), "Shapefile"),
    "hubei_cgcs2000": Real("china/derived_hubei_cgcs2000_gbk", 17, 0, 0, HUBEI, "Shapefile"),
    "hubei_cities": Real("china/hubei_cities_420000.geojson", 17, 0, 12, HUBEI, "GeoJSON"),
    "ky10_landslides": Real("hazards/ky10_landslide_data.geojson", 1927, 0, 0, KENTUCKY,
                            "GeoJSON"),
    "ky4_junctions": Real("pipelines/water/ky4_junctions.geojson", 959, 0, 0, KENTUCKY, "GeoJSON"),
    "ky4_pipes": Real("pipelines/water/ky4_pipes.geojson", 1156, 30, 0, KENTUCKY, "GeoJSON"),
    "monaco_buildings": Real("osm/monaco-latest.osm.pbf", 1207, 0, 1, MONACO, "OpenStreetMap"),
    "monaco_roads": Real("osm/monaco-latest.osm.pbf", 2361, 0, 0, MONACO, "OpenStreetMap"),
    "mrds_tungsten": Real("minerals/usgs_mrds_tungsten_us.csv", 1694, 0, 0,
                          (-120.0, 35.9, -116.0, 41.9), "CSV"),
    "nasa_landslides": Real("hazards/nasa_global_landslide_catalog.csv", 11032, 122, 0,
                            (-180.0, -90.0, 180.0, 90.0), "CSV"),
    "sanjose_sewer_mains": Real("pipelines/sanjose/Sanitary_Main.zip", 45954, 573, 0, SAN_JOSE,
                                "Shapefile"),
    "sanjose_sewer_manholes": Real("pipelines/sanjose/Sanitary_Manhole.zip", 44432, 7, 0, SAN_JOSE,
                                   "Shapefile"),
    "sanjose_zoning": Real("landuse/sanjose/Zoning.zip", 4239, 0, 0, SAN_JOSE, "Shapefile"),
    "slovenia_land_use": Real("landuse/slovenia_lulc.gpkg", 88, 0, 0, (14.0, 45.5, 15.0, 46.0),
                              "GeoPackage"),
    "swellendam_farms": Real("cadastre/swellendam_farms/farms_33S.shp", 2008, 0, 16, SWELLENDAM,
                             "Shapefile"),
    "swellendam_osm_buildings": Real("landuse/swellendam_training_data.gpkg", 4708, 3, 0,
                                     SWELLENDAM, "GeoPackage"),
    "swellendam_osm_roads": Real("landuse/swellendam_training_data.gpkg", 717, 0, 0, SWELLENDAM,
                                 "GeoPackage"),
    "swellendam_restaurants": Real("landuse/swellendam_training_data.gpkg", 11, 0, 0, SWELLENDAM,
                                   "GeoPackage"),
    "swellendam_roads": Real("cadastre/swellendam_farms/roads_33S.shp", 345, 0, 0, SWELLENDAM,
                             "Shapefile"),
    "usgs_lithium": Real("minerals/usgs_lithium/Loc_Pt.csv", 61, 0, 0,
                         (-118.2, 33.0, -81.2, 42.0), "CSV"),
    "virginia_buildings": Real("raster/elevation_dsm_dtm/buildings.shp", 84, 0, 0,
                               (-77.1, 38.79, -77.0, 38.82), "Shapefile"),
    "xianning_cgcs2000": Real("china/derived_xianning_cgcs2000_gbk_nocpg", 6, 0, 1, XIANNING,
                              "Shapefile"),
    "xianning_counties": Real("china/xianning_counties_421200.geojson", 6, 0, 1, XIANNING,
                              "GeoJSON"),
    "xianning_zone38": Real("china/derived_xianning_cgcs2000_zone38.gpkg", 6, 0, 1, XIANNING,
                            "GeoPackage"),
}  # fmt: skip

#: Mappings of files that others make, tried in the tests of their formats.
ELSEWHERE = {"plot_exchange"}


@pytest.fixture
def store(city_database: str, city: Catalogue) -> Iterator[Store]:
    opened = Store(city_database, city)
    yield opened
    opened.close()


Loader = Callable[[str], LoadReport]


@pytest.fixture
def load_real(store: Store, city: Catalogue) -> Loader:
    """Return a function that loads a real file through the mapping of that name."""

    def run(name: str) -> LoadReport:
        request = LoadRequest(FILES / REAL[name].file, mapping=MAPPINGS / f"{name}.yaml")
        return load(request, store, city, EtlSettings())

    return run


async def look(
    url: str, city: Catalogue, query: FeatureQuery
) -> tuple[FeaturePage, LayerExtent, dict[str, Any], tuple[int, int, int]]:
    """Read some features, the layer's extent, and the deepest tile on the first feature."""
    reader = await CityReader.open(LayersSettings(database_url=SecretStr(url)), city)
    try:
        page = await reader.page(query)
        extent = await reader.extent(query.layer, ANONYMOUS)
        shape = shapely.from_geojson(page.features[0].geometry_json)
        spot = shape if shape.geom_type == "Point" else shapely.point_on_surface(shape)
        tiles = layer_tiles(query.layer)
        cell = morecantile.tms.get("WebMercatorQuad").tile(spot.x, spot.y, tiles.max_zoom)
        place = (cell.z, cell.x, cell.y)
        renderer = TileRenderer(reader, tile_formats()["mvt"])
        content = (await renderer.render(TileRequest(tiles, place, at=query.at))).data
        return page, extent, mapbox_vector_tile.decode(content), place
    finally:
        await reader.close()


def test_every_mapping_is_tried_and_of_a_known_layer(city: Catalogue) -> None:
    assert {path.stem for path in MAPPINGS.glob("*.yaml")} == set(REAL) | ELSEWHERE
    for name in REAL:
        mapping = read_mapping(MAPPINGS / f"{name}.yaml")
        assert set(mapping.fields) <= set(city.layer(mapping.layer).field_names)


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_real_file_is_loaded_and_read_back(
    name: str, load_real: Loader, city: Catalogue, city_database: str
) -> None:
    known = REAL[name]
    report = load_real(name)
    assert (report.rows, report.bad) == (known.rows, known.bad)
    # Rings that touch themselves may cross by the last bit of a transformed position.
    assert known.repaired <= report.repaired <= known.repaired + known.repaired // 4
    assert report.format == known.format
    assert report.outcome is not None
    assert report.outcome.added == report.good == known.rows - known.bad
    layer = city.layer(report.layer)
    inside = FeatureQuery(layer=layer, bbox=known.box, at=report.valid_from, limit=5)
    page, extent, tile, place = asyncio.run(look(city_database, city, inside))
    assert len(page.features) == min(5, report.good)
    assert extent.count == report.good
    seen = {feature["id"]: feature["properties"] for feature in tile[layer.name]["features"]}
    first = page.features[0]
    assert first.id in seen, f"tile {place} has not feature {first.id}"
    for name in layer.key:
        assert str(seen[first.id][name]) == str(first.properties[name])
    with connected(city_database) as connection:
        outside, invalid, kept = connection.execute(
            text(
                f"SELECT count(*) FILTER (WHERE NOT geom && ST_MakeEnvelope(:w,:s,:e,:n,4490)),"  # noqa: S608
                f" count(*) FILTER (WHERE NOT ST_IsValid(geom)),"
                f" (SELECT count(*) FROM onemap.quarantine) FROM city.{report.layer}"
            ),
            dict(zip("wsen", known.box, strict=True)),
        ).one()
    assert (outside, invalid, kept) == (0, 0, known.bad)


def test_chinese_names_are_right_whatever_the_encoding(
    load_real: Loader, city_database: str
) -> None:
    for name in ("xianning_counties", "xianning_cgcs2000", "xianning_zone38", "heilongjiang"):
        load_real(name)
    with connected(city_database) as connection:
        names = connection.execute(
            text("SELECT array_agg(DISTINCT name ORDER BY name) FROM city.admin_division")
        ).scalar_one()
    assert set(names) == {
        "咸安区", "嘉鱼县", "通城县", "崇阳县", "通山县", "赤壁市", "黑龙江省",
    }  # fmt: skip


def test_one_survey_in_two_projections_lies_in_one_place(
    load_real: Loader, city_database: str
) -> None:
    load_real("xianning_cgcs2000")
    again = load_real("xianning_zone38")
    assert again.outcome is not None
    assert again.outcome.changed + again.outcome.unchanged == 6
    with connected(city_database) as connection:
        apart = connection.execute(
            text(
                "SELECT max(ST_HausdorffDistance(a.geom, b.geom)) FROM city.admin_division a"
                " JOIN city.admin_division b USING (feature_id) WHERE a.version <> b.version"
            )
        ).scalar()
    assert (apart or 0.0) < 1e-9


def test_a_web_map_s_shift_is_suspected_where_the_map_is_good_enough_to_tell(
    load_real: Loader, city: Catalogue, city_database: str, tmp_path: Path
) -> None:
    def suspicion(report: LoadReport) -> list[str]:
        return [note for note in report.notes if note.startswith("datum: ")]

    # Two kilometres from the other boundaries, neither with the shift undone nor without it near.
    load_real("china_prefectures")
    assert suspicion(load_real("xianning_counties")) == []
    counties = geopandas.read_file(FILES / "china" / "xianning_counties_421200.geojson")
    shifted = counties.geometry.transform(
        lambda at: np.column_stack(wgs_to_gcj(at[:, 0], at[:, 1])), include_z=False
    )
    file = tmp_path / "shifted.geojson"
    counties[["adcode", "name"]].set_geometry(shifted, crs=4490).to_file(file)
    mapping = MAPPINGS / "xianning_counties.yaml"
    store = Store(city_database, city)
    request = LoadRequest(file, mapping=mapping, dry_run=True)
    report = load(request, store, city, EtlSettings())
    store.close()
    (note,) = suspicion(report)
    assert "the positions look like GCJ-02" in note
    assert "0 m if they are taken as GCJ-02 (--crs GCJ-02)" in note


@pytest.mark.parametrize(
    ("file", "layer", "crs", "message"),
    [
        ("bad/empty_zipfile.zip", "land_parcel", None, "holds no data set"),
        ("bad/invalid_json_sample.json", "land_parcel", None, "cannot be read as GeoJSON"),
        ("bad/null_crs_gdal.gpkg", "land_parcel", None, "give it with --crs"),
        ("bad/dltb_xian1980_wrong_place/DLTB.shp", "land_parcel", None, "Xi'an 1980"),
        ("bad/dltb_xian1980_wrong_place/DLTB.shp", "land_parcel", "EPSG:4547",
         "no column is known for the required fields bsm, dlbm"),
        ("bad/corrupt_too_long/corrupt_too_long.shp", "road", None, "give it with --crs"),
        ("bad/data_corruption_error/data_corruption_error.shp", "road", None,
         "give it with --crs"),
        ("bad/duplicate_fields.dbf", "road", None, "its format is not known"),
        ("bad/geos_TestValid.xml", "road", None, "its format is not known"),
        ("survey/sanjose_benchmark.geojson", "place_name", None,
         "no column is known for the required"),
        ("landuse/swellendam_training_data.gpkg", "road", None, "say --source-layer"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_one_clear_line(
    file: str, layer: str, crs: str | None, message: str, store: Store, city: Catalogue,
    city_database: str,
) -> None:  # fmt: skip
    request = LoadRequest(FILES / file, layer=layer, crs=crs)
    with pytest.raises(LoadRefused) as refused:
        load(request, store, city, EtlSettings())
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert store.last_version(layer) == 0


@pytest.mark.parametrize("name", ["corrupt_too_long", "data_corruption_error"])
def test_a_damaged_shapefile_that_still_reads_is_loaded(
    tmp_path: Path, store: Store, city: Catalogue, name: str
) -> None:
    mapping = tmp_path / "damaged.yaml"
    mapping.write_text(
        "layer: road\nsource: a damaged Shapefile\nanywhere: true\n"
        "fields: {road_id: {template: '{row}'}, road_class: {constant: path}}\n"
    )
    request = LoadRequest(FILES / f"bad/{name}/{name}.shp", mapping=mapping, crs="EPSG:3857")
    report = load(request, store, city, EtlSettings())
    assert report.good == {"corrupt_too_long": 10, "data_corruption_error": 8}[name]


def test_feet_that_pass_for_degrees_are_refused_with_a_hint(
    tmp_path: Path, store: Store, city: Catalogue
) -> None:
    mapping = tmp_path / "benchmarks.yaml"
    mapping.write_text(
        "layer: place_name\nsource: San José benchmarks\n"
        "fields: {place_id: PID, name: PID, kind: {constant: locality}}\n"
    )
    request = LoadRequest(FILES / "survey/sanjose_benchmark.geojson", mapping=mapping)
    with pytest.raises(LoadRefused, match="not degrees: say the projected CRS with --crs"):
        load(request, store, city, EtlSettings())
    report = load(
        LoadRequest(FILES / "survey/sanjose_benchmark.geojson", mapping=mapping, crs="2227"),
        store, city, EtlSettings(),
    )  # fmt: skip
    assert report.good >= 650
