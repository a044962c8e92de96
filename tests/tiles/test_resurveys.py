"""Resurveys: a pyramid reads and writes what is different on the map, and nothing else."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from sqlalchemy import text

from layers.definition import LayerDefinition
from layers.pyramid_bands import bands_of
from layers.pyramid_reading import HeldRows, PyramidReader, Versions
from layers.pyramid_store import PyramidStore
from layers.pyramid_tables import band_table_name
from layers.store import LoadHeader, LoadOutcome, Store
from tests.database import connected
from tests.layers.conftest import make_store, plot_definition
from tests.layers.surveys import day
from tiles.pyramid.building import build_pyramid

__all__ = ["make_store"]

Shapes = Sequence[shapely.Geometry]
#: Degrees between neighbours: some five tiles of zoom 15 hold them all.
STEP = 0.002
SIDE = 6


def layer_of(geometry: str, *bands: dict[str, Any], coverage: bool = False) -> LayerDefinition:
    return plot_definition(
        geometry={"type": geometry, "coverage": coverage},
        tiles={"min_zoom": bands[0]["zooms"][0], "fields": ["use"], "pyramid": bands},
    )


def corners(place: int, grown: float = 0.0) -> np.ndarray:
    """A ragged outline that touches none of the others, in degrees."""
    turn = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    ragged = np.random.default_rng(place).uniform(0.75, 1.0, len(turn)) + grown
    middle = np.array([114.3 + place % SIDE * STEP, 29.8 + place // SIDE * STEP])
    return middle + 0.4 * STEP * ragged[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])


def area(outline: np.ndarray, *, begun: int = 0, other_way: bool = False) -> shapely.MultiPolygon:
    """An area with a court, whose outlines begin at a corner and go round one way or the other."""
    rings = []
    for ring in (outline, outline.mean(axis=0) + 0.5 * (outline - outline.mean(axis=0))):
        ring = np.roll(ring, begun, axis=0)
        rings.append(ring[::-1] if other_way else ring)
    return shapely.MultiPolygon([shapely.Polygon(rings[0], [rings[1]])])


def survey(store: Store, layer: LayerDefinition, at: int, shapes: Shapes) -> LoadOutcome:
    numbers = range(len(shapes))
    rows = pa.table(
        {
            "source_row": pa.array(numbers, pa.int64()),
            "code": pa.array([f"k{number}" for number in numbers]),
            "use": pa.array([f"用途{number % 3}" for number in numbers]),
            "geometry": pa.array([shapely.to_wkb(shape) for shape in shapes], pa.binary()),
        }
    )
    header = LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", day(at), "tester", {}, True)
    with store.open_load(layer, header) as session:
        session.stage(rows)
        return session.apply()


def rows_of(url: str, layer: LayerDefinition) -> list[list[str]]:
    """All rows of each band, with all their times."""
    with connected(url) as connection:
        return [
            sorted(
                connection.execute(
                    text(f"SELECT CAST(p AS text) FROM pyramid.{band_table_name(layer, band)} p")  # noqa: S608
                ).scalars()
            )
            for band in bands_of(layer)
        ]


SIMPLIFIED = {"zooms": [11, 15], "method": "simplify", "tolerance": 9, "min_pixels": 0}
METHODS = {
    "simplify": layer_of("multipolygon", SIMPLIFIED),
    "coverage": layer_of("multipolygon", SIMPLIFIED, coverage=True),
    "grid": layer_of("multipolygon", SIMPLIFIED | {"tolerance": 0}, coverage=True),
    "dissolve": layer_of(
        "multipolygon",
        {"zooms": [11, 12], "method": "dissolve", "by": ["use"], "source": "finer"},
        {"zooms": [13, 15], "method": "dissolve", "by": ["use"], "keep_pixels": 900},
    ),
    "mosaic": layer_of(
        "multipolygon", {"zooms": [11, 15], "method": "mosaic", "by": ["use"]}, coverage=True
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_the_same_ground_told_from_another_corner_is_no_change(
    name: str, make_store: Callable[..., Store], fresh_database: str
) -> None:
    layer = METHODS[name]
    store = make_store(layer)
    pyramid = PyramidStore(fresh_database)
    places = range(SIDE * SIDE)
    first = [area(corners(place)) for place in places]
    again = [
        area(corners(place), begun=7 + place % 5, other_way=place % 2 == 0) for place in places
    ]
    try:
        survey(store, layer, 1, first)
        build_pyramid(pyramid, layer, processes=1)
        before = rows_of(fresh_database, layer)
        assert all(before)
        assert survey(store, layer, 2, again).changed == len(again)
        built = build_pyramid(pyramid, layer, processes=1)
        assert [(band.cells, band.opened, band.closed) for band in built] == [(0, 0, 0)] * len(
            before
        )
        assert rows_of(fresh_database, layer) == before
        # One area is another now; around it outlines begin elsewhere once more.
        survey(store, layer, 3, [area(corners(0, 0.2)), *first[1:]])
        assert all(band.opened for band in build_pyramid(pyramid, layer, processes=1))
        followed = rows_of(fresh_database, layer)
        build_pyramid(pyramid, layer, processes=1, anew=True)
        assert rows_of(fresh_database, layer) == followed
    finally:
        pyramid.close()


@pytest.mark.parametrize("name", ["simplify", "coverage", "dissolve"])
def test_late_surveys_that_begin_elsewhere_leave_what_building_anew_gives(
    name: str, make_store: Callable[..., Store], fresh_database: str
) -> None:
    layer = METHODS[name]
    store = make_store(layer)
    pyramid = PyramidStore(fresh_database)
    chance = np.random.default_rng(11)
    try:
        for _ in range(8):
            shapes = [
                area(
                    corners(place, 0.2 * chance.integers(2)),
                    begun=int(chance.integers(30)),
                    other_way=bool(chance.integers(2)),
                )
                for place in range(5)
            ]
            survey(store, layer, int(chance.integers(1, 7)), shapes)
            if chance.integers(3):
                build_pyramid(pyramid, layer, processes=1)
        build_pyramid(pyramid, layer, processes=1)
        followed = rows_of(fresh_database, layer)
        build_pyramid(pyramid, layer, processes=1, anew=True)
        assert rows_of(fresh_database, layer) == followed
    finally:
        pyramid.close()


class Seen:
    """What was read of the database, as it passed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.versions: list[Versions] = []
        self.held: list[HeldRows] = []
        read, held = PyramidReader.versions, PyramidReader.held

        def seen_versions(reader: PyramidReader, *args: Any) -> Versions:
            self.versions.append(read(reader, *args))
            return self.versions[-1]

        def seen_held(reader: PyramidReader, *args: Any) -> HeldRows:
            self.held.append(held(reader, *args))
            return self.held[-1]

        monkeypatch.setattr(PyramidReader, "versions", seen_versions)
        monkeypatch.setattr(PyramidReader, "held", seen_held)


def ids_of(url: str, codes: Sequence[str]) -> set[int]:
    with connected(url) as connection:
        found = connection.execute(
            text("SELECT DISTINCT feature_id FROM city.plot WHERE code = ANY(:codes)"),
            {"codes": list(codes)},
        )
        return set(found.scalars())


def test_simplified_areas_are_renewed_one_by_one(
    make_store: Callable[..., Store], fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = METHODS["simplify"]
    store = make_store(layer)
    pyramid = PyramidStore(fresh_database)
    shapes = [area(corners(place)) for place in range(SIDE * SIDE)]
    try:
        survey(store, layer, 1, shapes)
        build_pyramid(pyramid, layer, processes=1)
        for place in (3, 4, 20):
            shapes[place] = area(corners(place, 0.2))
        assert survey(store, layer, 2, shapes).changed == 3
        seen = Seen(monkeypatch)
        (built,) = build_pyramid(pyramid, layer, processes=1)
    finally:
        pyramid.close()
    wanted = ids_of(fresh_database, ["k3", "k4", "k20"])
    # As it was believed to be, as it was before the resurvey, and as it is.
    assert sorted(np.concatenate([read.feature_ids for read in seen.versions])) == sorted(
        [*wanted] * 3
    )
    assert sorted(feature for read in seen.held for feature in read.feature_ids) == sorted(wanted)
    # Each ends as it was believed to be for ever; what it was until the resurvey stays known.
    assert (built.closed, built.opened, built.rows) == (3, 6, len(shapes))


def test_thinned_points_are_renewed_in_their_cells(
    make_store: Callable[..., Store], fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is beside a point decides what becomes of it: its cell is read, its rows are written."""
    layer = layer_of("point", {"zooms": [11, 15], "method": "thin", "pixels": 4, "cell_zoom": 15})
    store = make_store(layer)
    pyramid = PyramidStore(fresh_database)
    # Two a square and more, over some eighty cells.
    spots = np.random.default_rng(5).uniform([114.3, 29.8], [114.4, 29.88], (2000, 2))
    try:
        survey(store, layer, 1, list(shapely.points(spots)))
        build_pyramid(pyramid, layer, processes=1)
        moved = spots.copy()
        moved[[3, 700, 1500]] += 0.0015
        assert survey(store, layer, 2, list(shapely.points(moved))).changed == 3
        seen = Seen(monkeypatch)
        (built,) = build_pyramid(pyramid, layer, processes=1)
        followed = rows_of(fresh_database, layer)
        build_pyramid(pyramid, layer, processes=1, anew=True)
        assert rows_of(fresh_database, layer) == followed
    finally:
        pyramid.close()
    # Each came out of a cell and into one, its own or another.
    assert 3 <= built.cells <= 6
    assert sum(len(read.feature_ids) for read in seen.held) < len(spots) / 4
    # Each leaves a row or one's count, and makes another so.
    assert 1 <= built.closed <= 6
    assert built.opened <= 2 * built.closed + 3
