"""Areas that tile nothing: simplified one by one, or dissolved by class."""

import numpy as np
import pytest
import shapely

from tests.tiles.coverages import PLACE, built, cell_at, cells_over, features_of, method_of, spread
from tiles.generaliser import NO_FEATURE, Features
from tiles.unit_grid import in_units


def houses(seed: int, count: int = 400, width: float = 3000.0) -> Features:
    random = np.random.default_rng(seed)
    west, south, east, north = spread(width)
    places = random.uniform((west, south), (east, north), (count, 2))
    half = random.uniform(4, 15, (count, 2))
    shapes = shapely.box(*(places - half).T, *(places + half).T)
    uses = random.choice(["10", "31"], count).tolist()
    return features_of(shapes, {"ghyt": uses, "name": [f"n{n}" for n in range(count)]})


def test_houses_become_blocks_that_count_them_whatever_the_cells() -> None:
    features = houses(1)
    seen = []
    for cell_zoom in (11, 12, 13):
        method, band = method_of(
            "building",
            (12, 13),
            "dissolve",
            ("ghyt", "name"),
            by=["ghyt"],
            square=32,
            gap=2,
            least_pixels=0,
            cell_zoom=cell_zoom,
        )
        rows = built(method, band, features, cells_over(cell_zoom, spread(3000.0)))
        assert sum(found.members.sum() for found in rows) == len(features)
        shapes = np.concatenate([found.shapes for found in rows])
        assert shapely.is_valid(shapes).all()
        several = np.concatenate([found.feature_ids for found in rows]) == NO_FEATURE
        names = [name for found in rows for name in found.attributes["name"].to_pylist()]
        assert several.any()
        assert {name is None for name, made in zip(names, several, strict=True) if made} == {True}
        ids = np.concatenate([found.tile_ids for found in rows])
        order = np.argsort(ids)
        assert len(np.unique(ids)) == len(ids)
        seen.append((ids[order].tolist(), shapely.to_wkb(shapes[order]).tolist()))
    assert seen[0] == seen[1] == seen[2]


def test_large_and_important_areas_stay_themselves_and_specks_go() -> None:
    x, y = PLACE
    shapes = [
        shapely.box(x, y, x + 2000, y + 2000),
        shapely.box(x + 5000, y, x + 5010, y + 10),
        shapely.box(x + 6000, y, x + 6060, y + 60),
    ]
    features = features_of(shapes, {"gddb": [1, 2, 3]}, [0, 0, 5])
    method, band = method_of("prime_farmland", (11, 11), "dissolve", ("gddb",), keep_rank=5)
    (rows,) = built(method, band, features, [cell_at(10)])
    assert sorted(rows.feature_ids.tolist()) == [1, 3]


def test_simplified_areas_lose_pinholes_and_specks_and_stand_on_the_grid() -> None:
    x, y = PLACE
    wavy = [
        (x + 1500 * np.cos(turn) * (1 + 0.002 * (step % 2)), y + 1500 * np.sin(turn))
        for step, turn in enumerate(np.linspace(0, 2 * np.pi, 2000))
    ]
    pinhole = [(x - 2, y - 2), (x + 2, y - 2), (x + 2, y + 2), (x - 2, y + 2)]
    lake = [(x + 300, y), (x + 700, y), (x + 700, y + 400), (x + 300, y + 400)]
    shapes = [
        shapely.Polygon(wavy, [pinhole, lake]),
        shapely.box(x + 4000, y, x + 4010, y + 10),
    ]
    features = features_of(shapes, {"water_class": ["lake", "pond"]})
    method, band = method_of("water_body", (10, 11), "simplify", ("water_class",))
    (rows,) = built(method, band, features, [cell_at(9)])
    assert rows.feature_ids.tolist() == [1]
    shape = rows.shapes[0]
    assert shapely.get_num_coordinates(shape) < 100
    assert sum(shapely.get_num_interior_rings(shapely.get_parts(shape))) == 1
    assert shape.area == pytest.approx(shapes[0].area, rel=0.01)
    units = shapely.get_coordinates(in_units(rows.shapes, band.unit))
    assert np.allclose(units, np.rint(units), atol=1e-3)


def test_where_nothing_may_be_missing_a_speck_becomes_a_dot() -> None:
    x, y = PLACE
    shapes = [shapely.box(x, y, x + 2, y + 2), shapely.box(x + 900, y, x + 901, y + 900)]
    features = features_of(shapes, {"state": ["1", "2"]})
    method, band = method_of("change_patch", (9, 10), "simplify", ("state",))
    (rows,) = built(method, band, features, [cell_at(9)])
    assert rows.feature_ids.tolist() == [1, 2]
    assert shapely.is_valid(rows.shapes).all()
    assert (shapely.area(rows.shapes) > 0).all()


def test_lines_are_simplified_and_short_ones_left_out() -> None:
    x, y = PLACE
    bends = np.linspace(0, 5000, 500)
    shapes = [
        shapely.LineString(np.column_stack([x + bends, y + 3 * np.sin(bends)])),
        shapely.LineString([(x, y), (x + 5, y + 5)]),
    ]
    features = features_of(shapes, {"elev": [100, 105]})
    method, band = method_of("contour", (11, 12), "simplify", ("elev",))
    (rows,) = built(method, band, features, [cell_at(10)])
    assert rows.feature_ids.tolist() == [1]
    assert shapely.get_num_coordinates(rows.shapes[0]) < 10
    assert shapely.hausdorff_distance(rows.shapes[0], shapes[0]) < 6 * band.unit
