"""What a load changed, summed by class: features, and their areas or lengths before and after."""

from typing import Any

from sqlalchemy import ColumnElement, Double, Select, and_, cast, func, literal, select, union_all

from layers.definition import LayerDefinition
from layers.tables import city_table
from layers.versioning import difference_table, stage_table

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


def measure(layer: LayerDefinition, geometry: ColumnElement[Any]) -> ColumnElement[float]:
    """Return a feature's size on the ellipsoid of CGCS2000: square metres, metres, or 0.

    PostGIS's geography functions take the ellipsoid of EPSG:4490 and follow Karney, "Algorithms
    for geodesics" (2013).
    """
    flat = func.geography(func.ST_Force2D(geometry))
    if layer.geometry.dimension == 2:
        return func.ST_Area(flat)
    return func.ST_Length(flat) if layer.geometry.dimension == 1 else cast(literal(0.0), Double)


def class_changes(layer: LayerDefinition, *, first: bool) -> Select[Any]:
    """Return the statement that sums a load by class, within its transaction and before its end.

    Args:
        layer: The layer.
        first: The layer held nothing before: everything staged was added.

    Returns:
        ``side`` (before, after), ``class``, ``features`` and ``size``, of the features changed.
    """
    name = class_field(layer)
    stage, table, difference = stage_table(layer), city_table(layer), difference_table()

    def sums(side: ColumnElement[str], source: Any, rows: Any) -> Select[Any]:
        group = source.c[name] if name is not None else None
        statement = (
            select(
                side.label("side"),
                (literal(None) if group is None else group).label("class"),
                func.count().label("features"),
                func.sum(measure(layer, source.c.geom)).label("size"),
            )
            .select_from(rows)
            .having(func.count() > 0)
        )
        return statement if group is None else statement.group_by(group)

    if first:
        return sums(_AFTER, stage, stage)
    surveyed = stage.join(difference, difference.c.source_row == stage.c.source_row)
    same_row = and_(
        table.c.feature_id == difference.c.feature_id,
        table.c.version == difference.c.held_version,
        table.c.recorded_from == difference.c.held_recorded,
        difference.c.held,
    )
    both = union_all(
        sums(_BEFORE, table, difference.join(table, same_row)),
        sums(_AFTER, stage, surveyed),
    ).subquery("both")
    return select(both)
