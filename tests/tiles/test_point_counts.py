"""How many points those of a cluster are: in tiles and in what is said of them."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import mapbox_vector_tile
import morecantile
import numpy as np
import shapely

from api.tileset_documents import tileset
from gis import mercator
from layers.access import ANONYMOUS
from layers.pyramid_store import PyramidStore
from layers.store import Store
from tests.layers.conftest import catalogue_of, make_store
from tests.tiles.conftest import renderer_over
from tests.tiles.test_resurveys import layer_of, survey
from tiles.generaliser import HALF_WORLD
from tiles.point_counts import has_counts
from tiles.pyramid.building import build_pyramid
from tiles.request import TileRequest
from tiles.tile_grids import tile_grid
from tiles.tilejson import tilejson
from tiles.tileset import layer_tiles

__all__ = ["make_store"]

PIXELS = 64
ZOOM = 13
LAYER = layer_of(
    "point",
    {"zooms": [11, 12], "method": "thin"},
    {"zooms": [ZOOM, 15], "method": "cluster", "pixels": PIXELS, "by": ["use"]},
)
TILE = morecantile.tms.get("WebMercatorQuad").tile(114.3, 29.8, 15)
BOUNDS = morecantile.tms.get("WebMercatorQuad").bounds(TILE)


def expected(points: np.ndarray) -> list[tuple[str, int]]:
    """Use and number of the points of each square and use, counted one by one."""
    x, y = mercator.forward(points[:, 0], points[:, 1])
    side = 2 * HALF_WORLD / (1 << 15) / 256 * PIXELS
    squares: dict[Any, int] = {}
    for number in range(len(points)):
        use = f"用途{number % 3}"
        column, row = (int((value + HALF_WORLD) // side) for value in (x[number], y[number]))
        key = (column, row, use)
        squares[key] = squares.get(key, 0) + 1
    return sorted((use, count) for (_, _, use), count in squares.items())


def test_clusters_tell_how_many_points_they_are(
    make_store: Callable[..., Store], fresh_database: str
) -> None:
    store = make_store(LAYER)
    # All well within one tile, so that none shows in the buffer of another.
    west, south, east, north = BOUNDS
    margin = 0.1 * (east - west)
    points = np.random.default_rng(3).uniform(
        [west + margin, south + margin], [east - margin, north - margin], (40, 2)
    )
    survey(store, LAYER, 1, list(shapely.points(points)))
    render = renderer_over(fresh_database, catalogue_of(LAYER))

    def told(z: int, **more: Any) -> list[tuple[str, int]]:
        place = (z, int(TILE.x * 2 ** (z - 15)), int(TILE.y * 2 ** (z - 15)))
        tile = render(TileRequest(layer_tiles(LAYER), place, **more)).data
        features = mapbox_vector_tile.decode(tile)["plot"]["features"]
        assert all(feature["properties"].get("point_count", 2) >= 2 for feature in features)
        return sorted(
            (feature["properties"]["use"], feature["properties"].get("point_count", 1))
            for feature in features
        )

    alone = sorted((f"用途{number % 3}", 1) for number in range(len(points)))
    assert told(15) == alone
    pyramid = PyramidStore(fresh_database)
    try:
        build_pyramid(pyramid, LAYER, processes=1)
    finally:
        pyramid.close()
    wanted = expected(points)
    assert len({count for _, count in wanted}) > 2
    assert told(15) == told(ZOOM) == wanted
    assert told(15, properties=("use",)) == wanted
    for z in (12, 16):
        assert all(count == 1 for _, count in told(z))


def test_what_is_said_of_a_tile_set_names_the_count() -> None:
    fields = tilejson(layer_tiles(LAYER), "", ANONYMOUS, version=1)["vector_layers"][0]["fields"]
    assert fields["point_count"] == "Number: 点数 / Number of points"
    assert fields["use"].startswith("String: ")
    grid = tile_grid("WebMercatorQuad")
    (layer,) = tileset(layer_tiles(LAYER), grid, "", "", ANONYMOUS)["layers"]
    assert layer["propertiesSchema"]["properties"]["point_count"] == {
        "title": "点数 / Number of points",
        "type": "integer",
        "minimum": 2,
    }
    plain = layer_of("point", {"zooms": [ZOOM, 15], "method": "thin"})
    assert "point_count" not in json.dumps(tilejson(layer_tiles(plain), "", ANONYMOUS, version=1))
    assert [z for z in range(18) if has_counts(LAYER, z)] == [13, 14, 15]


def test_a_server_that_knows_of_counts_makes_no_rasters() -> None:
    seen = """
import sys
import api.app
from tests.tiles.test_point_counts import LAYER
from tiles.point_counts import has_counts
assert has_counts(LAYER, 13)
print("rasterio" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
