"""Surveys of the test layer ``plot``, made and loaded in a line."""

from datetime import UTC, datetime

import pyarrow as pa
import shapely

from layers.definition import LayerDefinition
from layers.store import BadRow, LoadHeader, LoadOutcome, Store


def day(number: int) -> datetime:
    """Day ``number`` of 2014."""
    return datetime.fromordinal(datetime(2014, 1, 1, tzinfo=UTC).toordinal() + number).replace(
        tzinfo=UTC
    )


def square(place: int, size: float = 0.001) -> shapely.MultiPolygon:
    """A square of ``size`` degrees, the ``place``-th in a row along 29.8° N."""
    west = 114.3 + place * 0.002
    return shapely.MultiPolygon([shapely.box(west, 29.8, west + size, 29.8 + size)])


def batch(states: dict[str, int], offset: int = 0) -> pa.Table:
    """Rows with keys and a number each, from which everything else of the row follows."""
    numbers = list(states.values())
    return pa.table(
        {
            "source_row": pa.array(range(offset, offset + len(numbers)), pa.int64()),
            "code": pa.array(list(states), pa.string()),
            "use": pa.array([f"用途{n}" if n % 3 else None for n in numbers], pa.string()),
            "floors": pa.array(numbers, pa.int64()),
            "geometry": pa.array([shapely.to_wkb(square(n)) for n in numbers], pa.binary()),
        }
    )


def load(
    store: Store,
    layer: LayerDefinition,
    states: dict[str, int],
    at: datetime,
    *,
    full: bool = False,
    bad: tuple[BadRow, ...] = (),
) -> LoadOutcome:
    header = LoadHeader("plots.gpkg", "0" * 64, "EPSG:4490", at, "tester", {}, full)
    with store.open_load(layer, header) as session:
        session.stage(batch(states))
        session.quarantine(bad)
        return session.apply()
