"""What a load changed, class by class: the features before and after, within its transaction."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    func,
    literal,
    null,
    select,
    union_all,
)

from layers.definition import LayerDefinition
from layers.tables import city_table
from layers.versioning import difference_table

_BEFORE, _AFTER = literal("before"), literal("after")


def class_field(layer: LayerDefinition) -> str | None:
    """Return the field that classes a layer: the one named, or the one whose codes colour it."""
    if layer.report_by is not None:
        return layer.report_by
    for entry in layer.style:
        for value in entry.paint.values():
            if isinstance(value, dict) and set(value) == {"code_color"}:
                return str(value["code_color"])
    return None


def anything_compared() -> Select[Any]:
    """Return the statement that finds a row if the load was compared with rows held before."""
    return select(literal(1)).select_from(difference_table()).limit(1)


def compared_features(layer: LayerDefinition, surveyed: FromClause) -> Select[Any]:
    """Return the statement for the features that a load changed, before and after.

    Args:
        layer: The layer.
        surveyed: The load's staged rows.

    Returns:
        A row a side and class: ``side`` (before, after), ``code``, ``features`` (their number) and
        ``geometry`` (all of theirs as one collection: WKB, EPSG:4490, two-dimensional).
    """
    table, difference = city_table(layer), difference_table()
    held = and_(
        table.c.feature_id == difference.c.feature_id,
        table.c.version == difference.c.held_version,
        table.c.recorded_from == difference.c.held_recorded,
        difference.c.held,
    )
    same_row = difference.c.source_row == surveyed.c.source_row
    both = union_all(
        _sums(_BEFORE, layer, table, table.join(difference, held)),
        _sums(_AFTER, layer, surveyed, surveyed.join(difference, same_row)),
    ).subquery("both")
    return select(both)


def first_features(layer: LayerDefinition, load_id: int) -> Select[Any]:
    """Return the same for the first load of a layer, which only added features."""
    table = city_table(layer)
    return _sums(_AFTER, layer, table, table).where(table.c.load_id == load_id)


def _sums(
    side: ColumnElement[str], layer: LayerDefinition, rows: FromClause, source: FromClause
) -> Select[Any]:
    name = class_field(layer)
    group: ColumnElement[Any] | None = None if name is None else rows.c[name]
    shapes: ColumnElement[Any] = null()
    if layer.geometry.dimension:
        flat = func.ST_Force2D(rows.c.geom) if layer.geometry.z else rows.c.geom
        shapes = func.ST_AsBinary(func.ST_Collect(flat))
    statement = (
        select(
            side.label("side"),
            (null() if group is None else group).label("code"),
            func.count().label("features"),
            shapes.label("geometry"),
        )
        .select_from(source)
        .having(func.count() > 0)
    )
    return statement if group is None else statement.group_by(group)
