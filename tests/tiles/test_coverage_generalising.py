"""What is made of a coverage is a coverage, in a cell and across cells."""

import mapbox_vector_tile
import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiles.coverages import (
    CLASSES,
    Rows,
    built,
    cell_at,
    cells_over,
    features_of,
    method_of,
    spread,
    voronoi,
)
from tiles.generaliser import NO_FEATURE, Features
from tiles.raster_regions import regions
from tiles.unit_grid import in_units


def classed(shapes, seed: int = 0) -> Features:
    names = np.random.default_rng(seed).choice(CLASSES, len(shapes)).tolist()
    return features_of(shapes, {"dlbm": names, "tbbh": [str(n) for n in range(len(shapes))]})


def flaws(rows: list[Rows], expected, unit: float) -> tuple[float, float]:
    """Return the widths of the widest gap and the widest overlap, in tile units."""
    shapes = np.concatenate([found.shapes for found in rows])
    assert shapely.is_valid(shapes).all()
    left, right = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = left < right
    shared = shapely.intersection(shapes[left[pairs]], shapes[right[pairs]])
    gap = shapely.difference(expected, shapely.union_all(shapes))
    return width_of(gap, unit), max([width_of(part, unit) for part in shared], default=0.0)


def width_of(area, unit: float) -> float:
    """Return the diameter of the largest circle within an area, in units."""
    if area.area == 0:
        return 0.0
    parts = [part for part in shapely.get_parts(area) if part.area > 0]
    return max(
        2 * shapely.maximum_inscribed_circle(part, tolerance=unit / 50).length / unit
        for part in parts
    )


def on_grid(rows: list[Rows], unit: float) -> bool:
    points = np.concatenate([shapely.get_coordinates(in_units(r.shapes, unit)) for r in rows])
    return bool(np.allclose(points, np.rint(points), atol=1e-3))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), tolerance=st.sampled_from([0.0, 1.0, 3.0, 8.0]))
def test_simplified_parcels_have_no_gap_and_no_overlap_across_cells(seed, tolerance) -> None:
    box = spread(400.0)
    shapes = voronoi(seed, 120, box)
    method, band = method_of(
        "land_parcel", (13, 13), "simplify", ("dlbm",), tolerance=tolerance, cell_zoom=13
    )
    rows = built(method, band, classed(shapes, seed), cells_over(13, box))
    # What borders on nothing keeps the surveyed line, to half a unit.
    gap, overlap = flaws(rows, shapely.box(*box), band.unit)
    assert gap <= 1.0
    assert overlap <= 1.0
    assert on_grid(rows, band.unit)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), zoom=st.sampled_from([8, 10, 12]))
def test_a_mosaic_has_no_gap_and_no_overlap_across_cells(seed, zoom) -> None:
    box = spread(400.0 * 2 ** (14 - zoom))
    method, band = method_of("land_parcel", (zoom, zoom), "mosaic", ("dlbm",), by=["dlbm"])
    features = classed(voronoi(seed, 300, box), seed)
    rows = built(method, band, features, cells_over(zoom, box))
    raster_pixel = 4096 / band.parameters.pixels * band.unit
    inner = shapely.box(*box).buffer(-1.5 * raster_pixel, join_style="mitre")
    gap, overlap = flaws(rows, inner, band.unit)
    assert gap == 0.0
    assert overlap == pytest.approx(0.0, abs=1e-6)
    assert on_grid(rows, band.unit)
    assert sum(found.members.sum() for found in rows) == len(features)


def test_invalid_parcels_are_put_right_and_their_neighbours_keep_their_borders() -> None:
    west, south, _, _ = cell_at(13).box
    bow = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    right = shapely.box(100, 0, 200, 100)
    shapes = shapely.transform([bow, right], lambda xy: xy + np.array([west + 50, south + 50]))
    method, band = method_of("land_parcel", (13, 13), "simplify", ("dlbm",), tolerance=2.0)
    (rows,) = built(method, band, classed(shapes), [cell_at(13)])
    assert shapely.is_valid(rows.shapes).all()
    assert len(rows) == 2
    assert shapely.area(rows.shapes).sum() == pytest.approx(15_000, rel=0.03)


def test_a_cell_needs_only_what_lies_near_it_in_any_order() -> None:
    box = spread(3000.0)
    features = classed(voronoi(5, 900, box), 5)
    for zooms, name, given_ in (
        ((13, 13), "simplify", {"tolerance": 2.0}),
        ((14, 15), "simplify", {"tolerance": 0.0}),
        ((12, 12), "mosaic", {"by": ["dlbm"]}),
    ):
        method, band = method_of("land_parcel", zooms, name, ("dlbm",), **given_)
        cell = cells_over(band.cell_zoom, box)[0]
        (near,) = built(method, band, features, [cell])
        mixed = features.take(np.random.default_rng(1).permutation(len(features)))
        everything = method.generalise(mixed, band, cell)
        assert near.tile_ids.tolist() == everything.tile_ids.tolist()
        assert shapely.equals_exact(near.shapes, everything.shapes).all()
        assert near.attributes.equals(everything.attributes)


def test_each_parcel_is_one_row_where_nothing_is_simplified() -> None:
    box = spread(3000.0)
    features = classed(voronoi(6, 500, box), 6)
    method, band = method_of("land_parcel", (14, 15), "simplify", ("dlbm",), tolerance=0.0)
    rows = built(method, band, features, cells_over(band.cell_zoom, box))
    ids = np.concatenate([found.feature_ids for found in rows])
    assert len(set(ids.tolist())) == len(ids)
    lost = np.setdiff1d(features.feature_ids, ids)
    assert (shapely.area(features.shapes[lost - 1]) < 4 * band.unit**2).all()


@pytest.mark.slow
def test_a_dense_city_stays_within_the_budget_and_covers_all_ground() -> None:
    cell = cell_at(12)
    west, south, east, north = cell.box
    side = 155
    edges = [np.linspace(low, high, side + 1) for low, high in ((west, east), (south, north))]
    x, y = np.meshgrid(edges[0], edges[1])
    random = np.random.default_rng(3)
    x[1:-1, 1:-1] += random.uniform(-20, 20, x[1:-1, 1:-1].shape)
    y[1:-1, 1:-1] += random.uniform(-20, 20, x[1:-1, 1:-1].shape)
    corners = np.stack([x, y], -1)
    rings = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], 2)
    features = classed(shapely.polygons(rings.reshape(-1, 4, 2)), 3)
    assert len(features) > 24_000
    method, band = method_of(
        "land_parcel", (12, 12), "mosaic", ("dlbm",), by=["dlbm"], pixels=1024, least_width=1
    )
    rows = method.generalise(features, band, cell)
    tile = mapbox_vector_tile.encode(
        {
            "name": "land_parcel",
            "features": [
                {"geometry": shape, "id": int(tile_id), "properties": {"dlbm": dlbm}}
                for shape, tile_id, dlbm in zip(
                    shapely.transform(
                        in_units(rows.shapes, band.unit),
                        lambda xy: np.rint(xy) - [cell.x * 4096, (4096 - 1 - cell.y) * 4096],
                    ),
                    rows.tile_ids.tolist(),
                    rows.attributes["dlbm"].to_pylist(),
                    strict=True,
                )
            ],
        },
        default_options={"on_invalid_geometry": None},
    )
    assert 60_000 < len(tile) <= 250_000
    assert shapely.area(rows.shapes).sum() == pytest.approx((east - west) ** 2, rel=1e-9)
    assert rows.members.sum() == len(features)
    assert len(np.unique(rows.tile_ids)) == len(rows)


def test_a_mosaic_is_made_from_the_finer_one_and_large_parcels_keep_their_id() -> None:
    box = spread(9000.0)
    features = classed(voronoi(8, 400, box), 8)
    parcels, counts = len(features), []
    for zoom in (12, 11, 10, 9):
        method, band = method_of("land_parcel", (zoom, zoom), "mosaic", ("dlbm",), by=["dlbm"])
        rows = built(method, band, features, cells_over(zoom, box))
        assert sum(found.members.sum() for found in rows) == parcels
        counts.append(sum((found.feature_ids != NO_FEATURE).sum() for found in rows))
        features = Features(
            np.concatenate([found.shapes for found in rows]),
            np.concatenate([found.feature_ids for found in rows]),
            pa.concat_tables([found.attributes for found in rows]),
            np.concatenate([found.rank for found in rows]),
            np.concatenate([found.members for found in rows]),
        )
    assert counts[0] > counts[1] > counts[3]


def test_what_stands_alone_is_never_lost() -> None:
    cell = cell_at(10)
    west, south, east, north = cell.box
    random = np.random.default_rng(4)
    places = random.uniform((west + 500, south + 500), (east - 500, north - 500), (40, 2))
    shapes = shapely.box(*(places - 15).T, *(places + 15).T)
    method, band = method_of("land_parcel", (10, 10), "mosaic", ("dlbm",), by=["dlbm"])
    rows = method.generalise(classed(shapes, 4), band, cell)
    distance = [shapely.distance(shapely.points(place), rows.shapes).min() for place in places]
    assert max(distance) < 10 * band.unit


def test_a_thread_that_smoothing_takes_away_does_not_name_the_region() -> None:
    """A road that ends in a village, a pixel wide, is too thin to be drawn there."""
    size = 96
    raster = np.ones((size, size), np.int32)
    raster[20:70, 20:70] = 2
    raster[44, 0:46] = 3
    raster[45, 45:66] = 3
    made = regions(raster, 4.0, (0.0, 0.0))
    assert shapely.area(made.shapes).sum() == (size * 4.0) ** 2
    area = {int(label): 0.0 for label in made.labels}
    for shape, label in zip(made.shapes, made.labels.tolist(), strict=True):
        area[label] += shape.area / 16
    assert area[2] == pytest.approx((raster == 2).sum(), rel=0.05)
    assert area.get(3, 0) <= 1.5 * (raster == 3).sum()
