"""Split, merged and redrawn parcels keep their ancestry, and lose it with the load."""

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa
import pytest
import shapely
from sqlalchemy import text

from layers.definition import LayerDefinition
from layers.store import LoadHeader, Store
from tests.database import connected
from tests.layers.surveys import day

MakeStore = Callable[..., Store]


def box(west: float, south: float, east: float, north: float) -> shapely.MultiPolygon:
    """An area in thousandths of a degree from (114.3, 29.8)."""
    corners = (114.3 + west / 1000, 29.8 + south / 1000, 114.3 + east / 1000, 29.8 + north / 1000)
    return shapely.MultiPolygon([shapely.box(*corners)])


def survey(
    store: Store,
    layer: LayerDefinition,
    parcels: dict[str, shapely.MultiPolygon],
    at: datetime,
    *,
    full: bool = True,
) -> None:
    header = LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", at, "tester", {}, full)
    table = pa.table(
        {
            "source_row": pa.array(range(1, len(parcels) + 1), pa.int64()),
            "code": pa.array(list(parcels), pa.string()),
            "geometry": pa.array([shapely.to_wkb(s) for s in parcels.values()], pa.binary()),
        }
    )
    with store.open_load(layer, header) as session:
        session.stage(table)
        session.apply()


def ancestry(url: str) -> dict[tuple[str, str], tuple[str, float]]:
    """(child, parent) → (kind, share), of what is held now."""
    with connected(url) as connection:
        found = connection.execute(
            text(
                "SELECT c.code, p.code, a.kind, a.share FROM onemap.ancestry a"
                " JOIN (SELECT DISTINCT feature_id, code FROM city.plot) c"
                "   ON c.feature_id = a.child_id"
                " JOIN (SELECT DISTINCT feature_id, code FROM city.plot) p"
                "   ON p.feature_id = a.parent_id WHERE a.recorded_to = 'infinity'"
            )
        ).all()
    return {(row[0], row[1]): (row[2], round(row[3], 2)) for row in found}


BEFORE = {"a": box(0, 0, 4, 4), "b": box(4, 0, 8, 4), "c": box(8, 0, 12, 4)}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (
            {"a1": box(0, 0, 1, 4), "a2": box(1, 0, 4, 4)},
            {("a1", "a"): ("split", 1.0), ("a2", "a"): ("split", 1.0)},
        ),
        ({"a": box(0, 0, 3, 4), "a1": box(3, 0, 4, 4)}, {("a1", "a"): ("split", 1.0)}),
        (
            {"ab": box(0, 0, 8, 4), "b": None},
            {("ab", "a"): ("merge", 0.5), ("ab", "b"): ("merge", 0.5)},
        ),
        ({"a": box(0, 0, 8, 4), "b": None}, {("a", "b"): ("merge", 0.5)}),
        (
            {"x": box(0, 0, 8, 2), "y": box(0, 2, 8, 4), "a": None, "b": None},
            {
                ("x", "a"): ("redraw", 0.5),
                ("x", "b"): ("redraw", 0.5),
                ("y", "a"): ("redraw", 0.5),
                ("y", "b"): ("redraw", 0.5),
            },
        ),
        ({"renamed": box(0, 0, 4, 4), "a": None}, {("renamed", "a"): ("redraw", 1.0)}),
        # A border that moves by a hair, and a new area beside the others, are no ancestry.
        ({"a": box(0, 0, 4.1, 4), "b": box(4.1, 0, 8, 4)}, {}),
        ({"a": box(0, 0, 4, 4), "d": box(12, 0, 16, 4)}, {}),
    ],
    ids=["split", "split off", "merge", "grown", "redrawn", "renamed", "moved border", "new"],
)
def test_ancestry_is_found_where_areas_lie_over_each_other(
    make_store: MakeStore,
    plot: LayerDefinition,
    fresh_database: str,
    after: dict[str, shapely.MultiPolygon | None],
    expected: dict[tuple[str, str], tuple[str, float]],
) -> None:
    store = make_store(plot)
    survey(store, plot, BEFORE, day(0))
    gone = {"a"} if not any(key in after for key in ("a",)) else set()
    later = {key: shape for key, shape in BEFORE.items() if key not in gone} | after
    survey(store, plot, {k: s for k, s in later.items() if s is not None}, day(9))
    assert ancestry(fresh_database) == expected


def test_ancestry_goes_with_the_load_that_is_taken_back(
    make_store: MakeStore, plot: LayerDefinition, fresh_database: str
) -> None:
    store = make_store(plot)
    survey(store, plot, BEFORE, day(0))
    survey(store, plot, {"a1": box(0, 0, 2, 4), "a2": box(2, 0, 4, 4)} | BEFORE, day(1))
    assert ancestry(fresh_database) == {}
    rest = {key: BEFORE[key] for key in ("b", "c")}
    halves = {"h1": box(0, 0, 4, 2), "h2": box(0, 2, 4, 4)}
    survey(store, plot, halves | rest, day(2))
    found = ancestry(fresh_database)
    assert found[("h1", "a")] == ("redraw", 1.0)
    with connected(fresh_database) as connection:
        last = connection.execute(text("SELECT max(load_id) FROM onemap.load")).scalar_one()
    store.revert(last, "tester", "wrong sheet")
    assert ancestry(fresh_database) == {}
    with connected(fresh_database) as connection:
        again = connection.execute(text("SELECT max(load_id) FROM onemap.load")).scalar_one()
    store.revert(again, "tester", "right after all")
    assert ancestry(fresh_database) == found
