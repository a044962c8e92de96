"""Features in and by reference systems (OGC API Features, part 2, and filter-crs)."""

from typing import Any

import httpx
import numpy as np
import pytest
import shapely
from pyproj import Transformer

from tests.api.test_features import INSIDE, PLOTS, box, codes, page
from tests.api.town import SOUTH, STEP, WEST

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
OGC = "http://www.opengis.net/def/crs/OGC/"
SYSTEMS = [
    f"{OGC}1.3/CRS84",
    f"{OGC}0/CRS84h",
    f"{EPSG}4490",
    f"{EPSG}4547",
    f"{EPSG}4526",
    f"{EPSG}3857",
]


def there(uri: str, lon: Any, lat: Any) -> tuple[Any, Any]:
    """Positions in a system, in the order that pyproj gives its axes."""
    code = "OGC:CRS84" if "CRS84" in uri else f"EPSG:{uri.rsplit('/', 1)[-1]}"
    return Transformer.from_crs("OGC:CRS84", code, always_xy=False).transform(lon, lat)  # type: ignore[no-any-return]


def corners(uri: str) -> list[float]:
    """The box inside a plot, in a system."""
    west, south, east, north = INSIDE
    first, second = there(uri, np.array([west, west, east, east]), np.array([south, north] * 2))
    return [
        *(float(part.min()) for part in (first, second)),
        *(float(part.max()) for part in (first, second)),
    ]


@pytest.mark.parametrize("uri", SYSTEMS)
def test_features_come_in_the_axis_order_of_the_authority(client: httpx.Client, uri: str) -> None:
    answer = client.get(PLOTS, params={"code": "P0203", "crs": uri})
    assert answer.headers["content-crs"] == f"<{uri}>"
    ring = np.array(answer.json()["features"][0]["geometry"]["coordinates"][0][0])
    west, south = WEST + 3 * STEP, SOUTH + 2 * STEP
    lon, lat = np.array(shapely.box(west, south, west + STEP, south + STEP).exterior.coords).T
    wanted = np.column_stack(there(uri, lon, lat))
    away = np.abs(ring[:, np.newaxis] - wanted).max(axis=2).min(axis=0)
    assert len(ring) == len(wanted)
    assert away.max() < (1e-4 if wanted.max() > 180 else 1e-9)


@pytest.mark.parametrize("uri", SYSTEMS)
def test_heights_stay_third_in_every_system(client: httpx.Client, uri: str) -> None:
    body = page(client, "/api/collections/lane/items", number=1, crs=uri)
    first = body["features"][0]["geometry"]["coordinates"][0]
    assert first == [*(pytest.approx(float(part)) for part in there(uri, WEST, SOUTH + STEP)), 21]


@pytest.mark.parametrize("uri", SYSTEMS)
def test_a_box_selects_in_every_system(client: httpx.Client, uri: str) -> None:
    low, high = corners(uri)[:2], corners(uri)[2:]
    asked = {"bbox": box(*low, *high), "bbox-crs": uri}
    assert codes(page(client, PLOTS, **asked)) == {"P0203"}
    with_heights = {"bbox": box(*low, -5, *high, 5), "bbox-crs": uri}
    assert codes(page(client, PLOTS, **with_heights)) == {"P0203"}


def test_heights_of_a_box_select_among_features_that_have_some(client: httpx.Client) -> None:
    lanes = "/api/collections/lane/items"
    for low, high, count in ((25.5, 99, 5), (0, 19, 0), (22.5, 22.5, 10)):
        asked = box(WEST - 1, SOUTH - 1, low, WEST + 1, SOUTH + 1, high)
        assert page(client, lanes, bbox=asked)["numberMatched"] == count


def test_a_box_without_width_selects_what_it_touches(client: httpx.Client) -> None:
    uri = f"{EPSG}4547"
    north, east = (float(part) for part in there(uri, INSIDE[0], INSIDE[1]))
    asked = {"bbox": box(north, east, north, east), "bbox-crs": uri}
    assert codes(page(client, PLOTS, **asked)) == {"P0203"}
    west, south, east, north = INSIDE
    for flat in (
        (west, south, west, south),
        (west, south, east, south),
        (west, south, west, north),
    ):
        assert codes(page(client, PLOTS, bbox=box(*flat))) == {"P0203"}


@pytest.mark.parametrize("uri", SYSTEMS)
@pytest.mark.parametrize(
    "form", ["BBOX({0},{1},{2},{3})", "POLYGON(({0} {1},{2} {1},{2} {3},{0} {3},{0} {1}))"]
)
def test_geometries_of_a_filter_come_in_every_system(
    client: httpx.Client, uri: str, form: str
) -> None:
    text = f"S_INTERSECTS(geometry,{form.format(*map(repr, corners(uri)))})"
    assert codes(page(client, PLOTS, filter=text, **{"filter-crs": uri})) == {"P0203"}


def test_one_feature_comes_in_a_system(client: httpx.Client) -> None:
    uri = f"{EPSG}4547"
    answer = client.get(f"{PLOTS}/1", params={"crs": uri})
    north, east = answer.json()["geometry"]["coordinates"][0][0][0]
    assert answer.headers["content-crs"] == f"<{uri}>"
    assert (3.2e6 < north < 3.4e6, 4e5 < east < 6e5) == (True, True)


def test_collections_list_the_systems_and_the_definition_too(client: httpx.Client) -> None:
    collection = client.get("/api/collections/plot").json()
    assert collection["crs"] == SYSTEMS
    assert collection["storageCrs"] == f"{EPSG}4490"
    assert client.get("/api/collections").json()["collections"][0]["crs"] == SYSTEMS
    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]
    assert schemas["Crs"]["enum"] == SYSTEMS


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        (
            {"bbox": "530000,3300000,532000,3302000", "bbox-crs": f"{EPSG}4547"},
            "bbox: EPSG:4547 has northing before",
        ),
        ({"bbox": "1e300,1e300,1e301,1e301", "bbox-crs": f"{EPSG}4547"}, "bbox: reaches"),
        ({"bbox": "1e300,1e300,1e301,1e301", "bbox-crs": f"{EPSG}3857"}, "bbox"),
        ({"bbox": "-1e308,-1e308,1e308,1e308", "bbox-crs": f"{EPSG}4547"}, "bbox: reaches"),
        ({"bbox": "1_0,1,20,2"}, "bbox: "),
        ({"bbox": "9,9,1,1", "bbox-crs": f"{EPSG}4526"}, "bbox: the lower corner"),
        ({"bbox": ",".join(["1"] * 2000)}, "bbox"),
        ({"crs": f"{EPSG}4548"}, "crs: "),
        ({"filter-crs": "EPSG:4490", "filter": "use='01'"}, "filter-crs: "),
        (
            {"filter-crs": f"{EPSG}4547", "filter": "S_INTERSECTS(geometry,POINT(1e14 1))"},
            "filter-crs: ",
        ),
        (
            {"filter-crs": f"{EPSG}4547", "filter": "S_INTERSECTS(geometry,BBOX(9,9,1,1))"},
            "filter: ",
        ),
    ],
)
def test_what_no_system_has_is_refused(
    client: httpx.Client, parameters: dict[str, str], named: str
) -> None:
    answer = client.get(PLOTS, params=parameters)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(named)
