"""What changed in a layer between two valid times, feature by feature.

A part of the one choke point (``layers.queries``); tiles of the same are cut from
``layers.change_rows``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, case, func, literal, or_, select

from gis.times import Interval
from layers.access import AccessClass, Viewer, access_class
from layers.change_rows import Span, state_at, touched_features
from layers.definition import LayerDefinition
from layers.errors import InvalidValue
from layers.feature_query import BBox
from layers.filters import Filter

ADDED, CHANGED, REMOVED = "added", "changed", "removed"
KINDS = (ADDED, CHANGED, REMOVED)


@dataclass(frozen=True)
class ChangeQuery:
    """Which changes are wanted."""

    layer: LayerDefinition
    viewer: Viewer
    span: Span
    #: Only features that had or have a box that meets this one (degrees).
    bbox: BBox | None = None
    #: Only features that this lets through: those that came to satisfy it were added.
    wanted: Filter | None = None
    #: Only features with greater ids.
    after: int = 0
    limit: int = 10


@dataclass(frozen=True)
class ChangedFeature:
    """What became of one feature between the two times."""

    feature_id: int
    #: ``added``, ``changed`` or ``removed``.
    kind: str
    #: As it is at the later time, or was at the earlier one if it was removed.
    properties: Mapping[str, Any]
    #: Field → value before and after, of those that differ; only of what changed.
    fields: Mapping[str, tuple[Any, Any]]
    moved: bool
    #: WKB, EPSG:4490, at the earlier and at the later time.
    before: bytes | None
    after: bytes | None


def changes_page(query: ChangeQuery) -> Select[Any]:
    """Return the statement for a page of changes by feature id, with one row more.

    A feature changed where a field that the viewer may see or the geometry differs at the two
    times, whatever it was in between.

    Raises:
        UnknownLayer: If the viewer may not know of the layer.
        InvalidValue: If the filter does not suit the layer, or the span runs backwards.
    """
    access = access_class(query.layer, query.viewer)
    before, after, moved, conditions = _pairs(query, access)
    number = func.coalesce(after.c.feature_id, before.c.feature_id)
    fields = [
        rows.c[name].label(f"{side}_{name}")
        for name in access.fields
        for side, rows in (("before", before), ("after", after))
    ]
    return (
        select(
            number.label("feature_id"),
            _kind(before, after).label("kind"),
            moved.label("moved"),
            func.ST_AsBinary(before.c.geom).label("before_geom"),
            func.ST_AsBinary(after.c.geom).label("after_geom"),
            *fields,
        )
        .select_from(_both(before, after))
        .where(*conditions)
        .order_by(number)
        .limit(query.limit + 1)
    )


def changes_count(query: ChangeQuery) -> Select[Any]:
    """Return the statement that counts changes: ``kind`` and ``features``; errors as above."""
    before, after, _, conditions = _pairs(query, access_class(query.layer, query.viewer))
    kinds = (
        select(_kind(before, after).label("kind"))
        .select_from(_both(before, after))
        .where(*conditions)
        .subquery("kinds")
    )
    return select(kinds.c.kind, func.count().label("features")).group_by(kinds.c.kind)


def read_change(row: Mapping[Any, Any], access: AccessClass) -> ChangedFeature:
    """Return a row of ``changes_page`` as a record."""
    before = {name: row[f"before_{name}"] for name in access.fields}
    after = {name: row[f"after_{name}"] for name in access.fields}
    changed = row["kind"] == CHANGED
    return ChangedFeature(
        feature_id=row["feature_id"],
        kind=row["kind"],
        properties=before if row["kind"] == REMOVED else after,
        fields={
            name: (before[name], after[name])
            for name in access.fields
            if changed and before[name] != after[name]
        },
        moved=bool(changed and row["moved"]),
        before=row["before_geom"],
        after=row["after_geom"],
    )


def _pairs(
    query: ChangeQuery, access: AccessClass
) -> tuple[Subquery, Subquery, ColumnElement[bool], list[ColumnElement[bool]]]:
    """Return the rows at both times, whether the geometry differs, and what makes a change."""
    layer, span = query.layer, query.span
    try:
        interval = Interval(span.since, span.end)
    except ValueError:
        raise InvalidValue("from: lies after the later time") from None
    touched = touched_features(layer, access, interval, span.as_of, query.bbox)
    if query.after:
        # Only what lies beyond the last page is compared.
        ids = touched.subquery("touched")
        touched = select(ids.c.feature_id).where(ids.c.feature_id > query.after)
    states = [
        state_at(layer, access, at, span.as_of, touched, query.wanted).subquery(side)
        for side, at in (("before", span.since), ("after", span.at))
    ]
    before, after = states
    moved = func.ST_AsBinary(after.c.geom).is_distinct_from(func.ST_AsBinary(before.c.geom))
    altered = or_(
        moved, *(after.c[name].is_distinct_from(before.c[name]) for name in access.fields)
    )
    return before, after, moved, [altered]


def _both(before: Subquery, after: Subquery) -> Any:
    return after.join(before, after.c.feature_id == before.c.feature_id, full=True)


def _kind(before: Subquery, after: Subquery) -> ColumnElement[str]:
    return case(
        (before.c.feature_id.is_(None), literal(ADDED)),
        (after.c.feature_id.is_(None), literal(REMOVED)),
        else_=literal(CHANGED),
    )
