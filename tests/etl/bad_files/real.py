"""Bad files that people really made, from beside the repository, where they are."""

from pathlib import Path

from tests.etl.bad_files.case import BadFile, Maker
from tests.etl.test_real_files import FILES


def _file(name: str) -> Maker:
    def use(folder: Path) -> Path:
        return FILES / "bad" / name

    return use


_NO_CRS = "give it with --crs"

REAL_FILES = (
    BadFile("real: zip without anything", _file("empty_zipfile.zip"), "holds no data set"),
    BadFile("real: GeoJSON with a syntax error", _file("invalid_json_sample.json"),
            "cannot be read as GeoJSON"),
    BadFile("real: GeoPackage without CRS", _file("null_crs_gdal.gpkg"), _NO_CRS),
    BadFile("real: Xi'an 1980 on the equator", _file("dltb_xian1980_wrong_place/DLTB.shp"),
            "Xi'an 1980"),
    BadFile("real: the same as CGCS2000", _file("dltb_xian1980_wrong_place/DLTB.shp"),
            "no column is known for the required field", options={"crs": "EPSG:4547"}),
    BadFile("real: Shapefile with a byte too much", _file("corrupt_too_long/corrupt_too_long.shp"),
            _NO_CRS),
    BadFile("real: Shapefile that readers reject",
            _file("data_corruption_error/data_corruption_error.shp"), _NO_CRS),
    BadFile("real: table without geometry", _file("duplicate_fields.dbf"),
            "its format is not known"),
    BadFile("real: XML of another kind", _file("geos_TestValid.xml"), "its format is not known"),
    BadFile("real: rings that cross", _file("invalid_rings.json"), "no column is known"),
    BadFile("real: CityJSON that ends too early", _file("val3dity_with-errors.city.json"),
            "is not complete, valid JSON"),
    BadFile("real: picture whose pixels are broken", _file("corrupt.tif"), "(it is a TIFF|tif)"),
    BadFile("real: picture without a place", _file("no_crs.tif"), "(it is a TIFF|tif)"),
    BadFile("real: model of a sewer", _file("invalid_swmm_model.inp"), "its format is not known"),
)  # fmt: skip
