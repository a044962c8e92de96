"""Damaged files of the trades' formats: plots, pipes, corners, city models, maps, drawings."""

import json
from pathlib import Path

import numpy as np
import rasterio

from tests.etl.bad_files.case import BadFile, Maker, content, cut, stretched

_PLOT = (
    "[属性描述]\n坐标系=2000国家大地坐标系\n几度分带={width}\n投影类型=高斯克吕格\n计量单位={unit}\n带号={zone}\n"
    "[地块坐标]\n4,0.01,P1,甲,面,,,0101,@\nJ1,1,3302420.1,38530925.1\nJ2,1,3302520.1,38530925.1\n"
    "J3,1,3302520.1,38531025.1\nJ1,1,3302420.1,38530925.1\n"
)


def _plots(width: str = "3", unit: str = "米", zone: str = "38", change: str = "") -> Maker:
    text = _PLOT.format(width=width, unit=unit, zone=zone)
    return content("p.txt", text.replace("[地块坐标]", change) if change else text)


def _city(**changes: object) -> Maker:
    model: dict[str, object] = {
        "type": "CityJSON",
        "version": "2.0",
        "transform": {"scale": [1, 1, 1], "translate": [0, 0, 0]},
        "metadata": {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/7415"},
        "CityObjects": {"a": {"type": "Building", "geometry": []}},
        "vertices": [[0, 0, 0]],
    }
    return content("p.city.json", json.dumps({**model, **changes}))


def _raster(folder: Path) -> Path:
    path = folder / "p.tif"
    pixels = np.arange(64 * 64, dtype=np.uint8).reshape(1, 64, 64)
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=64, count=1, dtype="uint8",
        crs="EPSG:4490", transform=rasterio.Affine(0.001, 0, 114, 0, -0.001, 30),
    ) as image:  # fmt: skip
        image.write(pixels)
    return path


_DRAWING = "0\nSECTION\n2\nENTITIES\n0\nPOINT\n8\n0\n10\n1.0\n20\n2.0\n0\nENDSEC\n0\nEOF\n"

TRADES = (
    BadFile("plots in feet", _plots(unit="英尺"), "the unit is '英尺', not metres"),
    BadFile("plots of another zone than their eastings", _plots(zone="37"),
            "the header says zone 37"),
    BadFile("plots of a zone that is nowhere", _plots(zone="99"), "zone"),
    BadFile("plots of zones of another width", _plots(width="6"), "zones of 6 degrees"),
    BadFile("CityJSON cut in half", cut(_city(), 0.5), "is not complete, valid JSON"),
    BadFile("CityJSON without objects", _city(CityObjects={}),
            "(holds no city objects|no CityObj)"),
    BadFile("CityJSON whose vertices are no triples", _city(vertices=[[0, 0]]),
            "its vertices are not triples of numbers"),
    BadFile("CityJSON whose object is none", _city(CityObjects={"a": 1}), "is not a JSON object"),
    BadFile("CityJSON of ten gigabytes", stretched(_city()), "(NUL|valid JSON)"),
    BadFile("OSM extract that is noise", content("p.pbf", b"garbage" * 100), "is no OSM PBF file"),
    BadFile("OSM extract of ten gigabytes", stretched(content("p.pbf", b"\0\0\0\x0d\x0a\x09OSM")),
            "(is no OSM PBF file|cannot be read)"),
    BadFile("OSM XML with an entity",
            content("p.osm", '<!DOCTYPE o [<!ENTITY a SYSTEM "file:///etc/passwd">]><osm>&a;</osm>'),
            "document type declaration", options={"source_layer": "points"}),
    BadFile("drawing without its end", content("p.dxf", _DRAWING[:-6]), "its EOF is missing"),
    BadFile("drawing in binary", content("p.dxf", b"AutoCAD Binary DXF\r\n\x1a\0" + bytes(50)),
            "is a binary DXF"),
    BadFile("drawing that is none", content("p.dxf", "BSM,X,Y\n"), "is no DXF drawing"),
    BadFile("raster cut in its header", cut(_raster, 0.01), "cannot be read as a raster"),
    BadFile("Access database", content("p.mdb", b"\0\1\0\0Standard Jet DB\0" + bytes(200)),
            "Access databases cannot be read here"),
)  # fmt: skip
