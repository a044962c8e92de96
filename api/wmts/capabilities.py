"""What the WMTS offers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from xml.etree import ElementTree as ET

from api.collection_documents import both
from api.ows.identification import add_box, identify
from api.ows.xml import document, element
from api.wmts.requests import ENDINGS, MVT, OPERATIONS, PNG, VERSION
from layers.feature_query import BBox
from tiles.pictures.fonts import has_fonts
from tiles.pictures.places import picture_numbers
from tiles.tile_grids import TILE_GRIDS, TileGrid
from tiles.tileset import TileSet

_XLINK = "{http://www.w3.org/1999/xlink}"
_STYLE_TITLES = {
    "default": "中文注记 / Names in Chinese",
    "en": "英文注记 / Names in English",
    "both": "中英文注记 / Names in both languages",
}
#: Grids whose system's authority has latitude first.
_LATITUDE_FIRST = ("CGCS2000Quad", "TianDiTu_c")
_URNS = {
    "WebMercatorQuad": "urn:ogc:def:crs:EPSG::3857",
    "TianDiTu_w": "urn:ogc:def:crs:EPSG::3857",
    "WorldCRS84Quad": "urn:ogc:def:crs:OGC:1.3:CRS84",
    "CGCS2000Quad": "urn:ogc:def:crs:EPSG::4490",
    "TianDiTu_c": "urn:ogc:def:crs:EPSG::4490",
}
#: The set of scales that the standard itself defines (annex E.4).
_SCALES = {"WebMercatorQuad": "urn:ogc:def:wkss:OGC:1.0:GoogleMapsCompatible"}


@dataclass(frozen=True, slots=True)
class WmtsLayer:
    """A map or a layer, as it is offered."""

    tileset: TileSet
    #: Degrees: west, south, east, north; ``None`` where there is nothing.
    bounds: BBox | None
    #: Dates from which surveys hold, ascending.
    epochs: tuple[date, ...] = ()


def capabilities(address: str, layers: Iterable[WmtsLayer]) -> bytes:
    """Return the capabilities document.

    Args:
        address: Of this service.
        layers: What is offered.
    """
    root = element(None, "wmts:Capabilities", version=VERSION)
    abstract = "一张图瓦片服务：栅格图片与矢量瓦片 / One Map as pictures and vector tiles"
    if not has_fonts():
        abstract += (
            "；服务器没有中文字体，图片不含注记 / no Chinese font here: pictures bear no names"
        )
    identify(root, kind="OGC WMTS", version=VERSION, abstract=abstract)
    _operations(root, address)
    contents = element(root, "wmts:Contents")
    for layer in layers:
        _layer(contents, layer, address)
    for grid in TILE_GRIDS.values():
        _matrix_set(contents, grid)
    link = element(root, "wmts:ServiceMetadataURL")
    link.set(f"{_XLINK}href", f"{address}/{VERSION}/WMTSCapabilities.xml")
    return document(root)


def _operations(root: ET.Element, address: str) -> None:
    listed = element(root, "ows:OperationsMetadata")
    for name in OPERATIONS:
        operation = element(listed, "ows:Operation", name=name)
        http = element(element(operation, "ows:DCP"), "ows:HTTP")
        for encoding in ("KVP", "RESTful"):
            get = element(http, "ows:Get")
            kvp = encoding == "KVP"
            rest = f"/{VERSION}/WMTSCapabilities.xml" if name == "GetCapabilities" else "/"
            get.set(f"{_XLINK}href", f"{address}?" if kvp else address + rest)
            constraint = element(get, "ows:Constraint", name="GetEncoding")
            allowed = element(constraint, "ows:AllowedValues")
            element(allowed, "ows:Value", encoding)


def _layer(contents: ET.Element, layer: WmtsLayer, address: str) -> None:
    tileset = layer.tileset
    entry = element(contents, "wmts:Layer")
    element(entry, "ows:Title", both(tileset.title))
    element(entry, "ows:Abstract", both(tileset.abstract))
    bounds = layer.bounds or tileset.bounds
    if bounds is not None:
        add_box(entry, bounds)
    element(entry, "ows:Identifier", tileset.name)
    for number, (name, title) in enumerate(_STYLE_TITLES.items()):
        style = element(entry, "wmts:Style", isDefault="true" if number == 0 else "false")
        element(style, "ows:Title", title)
        element(style, "ows:Identifier", name)
    for media_type in (PNG, MVT):
        element(entry, "wmts:Format", media_type)
    _time(entry, layer.epochs)
    for grid in TILE_GRIDS.values():
        _link(entry, tileset, grid, bounds)
    for ending in ("png", "mvt"):
        template = (
            f"{address}/{tileset.name}/{{Style}}/{{TileMatrixSet}}/{{TileMatrix}}"
            f"/{{TileRow}}/{{TileCol}}.{ending}?time={{Time}}"
        )
        element(
            entry,
            "wmts:ResourceURL",
            format=ENDINGS[ending],
            resourceType="tile",
            template=template,
        )


def _time(entry: ET.Element, epochs: tuple[date, ...]) -> None:
    """Offer the times of surveys; any other is answered as well."""
    dimension = element(entry, "wmts:Dimension")
    element(dimension, "ows:Identifier", "Time")
    element(dimension, "ows:UOM", "ISO8601")
    element(dimension, "wmts:Default", "current")
    element(dimension, "wmts:Current", "true")
    element(dimension, "wmts:Value", "current")
    for epoch in reversed(epochs):
        element(dimension, "wmts:Value", epoch.isoformat())


def _link(entry: ET.Element, tileset: TileSet, grid: TileGrid, bounds: BBox | None) -> None:
    numbers = picture_numbers(tileset, grid)
    if not numbers:
        return
    link = element(entry, "wmts:TileMatrixSetLink")
    element(link, "wmts:TileMatrixSet", grid.name)
    if bounds is None:
        return
    limits = element(link, "wmts:TileMatrixSetLimits")
    for number in numbers:
        west, north, east, south = grid.over(bounds, number)
        limit = element(limits, "wmts:TileMatrixLimits")
        element(limit, "wmts:TileMatrix", str(number))
        element(limit, "wmts:MinTileRow", str(north))
        element(limit, "wmts:MaxTileRow", str(south))
        element(limit, "wmts:MinTileCol", str(west))
        element(limit, "wmts:MaxTileCol", str(east))


def _matrix_set(contents: ET.Element, grid: TileGrid) -> None:
    made = element(contents, "wmts:TileMatrixSet")
    element(made, "ows:Title", both(grid.title))
    element(made, "ows:Identifier", grid.name)
    element(made, "ows:SupportedCRS", _URNS[grid.name])
    if grid.name in _SCALES:
        element(made, "wmts:WellKnownScaleSet", _SCALES[grid.name])
    for number in grid.numbers:
        matrix = grid.matrices.matrix(number)
        width, height = grid.size(number)
        west, _, _, north = grid.box(number, 0, 0)
        corner = (north, west) if grid.name in _LATITUDE_FIRST else (west, north)
        entry = element(made, "wmts:TileMatrix")
        element(entry, "ows:Identifier", str(number))
        element(entry, "wmts:ScaleDenominator", repr(float(matrix.scaleDenominator)))
        element(entry, "wmts:TopLeftCorner", f"{corner[0]!r} {corner[1]!r}")
        element(entry, "wmts:TileWidth", str(matrix.tileWidth))
        element(entry, "wmts:TileHeight", str(matrix.tileHeight))
        element(entry, "wmts:MatrixWidth", str(width))
        element(entry, "wmts:MatrixHeight", str(height))
