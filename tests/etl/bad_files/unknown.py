"""Files that are not what their names say, and things that are no files."""

import json
import os
import zipfile
from pathlib import Path

from tests.etl.bad_files.case import BadFile, Maker, content

VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="passwd"><SrcDataSource>CSV:/etc/passwd'
    "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
)
PIPELINE = json.dumps(
    {"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read /etc/passwd"}
)


def _nothing(folder: Path) -> Path:
    return folder / "missing.gpkg"


def _empty_folder(folder: Path) -> Path:
    (folder / "survey").mkdir()
    return folder / "survey"


def _folder_named_like_a_file(folder: Path) -> Path:
    (folder / "parcels.shp").mkdir()
    return folder / "parcels.shp"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "parcels.csv")
    return folder / "parcels.csv"


def _link(name: str, target: str) -> Maker:
    def make(folder: Path) -> Path:
        (folder / name).symlink_to(target)
        return folder / name

    return make


def _zip_named_shapefile(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "parcels.shp", "w") as archive:
        archive.writestr("a", b"x")
    return folder / "parcels.shp"


def _folder_of_links(folder: Path) -> Path:
    (folder / "survey").mkdir()
    (folder / "survey" / "hosts.csv").symlink_to("/etc/hosts")
    return folder / "survey"


_POINTS_ELSEWHERE = "holds no survey but points elsewhere"

UNKNOWN = (
    BadFile("no such file", _nothing, "there is no such file"),
    BadFile("empty folder", _empty_folder, "holds no data set"),
    BadFile("folder named like a file", _folder_named_like_a_file, "holds no data set"),
    BadFile("folder of links to elsewhere", _folder_of_links, "holds no data set"),
    BadFile("named pipe", _pipe, "is neither a file nor a folder"),
    BadFile("device", _link("parcels.geojson", "/dev/zero"), "is neither a file nor a folder"),
    BadFile("link to nowhere", _link("parcels.gpkg", "nowhere"), "there is no such file"),
    BadFile("unreadable file", _link("parcels.gpkg", "/proc/self/mem"), "cannot be read: "),
    *(
        BadFile(f"empty {suffix}", content(f"parcels{suffix}", b""), "the file is empty")
        for suffix in (".shp", ".gpkg", ".geojson", ".csv", ".xlsx", ".kml", ".parquet", ".fgb")
    ),
    BadFile("PDF named Shapefile", content("parcels.shp", b"%PDF-1.7\n"), "it is a PDF document"),
    BadFile("ZIP named Shapefile", _zip_named_shapefile, "it is a ZIP archive"),
    BadFile("program named GeoPackage", content("p.gpkg", b"\x7fELF\2\1\1"), "it is a program"),
    BadFile("web page named GeoJSON", content("p.geojson", "<!doctype html><html>404"),
            "is not GeoJSON, as its name says: it is HTML"),
    BadFile("drawing of a CAD system", content("p.dwg", b"AC1032\0\0"), "an AutoCAD drawing"),
    BadFile("notes", content("readme.md", "# 说明\n"), "its format is not known: it is text"),
    *(
        BadFile(f"virtual data set named {suffix}", content(f"p{suffix}", VRT), _POINTS_ELSEWHERE)
        for suffix in (".gml", ".gpkg", ".geojson", ".shp", ".kml")
    ),
    BadFile("pipeline named GeoJSON", content("p.json", PIPELINE), _POINTS_ELSEWHERE),
    BadFile("virtual raster named GML", content("p.gml", "<VRTDataset/>"), _POINTS_ELSEWHERE),
)  # fmt: skip
