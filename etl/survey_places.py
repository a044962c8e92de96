"""Rows of the stage and of layers near places, for checks of a whole survey."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Double,
    Select,
    and_,
    any_,
    case,
    func,
    literal,
    literal_column,
    select,
    true,
)

from etl.check_survey import SurveyView
from gis.geometry import Geometries

#: Places that are asked for at once, and rows that are held at once.
_PLACES, _ROWS = 2_000, 5_000


@dataclass(frozen=True)
class Near:
    """Rows near places; one entry a pair of place and row."""

    #: The place's position in what was asked.
    place: NDArray[np.int64]
    #: The row of the survey; -1 where it is not of the survey.
    source_row: NDArray[np.int64]
    #: The row's business key, for messages.
    key: list[str]
    geometries: Geometries


def staged_near(view: SurveyView, places: Geometries, most: int) -> Near:
    """Return the staged rows whose box meets the box of a place, hardly more than ``most``."""
    view.index_stage()
    stage = view.stage
    meets = stage.c.geom.bool_op("&&")(_ENVELOPE)
    return _near(view, stage, stage.c.source_row, meets, places, most=most)


def remaining_near(view: SurveyView, places: Geometries) -> Near:
    """Return the layer's rows near places that the survey leaves as they are."""
    near = held_near(view, places)
    stays = near.source_row < 0
    keys = [key for key, kept in zip(near.key, stays.tolist(), strict=True) if kept]
    return Near(near.place[stays], near.source_row[stays], keys, near.geometries[stays])


def held_near(view: SurveyView, places: Geometries) -> Near:
    """Return the layer's rows near places, before the load.

    ``source_row`` is 0 for rows that the survey replaces and -1 for the others.
    """
    if view.full or view.is_empty(view.layer.name):
        return _nothing()
    held = view.held_within(view.layer.name, _ENVELOPE)
    return _near(view, held, case((view.is_staged(held), 0), else_=-1), true(), places)


#: The box of a place, of the columns of ``box`` in the statement below.
_ENVELOPE = func.ST_MakeEnvelope(
    *(literal_column(f"box.{side}") for side in ("west", "south", "east", "north")), 4490
)


def _near(
    view: SurveyView,
    rows: Any,
    source_row: Any,
    meets: Any,
    places: Geometries,
    *,
    most: int | None = None,
) -> Near:
    found: list[Any] = []
    keys = [rows.c[name] for name in view.layer.key]
    for start in range(0, len(places), _PLACES):
        boxes = shapely.bounds(places[start : start + _PLACES])
        box = (
            func.unnest(
                *(literal(edge.tolist(), ARRAY(Double)) for edge in boxes.T),
                literal(list(range(start, start + len(boxes))), ARRAY(BigInteger)),
            )
            .table_valued("west", "south", "east", "north", "place")
            .render_derived(name="box")
        )
        statement: Select[Any] = (
            select(box.c.place, source_row, func.ST_AsBinary(rows.c.geom), *keys)
            .select_from(box)
            .join(rows, meets)
        )
        if most is not None:
            statement = statement.limit(most + 1 - len(found))
        found.extend(view.fetch(statement))
        if most is not None and len(found) > most:
            break
    if not found:
        return _nothing()
    return Near(
        np.array([row[0] for row in found], dtype=np.int64),
        np.array([row[1] for row in found], dtype=np.int64),
        [", ".join(str(part) for part in row[3:]) for row in found],
        shapely.from_wkb([bytes(row[2]) for row in found]),
    )


def _nothing() -> Near:
    return Near(
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        [],
        np.zeros(0, dtype=object),
    )


def staged_shapes(
    view: SurveyView, rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Geometries]]:
    """Give staged rows by number with their geometries, some at a time."""
    stage = view.stage
    wanted = stage.c.source_row == any_(literal(rows.tolist(), ARRAY(BigInteger)))
    statement = select(stage.c.source_row, func.ST_AsBinary(stage.c.geom)).where(wanted)
    for part in view.stream(statement, _ROWS):
        yield _numbers(part), shapely.from_wkb([bytes(row[1]) for row in part])


def moved_shapes(
    view: SurveyView, rows: NDArray[np.int64] | None = None
) -> Iterator[tuple[NDArray[np.int64], Geometries, Geometries]]:
    """Give the staged rows whose geometry is new or other than before, some at a time.

    Args:
        view: The survey.
        rows: Only these; ``None`` is all.

    Yields:
        Row numbers, the geometries of the survey, and those before (``None`` where new).
    """
    stage, held = view.stage, view.held_by_key()
    same = [stage.c[name] == held.c[name] for name in view.layer.key]
    new, old = func.ST_AsBinary(stage.c.geom), func.ST_AsBinary(held.c.geom)
    statement = (
        select(stage.c.source_row, new, old)
        .select_from(stage.outerjoin(held, and_(*same)))
        .where(new.is_distinct_from(old))
    )
    if rows is not None:
        statement = statement.where(
            stage.c.source_row == any_(literal(rows.tolist(), ARRAY(BigInteger)))
        )
    for part in view.stream(statement, _ROWS):
        before = [None if row[2] is None else bytes(row[2]) for row in part]
        yield (
            _numbers(part),
            shapely.from_wkb([bytes(row[1]) for row in part]),
            np.asarray(shapely.from_wkb(np.array(before, dtype=object)), dtype=object),
        )


def _numbers(rows: Sequence[Any]) -> NDArray[np.int64]:
    return np.array([row[0] for row in rows], dtype=np.int64)
