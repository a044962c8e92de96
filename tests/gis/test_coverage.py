"""The counts of areas over places, against shapely looking at every two areas."""

from collections import defaultdict
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gis.coverage import (
    Faces,
    SideLedger,
    Sides,
    faces_of,
    left_over,
    mean_width,
    place,
    sides_of,
)
from gis.geometry import ellipsoidal_area
from gis.paths import paths_of

TOLERANCE = 0.001
#: The tolerance in degrees.
GRAIN = TOLERANCE / 100_000
#: Degrees; about 11 m.
STEP = 1e-4


def faces(shapes: list[Any], *, in_memory: int = 1_000, batch: int = 3) -> Faces:
    geometries = np.array(shapes, dtype=object)
    ledger = SideLedger(in_memory)
    numbers = np.arange(len(shapes), dtype=np.int64)
    for start in range(0, len(shapes), batch):
        some = slice(start, start + batch)
        ledger.add(sides_of(paths_of(geometries[some]), numbers[some], TOLERANCE))
    left = ledger.close()
    return faces_of(place(paths_of(geometries), numbers, left, TOLERANCE))


def grid(columns: int, rows: int) -> list[Any]:
    return [
        shapely.box(114 + x * STEP, 29 + y * STEP, 114 + (x + 1) * STEP, 29 + (y + 1) * STEP)
        for y in range(rows)
        for x in range(columns)
    ]


def areas(found: Faces, chosen: NDArray[np.bool_]) -> float:
    wide = found.width > TOLERANCE
    return float(ellipsoidal_area(found.geometries[wide & chosen]).sum())


def test_a_clean_coverage_is_one_face_with_one_area_over_it() -> None:
    found = faces(grid(7, 5))
    assert found.count.tolist() == [1]
    assert ellipsoidal_area(found.geometries)[0] == pytest.approx(
        ellipsoidal_area(np.array(grid(7, 5))).sum()
    )


def test_sides_that_wait_on_disk_cancel_like_the_others() -> None:
    shapes = grid(20, 20)
    np.random.default_rng(3).shuffle(shapes)
    assert faces(shapes, in_memory=40, batch=50).count.tolist() == [1]
    del shapes[200:202]
    holes = faces(shapes, in_memory=40, batch=50)
    assert sorted(set(holes.count.tolist())) == [0, 1]


def test_a_hole_filled_by_another_area_is_no_gap() -> None:
    outer = shapely.box(114, 29, 114.001, 29.001)
    inner = shapely.box(114.0003, 29.0003, 114.0006, 29.0006)
    assert faces([outer.difference(inner), inner]).count.tolist() == [1]
    assert sorted(faces([outer.difference(inner)]).count.tolist()) == [0, 1]
    assert sorted(faces([outer, inner]).count.tolist()) == [1, 2]


def test_whichever_way_rings_run() -> None:
    shapes = [shape.reverse() if number % 3 else shape for number, shape in enumerate(grid(4, 4))]
    assert faces(shapes).count.tolist() == [1]


def test_a_vertex_on_a_neighbour_s_side_is_neither_overlap_nor_gap() -> None:
    left = shapely.box(114, 29, 114.0001, 29.0002)
    low = shapely.box(114.0001, 29, 114.0002, 29.0001)
    high = shapely.box(114.0001, 29.0001, 114.0002, 29.0002)
    found = faces([left, low, high])
    assert areas(found, found.count != 1) == 0.0
    # Half a millimetre beside it is within the tolerance; five are not.
    for metres, wide in ((0.0005, False), (0.005, True)):
        moved = shapely.Polygon(
            [
                (114.0001, 29),
                (114.0002, 29),
                (114.0002, 29.0001),
                (114.0001 - metres / 97_000, 29.0001),
            ]
        )
        found = faces([left, moved, high])
        assert (areas(found, found.count > 1) > 0) is wide


def test_a_whole_coverage_upon_another_is_found_everywhere() -> None:
    found = faces([*grid(6, 6), *[shapely.box(114, 29, 114 + 3 * STEP, 29 + 6 * STEP)]])
    assert areas(found, found.count == 2) == pytest.approx(
        ellipsoidal_area(np.array([shapely.box(114, 29, 114 + 3 * STEP, 29 + 6 * STEP)]))[0]
    )


@st.composite
def disturbed(draw: st.DrawFn) -> list[Any]:
    """A small coverage of which some vertices moved, some areas vanished and some came twice."""
    columns, rows = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    offsets = st.integers(-3, 3)
    inner = {
        (x, y): (draw(offsets), draw(offsets)) for x in range(columns + 1) for y in range(rows + 1)
    }

    def vertex(x: int, y: int) -> tuple[float, float]:
        dx, dy = inner[x, y]
        return 114 + (10 * x + dx) * STEP / 10, 29 + (10 * y + dy) * STEP / 10

    shapes = []
    for x in range(columns):
        for y in range(rows):
            corners = [vertex(x, y), vertex(x + 1, y), vertex(x + 1, y + 1), vertex(x, y + 1)]
            if draw(st.integers(0, 4)) == 0:
                moved = draw(st.integers(0, 3))
                lon, lat = corners[moved]
                corners[moved] = (lon + draw(offsets) * STEP / 7, lat + draw(offsets) * STEP / 7)
            shapes.append(shapely.Polygon(corners))
    kept = [shape for shape in shapes if shape.is_valid and draw(st.integers(0, 9))]
    if kept and draw(st.booleans()):
        kept.append(draw(st.sampled_from(kept)))
    return kept


@given(disturbed(), st.integers(1, 7))
@settings(max_examples=200)
def test_overlaps_and_gaps_are_those_that_shapely_finds(shapes: list[Any], batch: int) -> None:
    found = faces(shapes, batch=batch)
    wide = found.width > TOLERANCE
    overlaps = shapely.union_all(found.geometries[wide & (found.count >= 2)])
    expected = shapely.union_all(
        [one.intersection(other) for one, other in combinations(shapes, 2)] or [shapely.Point()]
    )
    apart = shapely.get_parts(overlaps.symmetric_difference(expected))
    apart = apart[shapely.get_dimensions(apart) == 2]
    # What differs is thinner than twice the tolerance.
    assert (mean_width(apart) <= 2 * TOLERANCE).all()
    gaps = shapely.union_all(found.geometries[wide & (found.count <= 0)])
    whole = shapely.union_all(shapes or [shapely.Point()])
    # Whether a place is enclosed may hang on two corners that touch, give or take the tolerance.
    surely, perhaps = enclosed(whole.buffer(-2 * GRAIN)), enclosed(whole.buffer(2 * GRAIN))
    for one, other in ((surely, gaps), (gaps, perhaps)):
        beyond = shapely.get_parts(one.buffer(-5 * GRAIN).difference(other))
        assert (mean_width(beyond) <= 2 * TOLERANCE).all()


def enclosed(area: Any) -> Any:
    """Return the holes of an area."""
    rings = shapely.get_rings(shapely.get_parts(area))
    outer = [shapely.Polygon(ring) for ring in rings]
    return shapely.union_all([*outer, shapely.Point()]).difference(area)


@pytest.mark.parametrize("values", [40, 900, 1 << 20])
@pytest.mark.parametrize("apart", [1, 1 << 32, 0x9E3779B97F4A7C15])
def test_sides_cancel_as_if_they_were_counted_one_by_one(values: int, apart: int) -> None:
    rng = np.random.default_rng(values)
    drawn = rng.integers(0, values, 3_000).astype(np.uint64)
    # Some sides with their counterparts, some alone, some many times over.
    hashes = np.concatenate([drawn, drawn[:2_000]]) * np.uint64(apart)
    rows = rng.integers(1, 500, len(hashes))
    codes = rows << 1 | np.append(np.zeros(3_000, np.int64), np.ones(2_000, np.int64))
    met: list[tuple[int, int]] = []

    def meet(one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        met.extend(tuple(sorted(pair)) for pair in zip(one.tolist(), other.tolist(), strict=True))

    left = left_over(Sides(hashes, codes), meet)
    by_hash: dict[int, list[int]] = defaultdict(list)
    for side, code in zip(hashes.tolist(), codes.tolist(), strict=True):
        by_hash[side].append(code)
    balance = {side: sum(2 * (code & 1) - 1 for code in held) for side, held in by_hash.items()}
    kept = [(s, c) for s, held in by_hash.items() if balance[s] for c in held]
    pairs = [held for side, held in by_hash.items() if len(held) == 2 and not balance[side]]
    assert sorted(zip(left.hashes.tolist(), left.codes.tolist(), strict=True)) == sorted(kept)
    assert left.hashes.tolist() == sorted(left.hashes.tolist())
    assert sorted(met) == sorted((min(a >> 1, b >> 1), max(a >> 1, b >> 1)) for a, b in pairs)
