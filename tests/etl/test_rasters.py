"""Rasters: footprints of valid pixels, facts, and what must not be believed."""

import datetime
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from etl.load import LoadRequest, load
from etl.settings import EtlSettings
from gis.crs import resolve
from layers.catalogue import Catalogue
from layers.errors import LoadRefused
from layers.store import Store
from tests.etl.real import FILES, needs_real_files
from tests.etl.sources import read_source


def from_origin(west: float, north: float, width: float, height: float) -> Affine:
    return Affine(width, 0, west, 0, -height, north)


PLACE = from_origin(530_000, 3_303_000, 2.0, 2.0)


def write(folder: Path, data: Any, name: str = "a.tif", **profile: Any) -> Path:
    path = folder / name
    bands = data if data.ndim == 3 else data[np.newaxis]
    settings = {
        "driver": "GTiff", "count": bands.shape[0], "height": bands.shape[1],
        "width": bands.shape[2], "dtype": str(bands.dtype), "crs": "EPSG:4547",
        "transform": PLACE, **profile,
    }  # fmt: skip
    tags = settings.pop("tags", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **settings) as raster:
            raster.write(bands)
            raster.update_tags(**tags)
    return path


def image(height: int = 300, width: int = 400, value: int = 90) -> Any:
    return np.full((3, height, width), value, dtype=np.uint8)


def test_a_whole_image_is_its_frame_with_its_facts(tmp_path: Path) -> None:
    path = write(tmp_path, image(), "GF2_PMS_20160812_xianan.tif")
    found = read_source(path)
    row = found.table.to_pylist()[0]
    assert (found.info.format, found.info.crs, found.info.features) == ("Raster", "EPSG:4547", 1)
    assert found.shapes[0].bounds == (530_000, 3_302_400, 530_800, 3_303_000)
    assert found.shapes[0].area == pytest.approx(800 * 600)
    assert row["acquired"] == datetime.date(2016, 8, 12)
    assert (row["sensor"], row["kind"], row["raster_kind"]) == ("GF-2", "satellite", "image")
    assert (row["gsd"], row["bands"], row["width"], row["height"]) == (2.0, "3", 400, 300)
    assert (row["min"], row["max"], row["mean"], row["valid_share"]) == (90, 90, 90, 1)
    assert row["scene_id"] == "GF2_PMS_20160812_xianan"
    assert len(row["checksum"]) == 64


@pytest.mark.parametrize("how", ["nodata", "alpha", "nan", "mask"])
def test_the_footprint_leaves_out_what_is_no_data(tmp_path: Path, how: str) -> None:
    valid = np.zeros((1000, 1200), dtype=bool)
    valid[100:900, 200:1100] = True
    valid[400:500, 500:600] = False
    valid[0, 0] = True
    if how == "nan":
        path = write(tmp_path, np.where(valid, 40.0, np.nan).astype(np.float32))
    elif how == "alpha":
        bands = np.stack([np.full(valid.shape, 9, np.uint8), valid.astype(np.uint8) * 255])
        path = write(tmp_path, bands, photometric="MINISBLACK", alpha="YES")
    elif how == "mask":
        path = write(tmp_path, np.full(valid.shape, 9, dtype=np.uint8))
        with rasterio.open(path, "r+") as raster:
            raster.write_mask(valid)
    else:
        path = write(tmp_path, np.where(valid, 40, -9999).astype(np.int16), nodata=-9999)
    found = read_source(path)
    shape = found.shapes[0]
    assert shape.is_valid
    assert shape.geom_type == "Polygon"
    assert len(shape.interiors) == 1
    assert shape.area == pytest.approx(4 * (800 * 900 - 100 * 100), rel=0.02)
    assert shapely.get_num_coordinates(shape) < 200
    assert found.table.to_pylist()[0]["valid_share"] == pytest.approx(0.592, abs=0.01)


def test_resolution_is_in_metres_and_dates_come_from_tags(tmp_path: Path) -> None:
    degrees = from_origin(114.3, 29.9, 1e-5, 1e-5)
    tags = {"TIFFTAG_DATETIME": "2014:05:03 10:00:00"}
    path = write(tmp_path, image(), crs="EPSG:4490", transform=degrees, tags=tags)
    row = read_source(path).table.to_pylist()[0]
    assert row["gsd"] == pytest.approx(1.0366, abs=0.001)
    assert row["acquired"] == datetime.date(2014, 5, 3)
    path = write(tmp_path, image(), "year_1985.tif", crs="EPSG:2227",
                 transform=from_origin(6_100_000, 1_900_000, 3, 3))  # fmt: skip
    row = read_source(path).table.to_pylist()[0]
    assert row["gsd"] == pytest.approx(0.9144, abs=1e-4)
    assert row["acquired"] is None


DEM = np.linspace(20, 900, 120_000, dtype=np.float32).reshape(300, 400)


@pytest.mark.parametrize(
    ("data", "profile", "name", "rule", "says"),
    [
        (DEM, {"transform": Affine.identity()}, "dem.tif", "raster_georeference", "has no georef"),
        (DEM, {"transform": Affine(2, 1.9, 530000, 0, -2, 3303000)}, "dem.tif",
         "raster_georeference", "do not meet at right angles"),
        (DEM, {"transform": Affine(2, 0, 530000, 0, -60, 3303000)}, "dem.tif",
         "raster_pixel_size", "measure 2 by 60, which no sensor gives"),
        (DEM, {"transform": from_origin(1, 2, 1e-5, 1e-5)}, "dem.tif",
         "raster_pixel_size", "measure 1e-05 m on the ground: does it lie in CGCS2000"),
        (np.where(DEM < 100, -9999, DEM), {}, "dem.tif", "raster_elevations",
         "run from -9999 to 900 m"),
        (np.full_like(DEM, -9999), {"nodata": -9999}, "dem.tif", "raster_empty", "no valid pixel"),
    ],
)  # fmt: skip
def test_rasters_that_cannot_be_right(
    tmp_path: Path, data: Any, profile: dict[str, Any], name: str, rule: str, says: str
) -> None:
    found = read_source(write(tmp_path, data, name, **profile))
    assert [problem.rule for problem in found.problems.values()] == [rule]
    assert says in found.problems[1].message


def test_a_rotated_scan_is_right_if_it_is_not_sheared(tmp_path: Path) -> None:
    turned = PLACE @ Affine.rotation(20)
    found = read_source(write(tmp_path, image(), transform=turned))
    assert found.problems == {}
    assert found.shapes[0].area == pytest.approx(800 * 600)


def test_truncated_and_false_rasters(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 5, (3, 700, 700), dtype=np.uint8)
    path = write(tmp_path, noise, tiled=True, blockxsize=256, blockysize=256, compress="lzw")
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + noise.tobytes()[:50_000] + whole[half + 50_000 :])
    found = read_source(path)
    assert found.problems[1].rule == "raster_blocks"
    assert "cannot be read" in found.problems[1].message
    os.truncate(path, half)
    with pytest.raises(LoadRefused, match="cannot be read as a raster"):
        read_source(path)
    path.write_bytes(b"II*\0garbage")
    with pytest.raises(LoadRefused, match="cannot be read as a raster"):
        read_source(path)


def test_other_drivers_cannot_be_smuggled_in(tmp_path: Path) -> None:
    inner = write(tmp_path, image(), "secret.tif")
    path = tmp_path / "vrt.tif"
    path.write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="3"><VRTRasterBand dataType="Byte" band="1">'
        f"<SimpleSource><SourceFilename>{inner}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(LoadRefused, match="points elsewhere: it is not read"):
        read_source(path)


def test_an_ascii_grid_takes_its_crs_from_the_person(tmp_path: Path) -> None:
    path = tmp_path / "dem.asc"
    path.write_text(
        "ncols 3\nnrows 2\nxllcorner 530000\nyllcorner 3302000\ncellsize 25\nNODATA_value -9999\n"
        "1 2 3\n4 -9999 6\n"
    )
    assert read_source(path).info.crs is None
    found = read_source(path, crs=resolve("EPSG:4547"))
    row = found.table.to_pylist()[0]
    assert (row["gsd"], row["min"], row["max"], row["raster_kind"]) == (25, 1, 6, "elevation")
    assert found.shapes[0].bounds == (530_000, 3_302_000, 530_075, 3_302_050)


def test_a_folder_of_rasters_in_several_crss(tmp_path: Path) -> None:
    folder = tmp_path / "imagery"
    (folder / "sub").mkdir(parents=True)
    write(folder, image(), "a.tif")
    write(folder, image(), "b.tif", crs="EPSG:4490", transform=from_origin(114.3, 29.9, 1e-5, 1e-5))
    write(folder / "sub", image(), "c.tif", crs=None)
    write(folder, image(), "d.tif", crs="EPSG:2383")
    (folder / "e.tif").write_bytes(b"II*\0garbage")
    (folder / "a.tfw").write_text("2\n0\n0\n-2\n530001\n3302999\n")
    found = read_source(folder)
    assert found.info.crs == "EPSG:4490"
    assert found.info.parts == ("a.tif", "b.tif", "d.tif", "e.tif", "sub/c.tif")
    assert {row: problem.rule for row, problem in found.problems.items()} == {
        3: "raster_crs", 4: "raster_unreadable", 5: "raster_crs",
    }  # fmt: skip
    assert "Xi'an 1980" in found.problems[3].message
    assert found.shapes[0].centroid.distance(shapely.Point(114.3145, 29.8425)) < 0.003
    assert found.shapes[1].bounds == pytest.approx((114.3, 29.897, 114.304, 29.9))


def test_scenes_load_into_their_layer(tmp_path: Path, city_database: str, city: Catalogue) -> None:
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        for name in ("S2A_20200501.tif", "uav_20200502.tif"):
            archive.write(write(tmp_path, image(), name), f"影像/{name}")
    store = Store(city_database, city)
    try:
        report = load(
            LoadRequest(tmp_path / "scenes.zip", "imagery_scene"), store, city, EtlSettings()
        )
        bare = write(tmp_path, image(), "bare_20200101.tif", crs=None)
        with pytest.raises(LoadRefused, match="give it with --crs"):
            load(LoadRequest(bare, "imagery_scene"), store, city, EtlSettings())
    finally:
        store.close()
    assert (report.good, report.bad) == (2, 0)


@needs_real_files
@pytest.mark.parametrize(
    ("file", "kind", "gsd", "low", "high"),
    [
        ("dem/N43E007.hgt.zip", "elevation", 79.0, -30, 2100),
        ("dem/ky4_elevation.tif", "elevation", 27.7, 117, 227),
        ("elevation_dsm_dtm/dsm.tif", "elevation", 2.0, 0, 60),
        ("swellendam/srtm_41_19_4326.tif", "elevation", 84.9, 0, 1700),
        ("swellendam/aerial_3320D_2010_315_RGB_LATLNG.tif", "image", 2.53, 0, 255),
        ("sentinel2/s2a_l2a_fishbourne.tif", "image", 10.0, 0, 20_000),
        ("pucallpa_landsat/landsat_2000.tif", "image", 89.5, 1, 255),
    ],
)
def test_real_rasters(file: str, kind: str, gsd: float, low: float, high: float) -> None:
    found = read_source(FILES / "raster" / file)
    row = found.table.to_pylist()[0]
    assert found.problems == {}
    assert row["raster_kind"] == kind
    assert row["gsd"] == pytest.approx(gsd, rel=0.01)
    assert low <= row["min"] < row["max"] <= high
    assert found.shapes[0].is_valid
    assert shapely.get_num_coordinates(found.shapes[0]) < 500


@needs_real_files
def test_real_bad_rasters() -> None:
    corrupt = read_source(FILES / "bad" / "corrupt.tif")
    assert corrupt.problems[1].rule == "raster_blocks"
    bare = read_source(FILES / "bad" / "no_crs.tif")
    assert bare.info.crs is None
