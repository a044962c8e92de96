"""Pairs of areas that overlap, found by the database's index of boxes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from sqlalchemy import BigInteger, ColumnElement, func, literal_column, null, select, true

from etl.check_survey import SurveyView
from gis.coverage import mean_width
from gis.geometry import ellipsoidal_area

#: Pairs that are held at once.
_PAIRS = 2_000
#: What the stage is called in statements, for conditions that stand within others.
_SURVEYED = "surveyed"


@dataclass(frozen=True)
class Pair:
    """A row of the survey and another area that it overlaps."""

    source_row: int
    #: Its business key, for messages.
    key: str
    #: The other's row, where it is of the survey too.
    other_row: int | None
    other_key: str
    #: m² on the ellipsoid.
    area: float


def overlapping(
    view: SurveyView,
    other_layer: str,
    tolerance: float,
    condition: Any = None,
) -> Iterator[Pair]:
    """Give the overlaps of staged rows with each other, or with another layer.

    Args:
        view: The survey.
        other_layer: The layer the other areas are of, as it would be after the load.
        tolerance: Overlaps narrower than this are none, metres.
        condition: Makes a further condition of the two rows (of SQL columns), where given.
    """
    view.index_stage()
    stage = view.stage.alias(_SURVEYED)
    mine = other_layer == view.layer.name
    keys = view.layer.key if mine else view.catalogue.layer(other_layer).key
    for others, row, conditions in _others(view, stage, other_layer):
        if condition is not None:
            conditions.append(condition(stage, others))
        statement = (
            select(
                stage.c.source_row,
                row,
                func.ST_AsBinary(stage.c.geom),
                func.ST_AsBinary(others.c.geom),
                *(stage.c[name] for name in view.layer.key),
                *(others.c[name] for name in keys),
            )
            .select_from(stage)
            .join(others, true())
            .where(func.ST_Relate(stage.c.geom, others.c.geom, "2********"), *conditions)
        )
        for part in view.stream(statement, _PAIRS):
            yield from _wide(part, len(view.layer.key), tolerance)


def _others(
    view: SurveyView, stage: Any, other_layer: str
) -> Iterator[tuple[Any, Any, list[ColumnElement[bool]]]]:
    """Give the stage and the rows that stay, one after the other, so that indexes can answer."""
    mine = other_layer == view.layer.name
    if mine:
        others = view.stage.alias("other")
        meets = stage.c.geom.bool_op("&&")(others.c.geom)
        yield others, others.c.source_row, [meets, stage.c.source_row < others.c.source_row]
    if view.is_empty(other_layer) or (mine and view.full):
        return
    held = view.held_within(other_layer, literal_column(f"{_SURVEYED}.geom"))
    yield held, null().cast(BigInteger), [~view.is_staged(held)] if mine else []


def _wide(part: Sequence[Any], keys: int, tolerance: float) -> Iterator[Pair]:
    mine = shapely.from_wkb([bytes(row[2]) for row in part])
    others = shapely.from_wkb([bytes(row[3]) for row in part])
    shared = shapely.intersection(shapely.force_2d(mine), shapely.force_2d(others))
    areas = ellipsoidal_area(shared)
    for place in np.flatnonzero(mean_width(shared) > tolerance).tolist():
        row = part[place]
        yield Pair(
            row[0],
            ", ".join(str(value) for value in row[4 : 4 + keys]),
            row[1],
            ", ".join(str(value) for value in row[4 + keys :]),
            float(areas[place]),
        )
