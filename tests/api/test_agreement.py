"""Tiles and the feature API agree, feature by feature, anywhere and at any date."""

import httpx
import mapbox_vector_tile
import morecantile
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gis import mercator
from layers.feature_query import BBox
from tests.api.town import COLUMNS, ROWS, SOUTH, STEP, WEST, read_catalogue
from tiles.grids import EXTENT, tile_box, unit_size
from tiles.tileset import FULL_DETAIL_ZOOM

GRID = morecantile.tms.get("WebMercatorQuad")
#: A plot's longer side in metres of EPSG:3857, and the zooms from which layers are in the map.
PLOT_SIZE_M = 256.0
FROM_ZOOM = {"plot": 8, "lane": 11, "lamp": 6}
UNITS_A_PIXEL = EXTENT / 256
CATALOGUE = read_catalogue()

places = st.tuples(
    st.integers(6, 16),
    st.floats(WEST - STEP, WEST + (COLUMNS + 1) * STEP),
    st.floats(SOUTH - STEP, SOUTH + (ROWS + 1) * STEP),
)
dates = st.sampled_from([None, "2011-06-01", "2012-05-01", "2014-05-01", "2019-05-01"])


def degrees(box: BBox, margin: float) -> str:
    """A box of metres, larger by ``margin`` on every side, as the feature API's ``bbox``."""
    west, south, east, north = box
    lon, lat = mercator.inverse(
        np.array([west - margin, east + margin]),
        np.array([south - margin, north + margin]),
    )
    return ",".join(str(float(number)) for number in (lon[0], lat[0], lon[1], lat[1]))


def ids(client: httpx.Client, layer: str, bbox: str, date: str | None) -> set[int]:
    parameters = {"bbox": bbox, "limit": "10000", "properties": ""}
    if date is not None:
        parameters["datetime"] = date
    body = client.get(f"/api/collections/{layer}/items", params=parameters).json()
    return {feature["id"] for feature in body["features"]}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=places, date=dates)
def test_a_tile_holds_the_features_of_its_box(
    client: httpx.Client, place: tuple[int, float, float], date: str | None
) -> None:
    z, lon, lat = place
    tile = GRID.tile(lon, lat, z)
    answer = client.get(
        f"/tiles/town/{z}/{tile.x}/{tile.y}", params={"datetime": date} if date else None
    )
    assert answer.status_code in (200, 204)
    layers = mapbox_vector_tile.decode(answer.content) if answer.content else {}
    box = tile_box(z, tile.x, tile.y)
    unit = unit_size(z)
    for layer, from_zoom in FROM_ZOOM.items():
        features = layers.get(layer, {"features": []})["features"]
        found = [feature["id"] for feature in features]
        assert len(found) == len(set(found))
        assert found == sorted(found)
        reach = CATALOGUE.layer(layer).tiles.buffer
        # Within a unit of an edge, rounding may decide either way.
        within = ids(client, layer, degrees(box, -2 * unit), date)
        around = ids(client, layer, degrees(box, (reach + 2) * unit), date)
        if z < from_zoom or (layer == "plot" and too_small(z)):
            assert not found
        else:
            assert within <= set(found) <= around


def too_small(z: int) -> bool:
    """Whether plots are less than a pixel wide, and left out."""
    return z < FULL_DETAIL_ZOOM and PLOT_SIZE_M < UNITS_A_PIXEL * unit_size(z)
