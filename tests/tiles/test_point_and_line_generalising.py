"""Points are counted and lines stay connected, in a cell and across cells."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiles.coverages import (
    PLACE,
    Rows,
    built,
    cell_at,
    cells_over,
    features_of,
    method_of,
    spread,
)
from tiles.generaliser import FIRST_MADE_ID, NO_FEATURE, Features


def some_points(seed: int, count: int = 300, width: float = 20_000.0) -> Features:
    random = np.random.default_rng(seed)
    west, south, east, north = spread(width)
    places = random.uniform((west, south), (east, north), (count, 2))
    kinds = random.choice(["eat", "stay", "visit"], count).tolist()
    rank = random.integers(0, 9, count).astype(float).tolist()
    columns = {"kind": kinds, "rank": [int(value) for value in rank]}
    return features_of(shapely.points(places), columns, rank)


def members(rows: list[Rows]) -> int:
    return int(sum(found.members.sum() for found in rows))


@pytest.mark.parametrize("name", ["thin", "cluster"])
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    pixels=st.sampled_from([4, 16, 64]),
    by=st.sampled_from([(), ("kind",)]),
    cell_zoom=st.sampled_from([8, 11, 12]),
)
def test_points_stand_for_all_points_whatever_the_cells(name, seed, pixels, by, cell_zoom) -> None:
    features = some_points(seed)
    fields = ("kind", "rank")
    rows = []
    for zoom in (cell_zoom, 10):
        method, band = method_of(
            "poi", (12, 12), name, fields, pixels=pixels, by=list(by), cell_zoom=zoom
        )
        found = built(method, band, features, cells_over(zoom, spread(20_000.0)))
        assert members(found) == len(features)
        rows.append(
            sorted(
                (int(tile_id), int(count), shapely.to_wkt(shape, 3))
                for part in found
                for tile_id, count, shape in zip(
                    part.tile_ids, part.members, part.shapes, strict=True
                )
            )
        )
    assert rows[0] == rows[1]


def test_the_most_important_point_stays_and_none_lies_as_near_as_to_hide_it() -> None:
    x, y = PLACE
    shapes = shapely.points([(x, y), (x + 1, y), (x + 2, y), (x + 9000, y)])
    features = features_of(
        shapes, {"kind": ["eat", "stay", "eat", "visit"], "rank": [1, 5, 2, 0]}, [1, 5, 2, 0]
    )
    method, band = method_of("poi", (12, 12), "thin", ("kind", "rank"), pixels=16)
    (rows,) = built(method, band, features, [cell_at(10)])
    assert dict(zip(rows.feature_ids.tolist(), rows.members.tolist(), strict=True)) == {2: 3, 4: 1}
    method, band = method_of("poi", (12, 12), "thin", ("kind",), pixels=16, keep_rank=2)
    (rows,) = built(method, band, features, [cell_at(10)])
    assert dict(zip(rows.feature_ids.tolist(), rows.members.tolist(), strict=True)) == {
        2: 2,
        3: 1,
        4: 1,
    }


def test_a_cluster_knows_its_number_and_says_what_its_most_important_point_says() -> None:
    x, y = PLACE
    shapes = shapely.points([(x, y), (x + 30, y), (x + 60, y), (x + 9000, y)])
    features = features_of(
        shapes, {"kind": ["eat", "stay", "eat", "visit"], "rank": [1, 5, 2, 0]}, [1, 5, 2, 0]
    )
    method, band = method_of("poi", (12, 12), "cluster", ("kind", "rank"), pixels=32)
    (rows,) = built(method, band, features, [cell_at(10)])
    cluster = rows.feature_ids == NO_FEATURE
    assert rows.members[cluster].tolist() == [3]
    assert rows.tile_ids[cluster][0] >= FIRST_MADE_ID
    assert rows.tile_ids[cluster][0] < 2**53
    assert rows.attributes["kind"].to_pylist()[int(np.flatnonzero(cluster)[0])] == "stay"
    assert shapely.distance(rows.shapes[cluster][0], shapely.Point(x + 30, y)) < band.unit
    assert rows.feature_ids[~cluster].tolist() == [4]
    method, band = method_of("poi", (12, 12), "cluster", ("kind",), pixels=32, least=4)
    (rows,) = built(method, band, features, [cell_at(10)])
    assert sorted(rows.feature_ids.tolist()) == [1, 2, 3, 4]


def streets(seed: int, side: int = 9, step: float = 700.0) -> Features:
    """Return a grid of streets of three classes in pieces, with blind ends."""
    random = np.random.default_rng(seed)
    west, south, _, _ = spread(side * step / 2)
    node = {
        (i, j): (
            west + i * step + random.normal(0, 60),
            south + j * step + random.normal(0, 60),
        )
        for i in range(side)
        for j in range(side)
    }
    shapes, classes = [], []
    for (i, j), here in node.items():
        for other in ((i + 1, j), (i, j + 1)):
            if other in node:
                there = node[other]
                bend = np.mean([here, there], axis=0) + random.normal(0, 40, 2)
                shapes.append(shapely.LineString([here, bend, there]))
                classes.append(("national", "county", "village")[(j if other[0] > i else i) % 3])
        if random.random() < 0.4:
            stub = (here[0] + random.uniform(5, 60), here[1] + random.uniform(5, 60))
            shapes.append(shapely.LineString([here, stub]))
            classes.append("village")
    names = [None] * len(shapes)
    return features_of(shapes, {"road_class": classes, "name": names})


def connected_parts(shapes) -> int:
    lines = [shape for shape in shapes if not shape.is_empty]
    merged = shapely.unary_union(lines)
    left, right = shapely.STRtree(shapely.get_parts(merged)).query(
        shapely.get_parts(merged), predicate="intersects"
    )
    parent = list(range(len(shapely.get_parts(merged))))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        parent[root(one)] = root(other)
    return len({root(place) for place in range(len(parent))})


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), tolerance=st.sampled_from([0.0, 4.0, 16.0]))
def test_a_network_stays_connected_across_cells(seed, tolerance) -> None:
    features = streets(seed)
    method, band = method_of(
        "road",
        (11, 11),
        "merge",
        ("road_class",),
        tolerance=tolerance,
        least_pixels=2,
        cell_zoom=13,
    )
    rows = built(method, band, features, cells_over(13, spread(7000.0)))
    shapes = np.concatenate([found.shapes for found in rows])
    assert shapely.is_valid(shapes).all()
    assert connected_parts(shapes) == 1
    # Long streets are few lines, and none but short blind ends are missing.
    length = shapely.length(features.shapes)
    assert shapely.length(shapes).sum() > 0.95 * length[length > 2 * band.pixel].sum()


def test_lines_of_a_class_become_one_and_keep_their_number() -> None:
    features = streets(3)
    method, band = method_of("road", (11, 11), "merge", ("road_class",), least_pixels=0)
    rows = built(method, band, features, cells_over(band.cell_zoom, spread(7000.0)))
    assert members(rows) == len(features)
    assert sum(len(found) for found in rows) < 0.7 * len(features)
    method, band = method_of("road", (11, 11), "merge", ("road_class", "name"), by=["road_class"])
    (rows_,) = built(method, band, features, [cell_at(11)])
    assert rows_.attributes.schema.names == ["road_class", "name"]


def test_short_blind_ends_go_unless_their_class_stays() -> None:
    x, y = PLACE
    shapes = [
        shapely.LineString([(x, y), (x + 3000, y)]),
        shapely.LineString([(x + 3000, y), (x + 6000, y)]),
        shapely.LineString([(x + 3000, y), (x + 3000, y + 40)]),
        shapely.LineString([(x + 1000, y), (x + 1000, y - 40)]),
    ]
    shapes[0] = shapely.LineString([(x, y), (x + 1000, y), (x + 3000, y)])
    features = features_of(shapes, {"road_class": ["county", "county", "village", "railway"]})
    method, band = method_of(
        "road", (11, 11), "merge", ("road_class",), keep={"road_class": ["railway"]}
    )
    (rows,) = built(method, band, features, [cell_at(10)])
    classes = rows.attributes["road_class"].to_pylist()
    assert sorted(set(classes)) == ["county", "railway"]
    method, band = method_of(
        "road", (11, 11), "merge", ("road_class",), only={"road_class": ["county"]}
    )
    (rows,) = built(method, band, features, [cell_at(10)])
    assert rows.attributes["road_class"].to_pylist() == ["county"]
    assert rows.members.tolist() == [2]


def test_pieces_meet_at_the_edges_of_cells() -> None:
    features = streets(11)
    cells = cells_over(13, spread(3000.0))
    method, band = method_of("road", (11, 11), "merge", ("road_class",), tolerance=8, cell_zoom=13)
    rows = built(method, band, features, cells)
    ends = {}
    for found, cell in zip(rows, cells, strict=True):
        for shape in found.shapes:
            for x, y in (shape.coords[0], shape.coords[-1]):
                ends.setdefault((round(x, 3), round(y, 3)), set()).add(cell)
    edges = {round(value, 3) for cell in cells for value in cell.box}
    inner = {place: who for place, who in ends.items() if place[0] in edges or place[1] in edges}
    west, south, east, north = (
        min(cell.box[0] for cell in cells),
        min(cell.box[1] for cell in cells),
        max(cell.box[2] for cell in cells),
        max(cell.box[3] for cell in cells),
    )
    met = [len(who) for (x, y), who in inner.items() if west < x < east and south < y < north]
    assert len(met) > 10
    assert min(met) >= 2


def test_a_band_holds_only_what_its_parameters_let_in() -> None:
    x, y = PLACE
    shapes = [shapely.LineString([(x, y + n), (x + 4000, y + n)]) for n in range(0, 4000, 500)]
    heights = [100.0, 105.0, 150.0, 200.0, None, 1250.0, 1300.0, 0.0]
    kinds = ["index", "plain"] * 4
    features = features_of(shapes, {"elev": heights, "kind": kinds})
    method, band = method_of("contour", (11, 12), "merge", ("elev",), multiples={"elev": 100})
    (rows,) = built(method, band, features, [cell_at(11)])
    assert sorted(rows.attributes["elev"].to_pylist()) == [0.0, 100.0, 200.0, 1300.0]
    only = {"kind": ["index"]}
    method, band = method_of("contour", (11, 12), "simplify", ("elev",), only=only)
    (rows,) = built(method, band, features, [cell_at(10)])
    assert rows.feature_ids.tolist() == [1, 3, 5, 7]


def test_points_without_attributes_are_thinned_too() -> None:
    x, y = PLACE
    bare = features_of(shapely.points([(x, y), (x + 1, y), (x + 9000, y)]), {})
    for name in ("thin", "cluster"):
        method, band = method_of("poi", (12, 12), name, (), pixels=16)
        (rows,) = built(method, band, bare, [cell_at(10)])
        assert sorted(rows.members.tolist()) == [1, 2]
