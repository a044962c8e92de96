"""Moving the vertices of encoded tiles, and the offset of commercial base maps."""

from collections.abc import Callable
from typing import Any

import mapbox_vector_tile
import morecantile
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gis import mercator
from gis.datum_offsets import wgs_to_gcj
from layers.access import ANONYMOUS
from layers.catalogue import Catalogue
from tests.api.town import SOUTH, STEP, WEST
from tiles.datum_shift import SPARE_UNITS, ShiftedTile
from tiles.protobuf import fields, varint, varints
from tiles.request import RenderedTile, TileRequest
from tiles.tile_grids import TILE_GRIDS
from tiles.tileset import layer_tiles, map_tiles
from tiles.vector_edit import move_vertices

Render = Callable[[TileRequest], RenderedTile]
GRID = morecantile.tms.get("WebMercatorQuad")
COORDINATES = st.integers(-60, 4160)
POSITIONS = st.tuples(COORDINATES, COORDINATES)
SHAPES = st.one_of(
    POSITIONS.map(shapely.Point),
    st.lists(POSITIONS, min_size=2, max_size=6, unique=True).map(shapely.MultiPoint),
    st.lists(POSITIONS, min_size=2, max_size=20, unique=True).map(shapely.LineString),
    st.tuples(POSITIONS, st.integers(4, 400)).map(
        lambda pair: shapely.Point(pair[0]).buffer(pair[1]).difference(
            shapely.Point(pair[0]).buffer(pair[1] / 2)
        )
    ),
)  # fmt: skip


def encoded(shapes: list[shapely.Geometry], extent: int = 4096) -> bytes:
    features = [
        {"geometry": shape, "id": number + 1, "properties": {"number": number, "name": "名"}}
        for number, shape in enumerate(shapes)
    ]
    options = {"y_coord_down": True, "extents": extent}
    tile: bytes = mapbox_vector_tile.encode(
        [{"name": "things", "features": features}], default_options=options
    )
    return tile


def decoded(tile: bytes) -> dict[str, Any]:
    found: dict[str, Any] = mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True})
    return found


@given(st.lists(SHAPES, min_size=1, max_size=8))
def test_what_does_not_move_stays_the_same(shapes: list[shapely.Geometry]) -> None:
    tile = encoded(shapes)
    assert decoded(move_vertices(tile, lambda points: points, 4096)) == decoded(tile)


@given(st.lists(SHAPES, min_size=1, max_size=8), st.integers(-50, 50))
def test_every_vertex_moves_alike(shapes: list[shapely.Geometry], step: int) -> None:
    tile = encoded(shapes)
    moved = decoded(move_vertices(tile, lambda points: points + np.array([step, 2]), 4096))
    for entry, there in zip(
        decoded(tile)["things"]["features"], moved["things"]["features"], strict=True
    ):
        shifted = shapely.transform(
            shapely.geometry.shape(entry["geometry"]), lambda p: p + np.array([step, 2])
        )
        assert shapely.geometry.shape(there["geometry"]).equals_exact(shifted)


def test_what_falls_together_goes() -> None:
    tile = encoded(
        [
            shapely.Point(100, 100),
            shapely.LineString([(16, 16), (17, 17)]),
            shapely.LineString([(16, 16), (17, 17), (400, 400)]),
            shapely.box(0, 0, 4, 4),
            shapely.box(0, 0, 400, 400).difference(shapely.box(100, 100, 103, 103)),
        ],
        65536,
    )
    found = decoded(move_vertices(tile, lambda points: points / 16, 4096))["things"]
    assert found["extent"] == 4096
    assert [entry["id"] for entry in found["features"]] == [1, 3, 5]
    assert found["features"][1]["geometry"]["coordinates"] == [[1, 1], [25, 25]]
    assert len(found["features"][2]["geometry"]["coordinates"]) == 1
    nothing = encoded([shapely.box(0, 0, 4, 4)], 65536)
    assert move_vertices(nothing, lambda points: points / 16, 4096) == b""


@given(st.lists(st.integers(0, 2**63)))
def test_varints_come_back(numbers: list[int]) -> None:
    assert varints(b"".join(map(varint, numbers))).tolist() == numbers


@pytest.mark.parametrize("message", [b"\x1a\x05ab", b"\x1a", b"\x80", b"\x09" + b"0" * 8])
def test_a_broken_message_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|wire type"):
        list(fields(message))


@pytest.mark.parametrize("z", range(8, 17))
def test_shifted_points_stand_where_the_formula_says(
    render: Render, catalogue: Catalogue, z: int
) -> None:
    lon, lat = WEST + 5 * STEP, SOUTH + STEP
    gcj = wgs_to_gcj(np.array([lon]), np.array([lat]))
    tile = GRID.tile(float(gcj[0][0]), float(gcj[1][0]), z)
    place = (z, tile.x, tile.y)
    request = TileRequest(
        layer_tiles(catalogue.layer("lamp")), place, properties=("number",), datum="gcj02"
    )
    found = decoded(render(request).data)["lamp"]["features"]
    west, south, east, north = TILE_GRIDS["WebMercatorQuad"].box(*place)
    wanted = {}
    for number in range(1, 121):
        true = np.array([[WEST + (number % 20) * STEP], [SOUTH + (number // 20) * STEP]])
        x, y = mercator.forward(*wgs_to_gcj(*true))
        wanted[number] = (
            float((x[0] - west) / (east - west) * 4096),
            float((north - y[0]) / (north - south) * 4096),
        )
    assert len(found) > 0
    for entry in found:
        place_found = entry["geometry"]["coordinates"]
        assert place_found == pytest.approx(wanted[entry["properties"]["number"]], abs=0.5 + 1 / 16)
    inside = {number for number, (x, y) in wanted.items() if -60 < x < 4156 and -60 < y < 4156}
    assert inside <= {entry["properties"]["number"] for entry in found}


def test_a_shifted_map_has_the_same_features(render: Render, catalogue: Catalogue) -> None:
    town = map_tiles(catalogue, catalogue.map("town"), ANONYMOUS)
    place = (12, *GRID.tile(WEST + 5 * STEP, SOUTH + STEP, 12)[:2])
    plain = decoded(render(TileRequest(town, place)).data)
    shifted = decoded(render(TileRequest(town, place, datum="gcj02")).data)
    assert set(plain) == set(shifted)
    for name, layer in plain.items():
        assert shifted[name]["extent"] == 4096
        true = {entry["id"]: entry for entry in layer["features"]}
        there = {entry["id"]: entry for entry in shifted[name]["features"]}
        both = true.keys() & there.keys()
        assert len(both) > len(true) // 2
        for number in both:
            assert there[number]["properties"] == true[number]["properties"]
            moved = shapely.geometry.shape(there[number]["geometry"])
            if name == "plot":
                assert shapely.is_valid(moved)


@pytest.mark.parametrize("z", range(5, 19))
def test_the_offset_differs_within_a_tile_by_less_than_the_spare_units(z: int) -> None:
    """All over the region that the city map may ever show."""
    for lon in np.linspace(112, 117, 11):
        for lat in np.linspace(28, 32, 9):
            tile = GRID.tile(float(lon), float(lat), z)
            box = TILE_GRIDS["WebMercatorQuad"].box(z, tile.x, tile.y)
            west, south, east, north = box
            frame = ShiftedTile(box).frame
            x, y = np.meshgrid(np.linspace(west, east, 9), np.linspace(south, north, 9))
            offset = np.array([[frame[0] - west], [frame[1] - south]])
            true = mercator.inverse(x.ravel() + offset[0], y.ravel() + offset[1])
            shifted = np.array(mercator.forward(*wgs_to_gcj(*true)))
            error = np.abs(shifted - [x.ravel(), y.ravel()]).max()
            assert error < SPARE_UNITS * (east - west) / 4096
