"""What changed in a layer between two valid times, as rows that a tile is cut from.

A part of the one choke point (``layers.queries``).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    Select,
    Subquery,
    case,
    literal,
    or_,
    select,
    union_all,
)

from gis.times import Interval
from layers.access import AccessClass, Viewer, access_class
from layers.definition import LayerDefinition
from layers.errors import InvalidValue
from layers.filters import Filter, filter_condition
from layers.queries import Box, layer_rows
from layers.tables import INFINITY

#: Columns beside those of ``tile_rows``: ``added``, ``changed`` or ``removed``; and whether the
#: row has the shape ``after`` or ``before``.
CHANGE, SHAPE = "change", "shape"


@dataclass(frozen=True, slots=True)
class Span:
    """Two valid times, as the map holds or held them."""

    since: datetime
    #: ``None`` is now.
    at: datetime | None
    #: Record time; ``None`` is now.
    as_of: datetime | None

    @property
    def end(self) -> datetime | None:
        """The later time; ``None`` is now."""
        return self.as_of if self.at is None else self.at


def change_rows(
    layer: LayerDefinition,
    viewer: Viewer,
    span: Span,
    fields: tuple[str, ...],
    bbox: Box,
    wanted: Filter | None = None,
) -> Select[Any]:
    """Return the features that were added, changed or removed within a span.

    A feature counts as changed where a field that the viewer may see or the geometry differs at
    the two times, whatever it was in between. One whose geometry changed has two rows, with the
    shape it has and the shape it had; with a filter, features that came to satisfy it were added.

    Args:
        layer: The layer.
        viewer: Who asks.
        span: From when to when.
        fields: The fields wanted, which are those after the change where there is an after.
        bbox: Only features that had or have a box that meets this one (degrees).
        wanted: Only features that this filter lets through.

    Returns:
        The columns of ``tile_rows``, and ``change`` and ``shape``.

    Raises:
        UnknownLayer: If the viewer may not know of the layer.
        InvalidValue: If the filter does not suit the layer, or the span runs backwards.
    """
    access = access_class(layer, viewer)
    try:
        interval = Interval(span.since, span.end)
    except ValueError:
        raise InvalidValue("since: lies after the time that the map shows") from None
    shown = tuple(name for name in fields if name in access.fields)
    touched = touched_features(layer, access, interval, span.as_of, bbox)
    before = state_at(layer, access, span.since, span.as_of, touched, wanted).subquery("before")
    after = state_at(layer, access, span.at, span.as_of, touched, wanted).subquery("after")
    moved = after.c.geom.is_distinct_from(before.c.geom)
    altered = or_(
        moved, *(after.c[name].is_distinct_from(before.c[name]) for name in access.fields)
    )
    pairs = (
        select(
            *(after.c[name].label(f"after_{name}") for name in _columns(shown)),
            *(before.c[name].label(f"before_{name}") for name in _columns(shown)),
            moved.label("moved"),
            case(
                (before.c.feature_id.is_(None), literal("added")),
                (after.c.feature_id.is_(None), literal("removed")),
                else_=literal("changed"),
            ).label(CHANGE),
        )
        .select_from(after.join(before, after.c.feature_id == before.c.feature_id, full=True))
        .where(altered)
        .cte(f"pairs_of_{layer.name}")
    )
    return (
        union_all(
            _side(pairs, "after", shown).where(pairs.c.after_feature_id.is_not(None)),
            _side(pairs, "before", shown).where(
                pairs.c.before_feature_id.is_not(None), pairs.c.moved
            ),
        )
        .subquery("changes")
        .select()
    )


def _columns(shown: tuple[str, ...]) -> tuple[str, ...]:
    return ("feature_id", *shown, "tile_geom")


def touched_features(
    layer: LayerDefinition,
    access: AccessClass,
    interval: Interval,
    as_of: datetime | None,
    bbox: Box | None,
) -> Select[Any]:
    """Return the ids of features of which a row in the box begins or ends within the interval."""
    rows = layer_rows(layer, access, interval, as_of, bbox, ())
    ended = (
        rows.c.valid_to < INFINITY
        if interval.end is None
        else (rows.c.valid_to <= literal(interval.end, rows.c.valid_to.type))
    )
    begun = rows.c.valid_from > literal(interval.start, rows.c.valid_from.type)
    return select(rows.c.feature_id).where(or_(begun, ended)).distinct()


def state_at(
    layer: LayerDefinition,
    access: AccessClass,
    at: datetime | None,
    as_of: datetime | None,
    touched: Select[Any],
    wanted: Filter | None,
) -> Select[Any]:
    """Return the rows of some features at a time, as far as they satisfy a filter."""
    rows: Subquery = layer_rows(layer, access, at, as_of)
    statement = select(*rows.c).where(rows.c.feature_id.in_(touched))
    if wanted is None:
        return statement
    return statement.where(
        filter_condition(wanted, layer, access, dict(rows.c.items()), rows.c.geom)
    )


def _side(pairs: FromClause, side: str, shown: tuple[str, ...]) -> Select[Any]:
    def column(name: str) -> ColumnElement[Any]:
        return pairs.c[f"{side}_{name}"].label(name)

    return select(
        column("feature_id").label("tile_id"),
        column("feature_id"),
        literal(1).label("members"),
        literal(0.0, Double).label("tile_rank"),
        *(column(name) for name in shown),
        literal(False).label("generalised"),
        column("tile_geom"),
        pairs.c[CHANGE],
        literal(side).label(SHAPE),
    )
