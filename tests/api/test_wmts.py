"""The WMTS as desktop GIS speaks it: GDAL, OWSLib, and requests written by hand."""

import io
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import httpx
import pytest
from owslib.wmts import WebMapTileService
from PIL import Image

from tests.api.town import COLUMNS, ROWS, SOUTH, STEP, WEST
from tiles.tile_grids import tile_grid

NS = {"wmts": "http://www.opengis.net/wmts/1.0", "ows": "http://www.opengis.net/ows/1.1"}
BOUNDS = (WEST, SOUTH, WEST + COLUMNS * STEP, SOUTH + ROWS * STEP)


def middle_tile(grid: str, number: int) -> tuple[int, int]:
    """The column and row of a tile in the middle of the test town."""
    west, north, east, south = tile_grid(grid).over(BOUNDS, number)
    return (west + east) // 2, (north + south) // 2


def asked(client: httpx.Client, **parameters: str) -> httpx.Response:
    usual = {"SERVICE": "WMTS", "Request": "GetTile", "version": "1.0.0", "layer": "town"}
    usual |= {"STYLE": "", "format": "image/png", "TileMatrixSet": "WebMercatorQuad"}
    column, row = middle_tile("WebMercatorQuad", 15)
    usual |= {"TileMatrix": "15", "TileRow": str(row), "TileCol": str(column)}
    wanted = {name: value for name, value in (usual | parameters).items() if value != "-"}
    return client.get("/wmts", params=wanted)


def picture(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(answer.content))


def translated(source: str, target: Path, *options: str) -> Image.Image:
    """What GDAL reads, in a process of its own: the server is a thread of this one."""
    west, south, east, north = BOUNDS
    window = ["-projwin", str(west), str(north), str(east), str(south)]
    system = ["-projwin_srs", "OGC:CRS84", "-outsize", "400", "300"]
    # Otherwise GDAL keeps the tiles in a folder where the tests are run.
    cache = ["--config", "GDAL_DEFAULT_WMS_CACHE_PATH", str(target.parent / "cache")]
    command = ["gdal_translate", "-q", "-of", "PNG", *cache, *window, *system, *options, source]
    done = subprocess.run([*command, str(target)], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return Image.open(target).convert("RGB")


def test_gdal_reads_the_map_by_query_string_and_by_address(town: str, tmp_path: Path) -> None:
    kvp = f"{town}/wmts?service=WMTS&request=GetCapabilities"
    rest = f"{town}/wmts/1.0.0/WMTSCapabilities.xml"
    found = [
        translated(f"WMTS:{source},layer=town,tilematrixset={grid}", tmp_path / f"{number}.png")
        for number, (source, grid) in enumerate(
            [(kvp, "WebMercatorQuad"), (rest, "WebMercatorQuad"), (rest, "TianDiTu_c")]
        )
    ]
    assert found[0].tobytes() == found[1].tobytes()
    for image in found:
        assert image.size == (400, 300)
        # The plots' fill covers the window, and something is drawn on it.
        colors = sorted(image.getcolors(400 * 300) or [], reverse=True)
        assert len(colors) > 10
        assert colors[0][0] < 0.95 * 400 * 300


# OWSLib asks lxml for an element's truth.
@pytest.mark.filterwarnings("ignore:Truth-testing:FutureWarning")
def test_owslib_lists_layers_and_fetches_tiles(client: httpx.Client, town: str) -> None:
    service = WebMapTileService(f"{town}/wmts")
    collections = client.get("/api/collections").json()["collections"]
    assert {"town", "plot"} <= set(service.contents)
    assert {entry["id"] for entry in collections if entry["itemType"] == "feature"} <= set(
        service.contents
    )
    layer = service["town"]
    assert layer.formats == ["image/png", "application/vnd.mapbox-vector-tile"]
    assert " / " in layer.title
    assert layer.boundingBoxWGS84[0] == pytest.approx(WEST, abs=0.01)
    assert layer.dimensions["Time"]["default"] == "current"
    column, row = middle_tile("WebMercatorQuad", 15)
    for form, start in (("image/png", b"\x89PNG"), (layer.formats[1], b"\x1a")):
        tile = service.gettile(
            layer="town",
            tilematrixset="WebMercatorQuad",
            tilematrix="15",
            row=row,
            column=column,
            format=form,
        )
        assert tile.read().startswith(start)


def test_capabilities_give_each_grid_in_its_authoritys_order(client: httpx.Client) -> None:
    text = client.get("/wmts/1.0.0/WMTSCapabilities.xml").content
    # Without a prefix: QGIS takes no other root.
    assert b"<Capabilities " in text
    root = ET.fromstring(text)  # noqa: S314
    found = {}
    for entry in root.iterfind("wmts:Contents/wmts:TileMatrixSet", NS):
        first = entry.find("wmts:TileMatrix", NS)
        assert first is not None
        found[str(entry.findtext("ows:Identifier", namespaces=NS))] = (
            entry.findtext("ows:SupportedCRS", namespaces=NS),
            first.findtext("ows:Identifier", namespaces=NS),
            first.findtext("wmts:TopLeftCorner", namespaces=NS),
            float(str(first.findtext("wmts:ScaleDenominator", namespaces=NS))),
        )
    assert list(found) == [
        "WebMercatorQuad",
        "WorldCRS84Quad",
        "CGCS2000Quad",
        "TianDiTu_c",
        "TianDiTu_w",
    ]
    crs, number, corner, scale = found["TianDiTu_c"]
    assert (crs, number, corner) == ("urn:ogc:def:crs:EPSG::4490", "1", "90.0 -180.0")
    assert scale == pytest.approx(279541132.0143589)
    assert found["WorldCRS84Quad"][2] == "-180.0 90.0"
    assert found["WebMercatorQuad"][3] == pytest.approx(559082264.0287178)
    assert found["TianDiTu_w"][:2] == ("urn:ogc:def:crs:EPSG::3857", "1")


@pytest.mark.parametrize("grid", ["TianDiTu_c", "TianDiTu_w"])
def test_tianditus_tiles_are_our_own(client: httpx.Client, grid: str) -> None:
    column, row = middle_tile(grid, 15)
    mvt = client.get(f"/wmts/town/default/{grid}/15/{row}/{column}.mvt")
    assert mvt.content == client.get(f"/tiles/town/{grid}/15/{column}/{row}").content != b""
    short = grid.removeprefix("TianDiTu_")
    by_short = asked(client, TileMatrixSet=short, TileRow=str(row), TileCol=str(column))
    address = f"/wmts/town/default/{grid}/15/{row}/{column}.png"
    assert by_short.content == client.get(address).content


def test_a_picture_shows_its_time_and_is_kept_by_its_tag(client: httpx.Client) -> None:
    now = asked(client)
    assert picture(now).size == (256, 256)
    assert (
        client.get(str(now.request.url), headers={"if-none-match": now.headers["etag"]}).status_code
        == 304
    )
    assert asked(client, TIME="current").headers["etag"] == now.headers["etag"]
    before = asked(client, TIME="2001-01-01")
    # Nothing was surveyed then: the background alone.
    assert len(picture(before).getcolors() or []) == 1
    assert before.headers["etag"] != now.headers["etag"]


def test_a_layer_alone_is_clear_where_nothing_is(client: httpx.Client) -> None:
    column, row = middle_tile("WebMercatorQuad", 15)
    alone = picture(client.get(f"/wmts/lane/default/WebMercatorQuad/15/{row}/{column}.png"))
    assert alone.mode == "RGBA"
    least, most = alone.getchannel("A").getextrema()
    assert (least, most > 200) == (0, True)


def test_pictures_meet_at_their_edges_and_deeper_ones_are_enlarged(client: httpx.Client) -> None:
    column, row = middle_tile("WebMercatorQuad", 14)
    quarters = [
        picture(client.get(f"/wmts/plot/default/WebMercatorQuad/15/{2 * row + down}/{place}.png"))
        for down in (0, 1)
        for place in (2 * column, 2 * column + 1)
    ]
    # A column of plots runs over the edge between the upper two without a gap.
    beside = [quarters[0].crop((255, 0, 256, 256)), quarters[1].crop((0, 0, 1, 256))]
    alphas = [part.getchannel("A").tobytes() for part in beside]
    assert sum(alphas[0]) == pytest.approx(sum(alphas[1]), rel=0.1)
    assert sum(alphas[0]) > 0


@pytest.mark.parametrize(
    ("changed", "code", "locator"),
    [
        ({"layer": "nowhere"}, "InvalidParameterValue", "layer"),
        ({"layer": "-"}, "MissingParameterValue", "layer"),
        ({"STYLE": "night"}, "InvalidParameterValue", "style"),
        ({"format": "image/jpeg"}, "InvalidParameterValue", "format"),
        ({"TileMatrixSet": "Moon"}, "InvalidParameterValue", "tilematrixset"),
        ({"TileRow": "x"}, "InvalidParameterValue", "tilerow"),
        ({"TileRow": "99999"}, "TileOutOfRange", "tilematrix"),
        ({"TileMatrix": "2", "TileRow": "0", "TileCol": "0"}, "TileOutOfRange", "tilematrix"),
        ({"TIME": "yesterday"}, "InvalidParameterValue", "time"),
        ({"version": "2.0"}, "InvalidParameterValue", "version"),
        ({"Request": "GetMap"}, "OperationNotSupported", "request"),
        ({"Request": "-"}, "MissingParameterValue", "request"),
    ],
)
def test_bad_requests_are_answered_by_a_report(
    client: httpx.Client, changed: dict[str, str], code: str, locator: str
) -> None:
    answer = asked(client, **changed)
    assert answer.status_code == 400
    told = ET.fromstring(answer.content).find("ows:Exception", NS)  # noqa: S314
    assert told is not None
    assert (told.get("exceptionCode"), told.get("locator")) == (code, locator)


def test_what_is_unknown_is_ignored_and_bad_addresses_are_told(client: httpx.Client) -> None:
    assert asked(client, TRANSPARENT="true", tk="key").status_code == 200
    for address in ("town/default/WebMercatorQuad/15/1/1.jpg", "town/default/Moon/15/1/1.png"):
        answer = client.get(f"/wmts/{address}")
        assert answer.status_code == 400
        assert b"ows:ExceptionReport" in answer.content
